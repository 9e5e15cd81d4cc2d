"""The models' patterns, which are Java's or ECMAScript's, as Python expressions."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_PROPERTY = re.compile(r"\\p\{(?:Is)?(\w+)\}")
_LAST = 0x3FFFF  # letters and marks end there; what is above is private use and tags
_NAMED = {
    "ASCII": r"\x00-\x7f",
    "Print": r"\x20-\x7e",
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "XDigit": "0-9A-Fa-f",
}
# `[\w-_]`: after a class a dash is itself, in Java and in ECMAScript.
_DASH_AFTER_CLASS = re.compile(r"(\[[^\]]*?\\[wsd])-(?=[^\]])")
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"


@cache
def matcher(pattern: str) -> re.Pattern[str] | None:
    """A pattern to be matched in full; None where Python has no such expression (then nothing is refused)."""
    text = pattern.replace(_SURROGATES, f"\\U00010000-\\U{sys.maxunicode:08x}")
    text = _DASH_AFTER_CLASS.sub(r"\1\\-", text)
    text = _PROPERTY.sub(lambda found: _property(found[1], _in_class(text, found.start())), text)
    try:
        return re.compile(text, re.ASCII)
    except (re.error, RecursionError):
        return None


def _in_class(text: str, at: int) -> bool:
    return text.rfind("[", 0, at) > text.rfind("]", 0, at)


def _property(name: str, in_class: bool) -> str:
    ranges = _NAMED.get(name) or _category(name)
    return ranges if in_class else f"[{ranges}]"


@cache
def _category(name: str) -> str:
    """The characters of a Unicode category (`L`, `Zs`) as the inside of a character class."""
    ranges: list[list[int]] = []
    for code in range(_LAST):
        if unicodedata.category(chr(code)).startswith(name):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
