"""A bug in a handler, or in the service it calls, fails its resource; it does not hang the stack."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.resources.carrying import carry_out
from neargate.resources.declaration import Call, Steps


class Calls:
    """What a handler needs of a Context."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome

    def invoke(self, *_: Any, **__: Any) -> Any:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def handler() -> Steps[str]:
    answer = yield Call("sns", "CreateTopic", {"Name": "a"})
    return str(answer["TopicArn"])


def test_the_return_value_is_the_generators() -> None:
    assert carry_out(handler(), Calls({"TopicArn": "arn"}), None) == "arn"  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [{}, ZeroDivisionError("by zero")])
def test_a_bug_is_an_internal_failure(outcome: Any) -> None:
    with pytest.raises(AwsError, match="Neargate failed inside this handler: ") as failed:
        carry_out(handler(), Calls(outcome), None)  # type: ignore[arg-type]
    assert (failed.value.code, failed.value.status) == ("InternalFailure", 500)


def test_an_error_of_the_service_stays_as_it_is() -> None:
    with pytest.raises(AwsError, match="no") as failed:
        carry_out(handler(), Calls(AwsError("NotFound", "no")), None)  # type: ignore[arg-type]
    assert failed.value.code == "NotFound"
