"""Running the generators that resource types are written as: each call answered inside one transaction."""

from __future__ import annotations

from typing import TypeVar

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.resources.declaration import Steps

T = TypeVar("T")


def carry_out(steps: Steps[T], cx: Context, role: str | None) -> T:
    """Answer each call of the generator through `cx.invoke`; its return value. Raises the handler's AwsError.

    A bug inside a handler, or inside the service it calls, is an InternalFailure of that handler: its resource fails
    with the bug's name instead of being tried for ever.
    """
    try:
        return _carried_out(steps, cx, role)
    except AwsError:
        raise
    except Exception as bug:
        raise AwsError(
            "InternalFailure", f"Neargate failed inside this handler: {type(bug).__name__}: {bug}", status=500
        ) from bug


def _carried_out(steps: Steps[T], cx: Context, role: str | None) -> T:
    try:
        call = next(steps)
        while True:
            try:
                answer: Json = cx.invoke(
                    call.service, call.operation, call.request, role=role, region=call.region
                )
            except AwsError as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def noting(steps: Steps[T], done: set[str]) -> Steps[T]:
    """The same steps. `done` gets the services whose calls were answered, also where a later one fails."""
    try:
        call = next(steps)
        while True:
            try:
                answer = yield call
            except AwsError as error:
                call = steps.throw(error)
            else:
                done.add(call.service)
                call = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
