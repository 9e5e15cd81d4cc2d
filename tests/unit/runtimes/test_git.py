"""git over bare repositories: a name or ref is never anything else to git."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from neargate.runtimes.git import GitFailed, GitRepositories


@pytest.mark.anyio
async def test_a_ref_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    repositories = GitRepositories(tmp_path / "git")
    path = await repositories.create("web")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    tree = (await repositories.run("-C", str(path), "mktree")).decode().strip()
    made = (
        (await repositories.run(*who, "-C", str(path), "commit-tree", "-m", "A change", tree))
        .decode()
        .strip()
    )
    await repositories.run("-C", str(path), "update-ref", "refs/heads/main", made)
    commit = await repositories.commit("web", "refs/heads/main")
    assert (commit.id, commit.subject) == (made, "A change")
    with pytest.raises(GitFailed):
        await repositories.commit("web", f"--output={tmp_path}/written")
    assert await asyncio.to_thread(lambda: sorted(each.name for each in tmp_path.iterdir())) == ["git"]
