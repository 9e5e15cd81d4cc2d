"""The parameters that AWS publishes under `/aws/service/`, as moto's data files recorded them.

The files come with the optional extra `neargate[moto]`; without it there are no public parameters. They are read,
moto itself is not loaded: recent images of Amazon Linux and of ECS, AWS's regions and services.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

PREFIX = "/aws/service/"
_IMAGES = ("/aws/service/ami-amazon-linux-latest", "/aws/service/ecs/optimized-ami")
_FILES = {
    "/aws/service/ami-amazon-linux-latest": "ami-amazon-linux-latest/{region}.json.gz",
    "/aws/service/ecs/optimized-ami": "ecs/optimized_amis/{region}.json.gz",
    "/aws/service/global-infrastructure/regions": "regions.json.gz",
    "/aws/service/global-infrastructure/services": "services.json.gz",
}


@attrs.frozen
class Published:
    """A public parameter of a region. `modified` in epoch seconds."""

    name: str
    value: str
    version: int = 1
    modified: float = 0.0
    data_type: str = "text"


def find(region: str, name: str) -> Published | None:
    """The public parameter of that name, or None."""
    for prefix, parameters in _matching(region, name):
        if name.startswith(prefix):
            return parameters.get(name)
    return None


def below(region: str, path: str) -> list[Published]:
    """All at any depth below a path, by name."""
    path = path.rstrip("/") + "/"
    found = [
        each
        for _, parameters in _matching(region, path)
        for name, each in parameters.items()
        if name.startswith(path)
    ]
    return sorted(found, key=lambda each: each.name)


def is_image(region: str, image: str) -> bool:
    """Whether one of them names this image."""
    return any(
        each.value == image
        for prefix in _IMAGES
        for each in _loaded(_FILES[prefix].format(region=region)).values()
    )


def _matching(region: str, name: str) -> Iterator[tuple[str, Mapping[str, Published]]]:
    """The files in which the name, or a name below it, may be."""
    for prefix, file in _FILES.items():
        if name.startswith(prefix) or prefix.startswith(name):
            yield prefix, _loaded(file.format(region=region))


@cache
def _loaded(file: str) -> Mapping[str, Published]:
    path = _directory() / file
    if not path.is_file():
        return {}
    content = json.loads(gzip.decompress(path.read_bytes()))
    found = _recorded(content) if isinstance(content, list) else _tree(content, "")
    return {each.name: each for each in found}


@cache
def _directory() -> Path:
    spec = importlib.util.find_spec("moto")
    if spec is None or spec.origin is None:
        return Path("/nonexistent")
    return Path(spec.origin).parent / "ssm" / "resources"


def _recorded(items: list[dict[str, Any]]) -> Iterator[Published]:
    for item in items:
        yield Published(
            item["Name"], item["Value"], item["Version"], item["LastModifiedDate"], item["DataType"]
        )


def _tree(node: Mapping[str, Any], path: str) -> Iterator[Published]:
    """Nested by the parts of the names; a value stands under `Value`, a structured one as JSON text."""
    for part, item in node.items():
        if part == "Value":
            yield Published(path, item if isinstance(item, str) else json.dumps(item))
        else:
            yield from _tree(item, f"{path}/{part}")
