"""The git program, as `up` uses it on a project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import attrs
import click


class GitFailed(click.ClickException):
    """git ended with an error; the text is its own."""


@attrs.frozen
class Worktree:
    """A project's folder in a git repository: `path` is relative to `root`, "" for the root itself.

    `head` is the commit that a delivery takes; `branch` is None where no branch is checked out.
    """

    root: Path
    path: str
    head: str
    subject: str
    branch: str | None

    @property
    def ref(self) -> str:
        """The ref that Neargate's own repository keeps the delivered commit under."""
        return f"refs/heads/{self.branch or 'neargate'}"

    @property
    def repository(self) -> str:
        """The name of Neargate's own repository: the folder's, with nothing that a URL could stumble over."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.root.name).strip("-._").removesuffix(".git") or "project"

    def files(self) -> list[str]:
        """The files of the project in `head`, relative to the project's folder."""
        listed = run(self.root, "ls-tree", "-r", "-z", "--name-only", f"{self.head}:{self.path}")
        return [name for name in listed.split("\0") if name]

    def text(self, name: str) -> str:
        """A file of the project, as `head` has it."""
        return run(
            self.root, "show", f"{self.head}:{self.path}/{name}" if self.path else f"{self.head}:{name}"
        )

    def changed(self) -> list[str]:
        """Paths of the project that differ from `head`, new files too. Ignored files do not count."""
        listed = run(self.root, "status", "--porcelain", "-z", "--no-renames", "--", self.path or ".")
        return [entry[3:] for entry in listed.split("\0") if entry]


def worktree(directory: Path) -> Worktree:
    """The project in `directory`. Raises ClickException where it is in no repository, or in no commit."""
    if shutil.which("git") is None:
        raise click.ClickException("The git program is not installed. Run: apt-get install --yes git")
    try:
        root = Path(run(directory, "rev-parse", "--show-toplevel").strip())
    except GitFailed as error:
        if "not a git repository" not in error.message:
            raise
        raise click.ClickException(
            f"{directory.resolve()} is in no git repository. A delivery takes a commit: "
            f"git init && git add . && git commit --message 'Begin'"
        ) from None
    path = directory.resolve().relative_to(root.resolve()).as_posix()
    path = "" if path == "." else path
    try:
        head, subject = run(root, "log", "-1", "--format=%H%n%s", "HEAD").rstrip("\n").split("\n", 1)
    except GitFailed:
        raise click.ClickException(
            f"The git repository {root} has no commit yet. A delivery takes one: git add . && git commit"
        ) from None
    if path:
        try:
            run(root, "rev-parse", "--verify", "--quiet", f"{head}:{path}")
        except GitFailed:
            raise click.ClickException(
                f"{directory} is not in the commit {head[:7]} of {root}. Commit it first: git add {path} && git commit"
            ) from None
    try:
        branch = run(root, "symbolic-ref", "--quiet", "--short", "HEAD").strip() or None
    except GitFailed:
        branch = None
    return Worktree(root, path, head, subject, branch)


def remote_commit(root: Path, url: str, ref: str) -> str | None:
    """Where the ref of a remote stands; None where the remote or the ref does not exist."""
    try:
        listed = run(root, *_DIRECT, "ls-remote", url, ref)
    except GitFailed:
        return None
    return listed.split()[0] if listed.strip() else None


def push(tree: Worktree, url: str) -> None:
    """Make the remote's ref what `head` is, also where the history was rewritten. Raises GitFailed."""
    try:
        run(tree.root, *_DIRECT, "push", "--quiet", "--force", "--no-verify", url, f"{tree.head}:{tree.ref}")
    except GitFailed as error:
        if "shallow update not allowed" in error.message:
            raise GitFailed(
                f"{tree.root} is a shallow clone, which cannot be pushed. Run: git fetch --unshallow"
            ) from None
        raise


_DIRECT = ("-c", "http.proxy=", "-c", "credential.helper=")


def run(directory: Path, *arguments: str) -> str:
    """git's standard output. Raises GitFailed."""
    process = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=_environment(),
        check=False,
    )
    if process.returncode != 0:
        said = process.stderr.decode("utf-8", "replace").strip()
        raise GitFailed(said.removeprefix("fatal: ") or f"git {arguments[0]} ended with {process.returncode}")
    return process.stdout.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """A hook's GIT_DIR must not lead astray, nor a proxy to another machine."""
    dropped = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    proxies = [name for name in kept if name.lower() in ("http_proxy", "all_proxy")]
    return {
        **{name: value for name, value in kept.items() if name not in proxies},
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
    }
