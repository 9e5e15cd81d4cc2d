"""Tags of load balancers, listeners, rules and target groups."""

from __future__ import annotations

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.tags import Tags
from neargate.services.elbv2.lookup import invalid

MOST = 50


def given(cx: Context, request: Json) -> Tags:
    """The tags that a request brings, checked."""
    return checked(cx, request.get("Tags"), {})


def checked(cx: Context, items: list[Json] | None, have: Tags) -> Tags:
    """The tags `have` with those of a request, checked: TooManyTags, DuplicateTagKeys."""
    keys = [item["Key"] for item in items or ()]
    repeated = {key for key in keys if keys.count(key) > 1}
    if repeated:
        raise AwsError("DuplicateTagKeys", f"Tag key was specified more than once: {min(repeated)}")
    together = {**have, **tags.from_list(items)}
    if not cx.caller.via and any(key.lower().startswith("aws:") for key in keys):
        raise invalid("Tag keys that begin with 'aws:' are reserved for system use")
    if sum(1 for key in together if not key.startswith("aws:")) > MOST:
        raise AwsError(
            "TooManyTags",
            "The quota for the number of tags that can be assigned to a load balancer has been reached",
        )
    return together
