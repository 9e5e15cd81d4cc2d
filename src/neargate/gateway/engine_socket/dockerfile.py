"""Dockerfiles that name images of ECR, or images that the build made before: the names as the engine has them.

Only where a Dockerfile names an image is it touched: FROM, `--from=` of COPY, ADD and RUN mounts, and the default
of an ARG before the first FROM, which nothing but FROM can use. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_FROM = re.compile(r"(?P<head>\s*FROM\s+(?:--\S+\s+)*)(?P<name>\S+)", re.IGNORECASE)
_ARG = re.compile(r"(?P<head>\s*ARG\s+\w+=)(?P<quote>[\"']?)(?P<name>[^\"'\s]+)", re.IGNORECASE)
_COPY = re.compile(r"\s*(?:COPY|ADD|RUN)\s", re.IGNORECASE)
_COPY_FROM = re.compile(r"(?P<head>(?:--|,|=)from=)(?P<name>[^\s,]+)")


def rewritten(text: str, rename: Callable[[str], str]) -> str:
    """The Dockerfile with `rename` applied to every image name; stages' own names are left alone."""
    stages: set[str] = set()
    seen_from = False
    lines = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return match["head"] + (name if name in stages or name.isdigit() else rename(name))

    for line in text.splitlines(keepends=True):
        if match := _FROM.match(line):
            seen_from = True
            stage = re.search(r"\sAS\s+(\S+)", line, re.IGNORECASE)
            line = replace(match) + line[match.end() :]
            if stage is not None:
                stages.add(stage[1])
        elif not seen_from and (match := _ARG.match(line)):
            line = match["head"] + match["quote"] + rename(match["name"]) + line[match.end() :]
        elif _COPY.match(line):
            line = _COPY_FROM.sub(replace, line)
        lines.append(line)
    return "".join(lines)
