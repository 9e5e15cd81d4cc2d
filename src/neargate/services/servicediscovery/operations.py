"""Operations: what Cloud Map does after its answer. Here it has happened by then, and the operation tells so."""

from __future__ import annotations

from collections.abc import Iterator

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Entry, Json
from neargate.model.servicediscovery import OPERATIONS
from neargate.services.servicediscovery.lookup import accepts, page

KEPT = 30 * 24 * 3600.0
"""Seconds for which operations can be asked for."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def record(cx: Context, type: str, targets: Json, failure: tuple[str, str] | None = None) -> Json:
    """Note that an operation has ended, well or with a failure's (code, message); answers `{OperationId}`."""
    id = f"{cx.ids.letters(32, _LETTERS)}-{cx.ids.letters(8, _LETTERS)}"
    body: Json = {"Id": id, "Type": type, "Status": "SUCCESS", "Targets": targets}
    if failure is not None:
        body |= {"Status": "FAIL", "ErrorCode": failure[0], "ErrorMessage": failure[1]}
    cx.tx.append(OPERATIONS, cx.caller.scope(id), body)
    return {"OperationId": id}


@operation("servicediscovery", "GetOperation", reads=True)
def get_operation(cx: Context, request: Json) -> Json:
    found = cx.tx.entries(OPERATIONS, cx.caller.scope(request["OperationId"]), limit=1)
    if not found:
        raise AwsError("OperationNotFound", f"Operation not found. Operation ID: {request['OperationId']}")
    done = found[0]
    return {
        "Operation": {
            **done.body,
            "OwnerAccount": cx.account,
            "CreateDate": done.at,
            "UpdateDate": done.at,
        }
    }


@operation("servicediscovery", "ListOperations", heavy=True)
def list_operations(cx: Context, request: Json) -> Json:
    kept = [
        entry for entry in _mine(cx) if all(_passes(given, entry) for given in request.get("Filters") or ())
    ]
    shown, more = page(request, kept, lambda entry: f"{entry.seq:020d}")
    return {"Operations": [{"Id": e.body["Id"], "Status": e.body["Status"]} for e in shown], **more}


def _mine(cx: Context) -> Iterator[Entry]:
    scope = cx.caller.scope("")
    yield from (entry for entry in cx.tx.entries(OPERATIONS) if entry.subject.startswith(scope))


def _passes(given: Json, entry: Entry) -> bool:
    name = given["Name"]
    if name == "UPDATE_DATE":
        return _within(given, entry.at)
    if name in ("STATUS", "TYPE"):
        return accepts(given, entry.body[name.title()])
    return accepts(given, entry.body["Targets"].get(name.removesuffix("_ID"), ""))


def _within(given: Json, at: float) -> bool:
    """UPDATE_DATE BETWEEN two times, epoch seconds as text."""
    if given.get("Condition") != "BETWEEN" or len(given["Values"]) != 2:
        raise AwsError("InvalidInput", "Filter UPDATE_DATE takes the condition BETWEEN and two values")
    try:
        first, last = (float(value) for value in given["Values"])
    except ValueError as error:
        raise AwsError("InvalidInput", "Filter UPDATE_DATE takes times in epoch seconds") from error
    return first <= at <= last
