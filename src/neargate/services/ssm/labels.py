"""Labels: names for versions of a parameter. A label is at one version; labelling another moves it."""

from __future__ import annotations

import re

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm import Parameter
from neargate.services.ssm.lookup import numbered, the_parameter, version_not_found

_LABEL = re.compile(r"(?!aws|ssm)[a-z_.-][\w.-]{0,99}", re.ASCII | re.IGNORECASE)
_MAX_LABELS = 10


@operation("ssm", "LabelParameterVersion")
def label_parameter_version(cx: Context, request: Json) -> Json:
    """Labels that no version may have come back as invalid; then none is put."""
    parameter = the_parameter(cx, request["Name"])
    number = _version_number(cx, parameter, request.get("ParameterVersion"))
    invalid = [label for label in request["Labels"] if not _LABEL.fullmatch(label)]
    if not invalid:
        labels = {**parameter.labels, **dict.fromkeys(request["Labels"], number)}
        if sum(version == number for version in labels.values()) > _MAX_LABELS:
            raise AwsError(
                "ParameterVersionLabelLimitExceeded",
                f"A parameter version can have maximum {_MAX_LABELS} labels. "
                "Move one or more labels to another version and try again.",
            )
        cx.tx.put(attrs.evolve(parameter, labels=labels))
    return {"InvalidLabels": invalid, "ParameterVersion": number}


@operation("ssm", "UnlabelParameterVersion")
def unlabel_parameter_version(cx: Context, request: Json) -> Json:
    """Labels that the version does not carry come back as invalid."""
    parameter = the_parameter(cx, request["Name"])
    number = _version_number(cx, parameter, request["ParameterVersion"])
    carried = parameter.labels_of(number)
    removed = [label for label in request["Labels"] if label in carried]
    labels = {label: at for label, at in parameter.labels.items() if label not in removed}
    cx.tx.put(attrs.evolve(parameter, labels=labels))
    return {
        "RemovedLabels": removed,
        "InvalidLabels": [label for label in request["Labels"] if label not in carried],
    }


def _version_number(cx: Context, parameter: Parameter, number: int | None) -> int:
    if number is None:
        return parameter.current.number
    if numbered(cx, parameter, number) is None:
        raise version_not_found(parameter.name, str(number))
    return number
