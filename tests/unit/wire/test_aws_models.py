"""Shapes and operations are what botocore itself makes of its files."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.wire import aws_models
from neargate.wire.aws_models import Shape
from tests.unit.wire.clients import botocore_model


def _compare(ours: Shape | None, theirs: Any, seen: set[tuple[str, str]]) -> None:
    if ours is None or theirs is None:
        assert ours is theirs
        return
    assert (ours.name, ours.type_name) == (theirs.name, theirs.type_name)
    assert (ours.serialization, ours.metadata) == (theirs.serialization, theirs.metadata), ours.name
    mark = (ours.name, repr(ours.serialization))
    if mark in seen:
        return
    seen.add(mark)
    if ours.type_name == "structure":
        assert list(ours.members) == list(theirs.members)
        for name, member in ours.members.items():
            _compare(member, theirs.members[name], seen)
    elif ours.type_name == "list":
        _compare(ours.member, theirs.member, seen)
    elif ours.type_name == "map":
        _compare(ours.key, theirs.key, seen)
        _compare(ours.value, theirs.value, seen)


# One of each protocol, one outside the table of known services, two with files that add to the model.
@pytest.mark.parametrize("service", ["sts", "ecs", "cloudwatch", "lambda", "s3", "eks", "secretsmanager"])
def test_every_shape_of_every_operation(service: str) -> None:
    model, seen = botocore_model(service), set[tuple[str, str]]()
    assert list(aws_models.operations(service)) == model.operation_names
    for name in model.operation_names:
        ours, theirs = aws_models.operation(service, name), model.operation_model(name)
        assert (ours.method, ours.request_uri) == (theirs.http["method"], theirs.http["requestUri"])
        assert list(ours.errors) == [shape.name for shape in theirs.error_shapes]
        _compare(ours.input, theirs.input_shape, seen)
        _compare(ours.output, theirs.output_shape, seen)
    assert seen
