"""Pages of names, a hundred at a time, by a token that says where to go on."""

from __future__ import annotations

from collections.abc import Sequence

from neargate.model.errors import AwsError
from neargate.model.records import Json

_PAGE = 100


def page(request: Json, member: str, items: Sequence[str]) -> Json:
    """The page of `items` that the request's `nextToken` asks for. Raises InvalidInputException."""
    token = request.get("nextToken") or "0"
    if not token.isdecimal() or int(token) > len(items):
        raise AwsError("InvalidInputException", f"Invalid token: {token}")
    start = int(token)
    end = start + _PAGE
    answer: Json = {member: list(items[start:end])}
    if end < len(items):
        answer["nextToken"] = str(end)
    return answer
