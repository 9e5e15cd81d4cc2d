"""The git program over bare repositories in the data directory."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?\Z")


class GitFailed(Exception):
    """git ended with an error; the text is its own."""


@attrs.frozen
class Commit:
    """A commit: its id, the first line of its message, its author's and committer's dates (ISO 8601)."""

    id: str
    subject: str
    author_date: str
    commit_date: str


class GitRepositories:
    """Bare repositories under one root, by names like `owner/name` or `name`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Where a repository lies. Raises ValueError for a name that could lead elsewhere."""
        if not _NAME.match(name) or name.endswith((".lock", ".git")):
            raise ValueError(
                f"{name!r} is not a repository name: use letters, digits, . _ - and one / at most"
            )
        return self.root / f"{name}.git"

    def names(self) -> list[str]:
        """Every repository there is."""
        found = [*self.root.glob("*.git"), *self.root.glob("*/*.git")]
        return sorted(str(path.relative_to(self.root)).removesuffix(".git") for path in found)

    def exists(self, name: str) -> bool:
        return (self.path(name) / "HEAD").exists()

    async def create(self, name: str) -> Path:
        """Make a bare repository; an existing one is left as it is."""
        path = self.path(name)
        if not (path / "HEAD").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            await self.run("init", "--quiet", "--bare", "--initial-branch=main", str(path))
            await self.run("-C", str(path), "config", "http.receivepack", "true")
        return path

    async def commit(self, name: str, ref: str) -> Commit:
        """The commit that a ref or id names. Raises GitFailed where there is none."""
        text = await self.run(
            "-C",
            str(self.path(name)),
            "show",
            "--no-patch",
            "--format=%H%n%s%n%aI%n%cI",
            "--end-of-options",  # whatever a ref is called, it is none
            f"{ref}^{{commit}}",
        )
        identity, subject, author, committed = text.decode("utf-8", "replace").rstrip("\n").split("\n")[:4]
        return Commit(identity, subject, author, committed)

    async def refs(self, name: str) -> dict[str, str]:
        """Every branch and tag with the commit it points at."""
        text = await self.run("-C", str(self.path(name)), "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ", 1) for line in text.decode().splitlines())

    async def archive(self, name: str, commit: str, path: str = "") -> bytes:
        """A zip of the tree of a commit, or of one folder of it."""
        tree = f"{commit}:{path.strip('/')}" if path.strip("/") else commit
        return await self.run("-C", str(self.path(name)), "archive", "--format=zip", tree)

    async def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> bytes:
        """Run git; its standard output. Raises GitFailed with what it said."""
        if shutil.which("git") is None:
            raise GitFailed("The git program is not installed: apt-get install git")
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_clean_environment(), **(environment or {})},
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise GitFailed(err.decode("utf-8", "replace").strip() or f"git ended with {process.returncode}")
        return out


def _clean_environment() -> dict[str, str]:
    """git must not be led astray by a hook's or a user's own GIT_* variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
