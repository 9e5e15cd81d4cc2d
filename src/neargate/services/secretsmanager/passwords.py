"""GetRandomPassword."""

from __future__ import annotations

import string

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.secretsmanager.lookup import invalid_parameter

_LENGTH = 32
_CLASSES = (
    ("ExcludeLowercase", string.ascii_lowercase),
    ("ExcludeUppercase", string.ascii_uppercase),
    ("ExcludeNumbers", string.digits),
    ("ExcludePunctuation", string.punctuation),
)


@operation("secretsmanager", "GetRandomPassword", reads=True)
def get_random_password(cx: Context, request: Json) -> Json:
    """Each of the character types that are not excluded is there at least once, unless that is waived."""
    length, excluded = request.get("PasswordLength", _LENGTH), request.get("ExcludeCharacters") or ""
    classes = [letters for member, letters in _CLASSES if not request.get(member)]
    if request.get("IncludeSpace"):
        classes.append(" ")
    allowed = ["".join(letter for letter in letters if letter not in excluded) for letters in classes]
    allowed = [letters for letters in allowed if letters]
    if not allowed:
        raise invalid_parameter("No characters are left to make a password of.")
    required = allowed if request.get("RequireEachIncludedType", True) else []
    if length < len(required):
        raise invalid_parameter("Password length is too short based on the required types.")
    drawn = [cx.ids.letters(1, letters) for letters in required]
    drawn += cx.ids.letters(length - len(drawn), "".join(allowed))
    return {"RandomPassword": "".join(_shuffled(cx, drawn))}


def _shuffled(cx: Context, letters: list[str]) -> list[str]:
    """Every order is as likely as any other (Fisher and Yates)."""
    letters = list(letters)
    for last in range(len(letters) - 1, 0, -1):
        other = int(cx.ids.digits(12)) % (last + 1)
        letters[last], letters[other] = letters[other], letters[last]
    return letters
