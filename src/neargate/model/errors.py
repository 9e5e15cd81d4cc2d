"""The one exception that carries an AWS error from wherever it arises to the wire."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error as an AWS API words it.

    `code` is the error code without namespace (`ValidationError`), `message` the text a user reads,
    `status` the HTTP status. `members` are further members of a modelled error shape. `request_id` is that of the
    call that failed, where one service called another.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members
        self.request_id = ""

    def __repr__(self) -> str:
        return f"AwsError({self.code!r}, {self.message!r}, status={self.status})"


def not_implemented(what: str, service: str) -> AwsError:
    """The refusal of something AWS has and Neargate has not: it names it and points to the coverage page."""
    return AwsError(
        "NotImplemented",
        f"{what} is not implemented by Neargate yet (docs/coverage.md#{service})",
        status=501,
    )
