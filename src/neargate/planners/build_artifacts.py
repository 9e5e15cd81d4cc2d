"""Which files of a build become its artifacts, and under which names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

import attrs

from neargate.planners.buildspec import ArtifactSpec

NO_MATCH = "no matching artifact paths found"

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@attrs.frozen
class Selection:
    """`files` are (path in the source directory, name in the artifact), in order of name; `lines` go to the log.

    Without any file the phase fails with `NO_MATCH`.
    """

    files: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]


def select(
    artifact: ArtifactSpec, paths: Iterable[str], root: str, environment: Mapping[str, str]
) -> Selection:
    """Choose among `paths`, all files below `root` (the source directory), relative to it, `/` between parts.

    `environment` fills in `$VAR` and `${VAR}` in every path of the buildspec. With `discard-paths`, of files of one
    name the last in order of path stays.
    """
    base = relative(expanded(artifact.base_directory, environment), root)
    lines = [f"Expanding base directory path: {base or '.'}", "Assembling file list"]
    below = [(path, name) for path in sorted(paths) if (name := _under(path, base)) is not None]
    excluded = [pattern(expanded(each, environment)) for each in artifact.exclude_paths]
    chosen: dict[str, str] = {}
    for given in artifact.files:
        wanted = expanded(given, environment)
        lines.append(f"Expanding {wanted}")
        matches = pattern(relative(wanted, posixpath.join(root, base)))
        found = [
            (path, name)
            for path, name in below
            if matches.fullmatch(name) and not any(each.fullmatch(name) for each in excluded)
        ]
        lines.append(f"Found {len(found)} file(s)" if found else f"Skipping invalid file path {wanted}")
        for path, name in found:
            chosen[posixpath.basename(name) if artifact.discard_paths else name] = path
    return Selection(tuple((path, name) for name, path in sorted(chosen.items())), tuple(lines))


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """`$VAR` and `${VAR}` filled in; an unknown variable is empty."""
    return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], ""), text)


def relative(path: str, root: str) -> str:
    """A path as one below `root`: without `root` itself, `./` and slashes at its ends."""
    inside = path.removeprefix(root) if path.startswith(root.rstrip("/") + "/") or path == root else path
    clean = posixpath.normpath(inside.strip("/")) if inside.strip("/") else ""
    return "" if clean == "." else clean


def pattern(glob: str) -> re.Pattern[str]:
    """A glob as CodeBuild reads it: `*` and `?` within a directory's level, `**` across levels, `[a-z]`."""
    parts = []
    pieces = glob.removeprefix("./").split("/")
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        if piece == "**":
            parts.append(".+" if last else "(?:[^/]+/)*")
        else:
            parts.append(_piece(piece) + ("" if last else "/"))
    return re.compile("".join(parts))


def _piece(piece: str) -> str:
    translated, at = "", 0
    while at < len(piece):
        char = piece[at]
        end = piece.find("]", at + 2) if char == "[" else -1
        if char == "*":
            translated += "[^/]*"
        elif char == "?":
            translated += "[^/]"
        elif end != -1:
            translated += _class(piece[at + 1 : end])
            at = end
        else:
            translated += re.escape(char)
        at += 1
    return translated


def _class(inner: str) -> str:
    """A bracket's content as a set of characters; a range that runs backwards holds none."""
    negated = inner[0] in "!^"
    inner, members = inner[negated:], ""
    for first, dash, last in re.findall(r"(.)(?:(-)(.))?", inner, re.DOTALL):
        if not dash:
            members += re.escape(first)
        elif first <= last:
            members += f"{re.escape(first)}-{re.escape(last)}"
    if not members:
        return "[^/]" if negated else "(?!)"
    return f"[{'^/' if negated else ''}{members}]"


def _under(path: str, base: str) -> str | None:
    if not base:
        return path
    return path[len(base) + 1 :] if path.startswith(base + "/") else None
