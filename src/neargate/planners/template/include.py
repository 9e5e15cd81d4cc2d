"""AWS::Include: a snippet from S3 takes its place in the template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.planners.template.reading import read
from neargate.planners.template.transforms import EMBEDDED, Json, TransformFailed, embedded, failed

INCLUDE = "AWS::Include"


def location(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """(bucket, key) of the parameter Location. Raises TransformFailed for anything but `s3://bucket/key`."""
    place = parameters.get("Location")
    if isinstance(place, str) and place.startswith("s3://"):
        bucket, _, key = place.removeprefix("s3://").partition("/")
        if bucket and key:
            return bucket, key
    raise failed(INCLUDE, "The location parameter is not a valid S3 uri.")


def snippet(text: str) -> Json:
    """The snippet's data. As on AWS it knows neither short forms nor further transforms."""
    malformed = failed(INCLUDE, "The specified S3 object's content should be valid Yaml/JSON")
    try:
        data = read(text, short_forms=False)
    except AwsError:
        raise malformed from None
    try:
        if any(embedded(data)):
            raise malformed
    except AwsError:
        raise malformed from None
    return data


def merged(fragment: Json, included: Json, whole: bool) -> Json:
    """What stood beside the transform, with the snippet's members over it.

    At the top of a template the sections are joined: a snippet with Resources adds to those of the template.
    """
    result = {key: value for key, value in fragment.items() if key != EMBEDDED}
    for key, value in included.items():
        beside = result.get(key)
        joined = whole and isinstance(beside, dict) and isinstance(value, dict)
        result[key] = {**beside, **value} if joined and isinstance(beside, dict) else value
    return result


__all__ = ["INCLUDE", "TransformFailed", "location", "merged", "snippet"]
