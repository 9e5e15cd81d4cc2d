"""Dockerfiles that name images of ECR, or images that the build made before: the names as the engine has them.

Only where a Dockerfile names an image is it touched: FROM, and `--from=` of COPY, ADD and RUN mounts. Variables
in FROM are expanded, as only ARGs before the first FROM can stand there. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_FROM = re.compile(r"(?P<head>\s*FROM\s+(?:--\S+\s+)*)(?P<name>\S+)", re.IGNORECASE)
_ARG = re.compile(r"\s*ARG\s+(?P<rest>.+)", re.IGNORECASE)
_DEFAULT = re.compile(r"(?P<name>\w+)=(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>\S*))")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\}|(?P<plain>\w+))")
_STAGE = re.compile(r"\sAS\s+(\S+)", re.IGNORECASE)
_COPY = re.compile(r"\s*(?:COPY|ADD|RUN)\s", re.IGNORECASE)
_COPY_FROM = re.compile(r"(?P<head>(?:--|,|=)from=)(?P<name>[^\s,]+)")


def rewritten(text: str, rename: Callable[[str], str], build_args: Mapping[str, str]) -> str:
    """The Dockerfile with `rename` applied to every image name; stages' own names are left alone, and so is a
    FROM whose variables nobody sets (the engine says what is wrong with it)."""
    stages: set[str] = set()
    arguments: dict[str, str] = {}
    seen_from = False
    lines = []

    def replace(match: re.Match[str]) -> str:
        name = _expanded(match["name"], arguments)
        keep = name is None or name in stages or name.isdigit() or name == "scratch"
        return match["head"] + (match["name"] if keep or name is None else rename(name))

    for line in text.splitlines(keepends=True):
        if match := _FROM.match(line):
            seen_from = True
            stage = _STAGE.search(line)
            line = replace(match) + line[match.end() :]
            if stage is not None:
                stages.add(stage[1])
        elif not seen_from and (match := _ARG.match(line)):
            arguments |= _defaults(match["rest"], build_args)
        elif _COPY.match(line):
            line = _COPY_FROM.sub(replace, line)
        lines.append(line)
    return "".join(lines)


def _defaults(text: str, build_args: Mapping[str, str]) -> dict[str, str]:
    """The arguments that an ARG instruction declares, as they are set."""
    defaults = {m["name"]: m["double"] or m["single"] or m["bare"] or "" for m in _DEFAULT.finditer(text)}
    declared = {*defaults, *re.findall(r"\w+", text)}
    return {**defaults, **{name: value for name, value in build_args.items() if name in declared}}


def _expanded(name: str, arguments: Mapping[str, str]) -> str | None:
    """The name without variables; None where one has no value."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        found = arguments.get(match["braced"] or match["plain"]) or match["default"]
        missing = missing or not found
        return found or ""

    text = _VARIABLE.sub(value, name)
    return None if missing or "$" in text else text
