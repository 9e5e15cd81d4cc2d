"""The files in which botocore ships AWS's service models: found and read without importing botocore.

A model is kept as the JSON text of each shape and operation, without documentation, and a definition is parsed when
something needs it: all of EC2 then costs about 2 MB instead of 10. botocore itself would cost 5 MB and a tenth of the
time in which a server is to start.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Definitions(dict[str, Any]):
    """Definitions by name, each kept as JSON text until it is first read."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, bytes):
            found = json.loads(found)
            self[name] = found
        return found

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


def latest_version(service: str) -> str | None:
    """The newest API version of a service that botocore has a model of; None where it has none."""
    if not re.fullmatch(r"[a-z0-9-]+", service):
        return None
    versions = [found.parent.name for found in (_directory() / service).glob("*/service-2.json*")]
    return max(versions, default=None)


def read(service: str, version: str) -> dict[str, Any]:
    """The model file, with `shapes` and `operations` as Definitions and `errorNames`, the names of its error shapes.

    What the files beside it add for SDKs is in it. Raises FileNotFoundError.
    """
    directory = _directory() / service / version
    definitions = _definitions(_text(directory / "service-2.json"))
    try:
        extras = json.loads(_text(directory / "service-2.sdk-extras.json"))
    except FileNotFoundError:
        return definitions
    _merge(definitions, extras.get("merge", {}))
    return definitions


@cache
def _directory() -> Path:
    package = find_spec("botocore")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("botocore, whose service models Neargate reads, is not installed")
    return Path(package.origin).with_name("data")


def _text(path: Path) -> str:
    """botocore packs most of its files. Raises FileNotFoundError."""
    packed = path.with_name(path.name + ".gz")
    if packed.is_file():
        return gzip.decompress(packed.read_bytes()).decode("utf-8")
    return path.read_text(encoding="utf-8")


def _merge(definitions: dict[str, Any], extra: dict[str, Any]) -> None:
    for name, value in extra.items():
        known = definitions.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            definitions[name] = value


def _definitions(text: str) -> dict[str, Any]:
    reader = _Reader(text)
    result: dict[str, Any] = {}
    errors = set()
    for part in reader.members():
        if part not in {"shapes", "operations"}:
            result[part] = reader.value()
            continue
        texts = Definitions()
        for name in reader.members():
            definition = reader.value()
            if definition.get("exception"):
                errors.add(name)
            texts[name] = json.dumps(definition, separators=(",", ":")).encode()
        result[part] = texts
    result["errorNames"] = frozenset(errors)
    return result


class _Reader:
    """Walks a large JSON object member by member, so that it never has to be in memory as a whole tree."""

    _between = re.compile(r"[\s,:]*")

    def __init__(self, text: str) -> None:
        self._text = text
        self._decode = json.JSONDecoder(object_hook=_undocumented).raw_decode
        self._at = self._skip(0)

    def _skip(self, at: int) -> int:
        found = self._between.match(self._text, at)
        return found.end() if found else at

    def members(self) -> Iterator[str]:
        """The names in the object that starts here. Its reader consumes each member with value() or members()."""
        self._at = self._skip(self._at + 1)
        while self._text[self._at] != "}":
            name: str = self.value()
            yield name
        self._at = self._skip(self._at + 1)

    def value(self) -> Any:
        found, end = self._decode(self._text, self._at)
        self._at = self._skip(end)
        return found


def _undocumented(definition: dict[str, Any]) -> dict[str, Any]:
    if isinstance(definition.get("documentation"), str):
        del definition["documentation"]
    return definition
