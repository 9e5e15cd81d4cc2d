"""The constraints of a model, checked on a decoded request and worded as AWS words them.

2 validation errors detected: Value 'x' at 'stackName' failed to satisfy constraint: Member must …; Value null …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.wire import aws_models
from neargate.wire.aws_models import Shape
from neargate.wire.forms import ec2_name
from neargate.wire.messages import Target
from neargate.wire.patterns import matcher

_CODES = {
    "autoscaling": "ValidationError",
    "cloudformation": "ValidationError",
    "cloudwatch": "ValidationError",
    "codebuild": "InvalidInputException",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "elb": "ValidationError",
    "elbv2": "ValidationError",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "rds": "ValidationError",
    "route53": "InvalidInput",
    "servicediscovery": "InvalidInput",
    "sns": "ValidationError",
    "sts": "ValidationError",
}
_OPERATION_CODES = {("ecs", "RegisterTaskDefinition"): "ClientException"}

# What AWS enforces where the model that it publishes says otherwise or nothing, by shape.
_STACK_NAME = {"pattern": "[a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"}
_ENFORCED: dict[tuple[str, str], dict[str, Any]] = {
    ("cloudformation", "StackName"): _STACK_NAME,
    ("cloudformation", "StackNameOrId"): _STACK_NAME,
    ("cloudformation", "TemplateBody"): {"max": 51200},
    ("cloudwatch", "StateValue"): {"enum": ["INSUFFICIENT_DATA", "ALARM", "OK"]},
    ("codepipeline", "ActionConfigurationValue"): {"max": 50000},
    ("logs", "MetricNamespace"): {"pattern": "[^*$]*"},
    ("ecr", "RepositoryName"): {
        "pattern": r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
    },
}

_NUMBERS = frozenset({"integer", "long", "float", "double"})
_MOST_REPORTED = 10
_NOT_NULL = "Member must not be null"


@attrs.frozen
class _Failure:
    """One constraint that one value fails. `shown` is the value as the message may show it."""

    shown: str
    path: str
    constraint: str

    def __str__(self) -> str:
        return f"{self.shown} at '{self.path}' failed to satisfy constraint: {self.constraint}"

    def in_ecrs_words(self) -> str:
        """ECR has words of its own, and reports the first failure only."""
        constraint, _, pattern = self.constraint.partition(" regular expression pattern: ")
        if pattern:
            constraint = f"{constraint.removeprefix('Member ')} regular expression '{pattern}'"
        return f"Invalid parameter at '{self.path}' failed to satisfy constraint: '{constraint}'"


def validate(target: Target, request: Mapping[str, Any]) -> None:
    """Passes a request that the operation's model allows; raises the AwsError that AWS gives for any other.

    S3 and EC2 only have required members checked, in their own words: they do not enforce the rest this way.
    """
    shape = aws_models.input_shape(target.service, target.operation)
    if shape is None:
        return
    if target.service in {"s3", "ec2"}:
        _require(target.service, shape, request)
        return
    failures = list(islice(_structure(shape, request, "", target.service), _MOST_REPORTED))
    if failures and target.service == "ecr":
        raise AwsError("InvalidParameterException", failures[0].in_ecrs_words())
    if failures:
        count = "1 validation error" if len(failures) == 1 else f"{len(failures)} validation errors"
        code = _OPERATION_CODES.get((target.service, target.operation)) or _CODES.get(
            target.service, "ValidationException"
        )
        raise AwsError(code, f"{count} detected: {'; '.join(str(failure) for failure in failures)}")


def _require(service: str, shape: Shape, request: Mapping[str, Any]) -> None:
    for name in shape.metadata.get("required", ()):
        if request.get(name) is not None:
            continue
        member = shape.members[name]
        if service == "ec2":
            wire_name = ec2_name(member, name)
            raise AwsError("MissingParameter", f"The request must contain the parameter {wire_name}")
        if name == shape.serialization.get("payload"):
            raise AwsError("MissingRequestBodyError", "Request Body is empty")
        wire_name = str(member.serialization.get("name", name))
        raise AwsError("InvalidArgument", f"The request must contain the parameter {wire_name}")
    payload = shape.serialization.get("payload")
    if service == "s3" and payload and not _is_whole(shape.members[payload], request.get(payload)):
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )


def _is_whole(shape: Shape, value: Any) -> bool:
    """True where no structure below lacks a required member."""
    if value is None:
        return True
    if shape.type_name == "structure":
        required = shape.metadata.get("required", ())
        return all(value.get(name) is not None for name in required) and all(
            _is_whole(shape.members[name], item) for name, item in value.items() if name in shape.members
        )
    if shape.type_name == "list":
        return all(_is_whole(shape.member, item) for item in value)
    return True


def _structure(shape: Shape, value: Any, path: str, service: str) -> Iterator[_Failure]:
    if shape.metadata.get("document"):
        return
    required = shape.metadata.get("required", ())
    for name, member in shape.members.items():
        item = value.get(name)
        where = _under(path, name)
        if item is None:
            if name in required:
                yield _Failure("Value null", where, _NOT_NULL)
            continue
        yield from _member(member, item, where, service)


def _under(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _member(shape: Shape, value: Any, path: str, service: str) -> Iterator[_Failure]:
    for constraint, fails in _constraints(shape, service, value):
        if fails:
            yield _failure(shape, value, path, constraint)
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(shape, value, path, service)
    elif kind == "list":
        yield from _items(shape, shape.member, value, list(_numbered(path, value)), "Member", path, service)
    elif kind == "map":
        keys = [(f"{path}.{key}", key) for key in value]
        yield from _items(shape, shape.key, value, keys, "Map keys", path, service)
        values = [(f"{path}.{key}.member", item) for key, item in value.items()]
        yield from _items(shape, shape.value, value, values, "Map value", path, service)


def _numbered(path: str, items: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items, 1):
        yield f"{path}.{number}.member", item


def _items(
    holder: Shape,
    shape: Shape,
    whole: Any,
    items: list[tuple[str, Any]],
    subject: str,
    path: str,
    service: str,
) -> Iterator[_Failure]:
    """Failures of a list's or map's parts. Parts that are scalars are reported once, at what holds them."""
    if shape.type_name == "structure":
        for where, item in items:
            if item is None:
                yield _Failure("Value null", where, _NOT_NULL)
            else:
                yield from _structure(shape, item, where, service)
        return
    if any(
        item is None or any(fails for _, fails in _constraints(shape, service, item)) for _, item in items
    ):
        texts = [text for text, _ in _constraints(shape, service, None)] or [_NOT_NULL]
        yield _failure(holder, whole, path, f"{subject} must satisfy constraint: [{', '.join(texts)}]")
    elif shape.type_name in {"list", "map"}:
        for where, item in items:
            yield from _member(shape, item, where, service)


def _constraints(shape: Shape, service: str, value: Any) -> Iterator[tuple[str, bool]]:
    """Each constraint of the shape itself, in AWS's words and order, and whether `value` fails it."""
    kind = shape.type_name
    rules = {**shape.metadata, **_ENFORCED.get((service, shape.name), {})}
    there = value is not None
    if kind in _NUMBERS:
        if "max" in rules:
            text = f"Member must have value less than or equal to {rules['max']}"
            yield text, there and value > rules["max"]
        if "min" in rules:
            text = f"Member must have value greater than or equal to {rules['min']}"
            yield text, there and value < rules["min"]
        return
    if kind in {"string", "blob", "list", "map"}:
        measured = there and hasattr(value, "__len__")  # a spooled upload has no length to check
        if "max" in rules:
            text = f"Member must have length less than or equal to {rules['max']}"
            yield text, measured and len(value) > rules["max"]
        if "min" in rules:
            text = f"Member must have length greater than or equal to {rules['min']}"
            yield text, measured and len(value) < rules["min"]
    if kind == "string" and "enum" in rules:
        text = f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"
        yield text, there and value not in rules["enum"]
    if kind == "string" and "pattern" in rules:
        expression = matcher(rules["pattern"])
        text = f"Member must satisfy regular expression pattern: {rules['pattern']}"
        yield text, there and expression is not None and not expression.fullmatch(value)


def _failure(shape: Shape, value: Any, path: str, constraint: str) -> _Failure:
    return _Failure("Value" if _is_sensitive(shape) else f"Value '{_java(value)}'", path, constraint)


def _is_sensitive(shape: Shape) -> bool:
    if shape.metadata.get("sensitive"):
        return True
    if shape.type_name == "list":
        return _is_sensitive(shape.member)
    if shape.type_name == "map":
        return _is_sensitive(shape.key) or _is_sensitive(shape.value)
    return False


def _java(value: Any) -> str:
    """A value as Java's toString shows it, which is what AWS prints."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_java(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)
