"""git over HTTP: names that lead nowhere else, and pushes that a crash must not swallow."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from neargate.gateway.front import AsgiScope
from neargate.gateway.git_http import GitHttp
from neargate.model.codepipeline import GitRef
from neargate.runtimes.git import GitFailed, GitRepositories
from tests.unit.services.cloud import Cloud, cloud


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def repositories(tmp_path: Path) -> GitRepositories:
    return GitRepositories(tmp_path / "git")


async def get(app: GitHttp, path: str, query: str = "service=git-receive-pack") -> tuple[int, str]:
    sent: list[MutableMapping[str, Any]] = []
    scope: AsgiScope = {
        "type": "http",
        "method": "GET",
        "path": f"/git/{path}",
        "query_string": query.encode(),
        "headers": [],
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]).decode(errors="replace")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["../x", "a/../b", "a/b/c", ".hidden", "a/.git", "-x", "a//b", "a.lock"])
async def test_a_name_leads_out_of_nowhere(
    aws: Cloud, repositories: GitRepositories, tmp_path: Path, name: str
) -> None:
    status, _ = await get(GitHttp(repositories, aws.dispatcher, aws.caller), f"{name}/info/refs")
    assert status in (400, 404)
    assert await asyncio.to_thread(lambda: list(tmp_path.rglob("HEAD"))) == []


@pytest.mark.anyio
async def test_what_git_says_is_passed_on(
    aws: Cloud, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> bytes:
        raise GitFailed("The git program is not installed: apt-get install git")

    monkeypatch.setattr(repositories, "run", fail)
    answered = await get(GitHttp(repositories, aws.dispatcher, aws.caller), "web/info/refs")
    assert answered == (500, "The git program is not installed: apt-get install git\n")


def commit(path: Path) -> str:
    """A commit on main of a bare repository, as a push leaves it."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    tree = subprocess.check_output(["git", "-C", path, "mktree"], input=b"").decode().strip()
    made = subprocess.check_output(["git", *who, "-C", path, "commit-tree", "-m", "x", tree]).decode().strip()
    subprocess.check_call(["git", "-C", path, "update-ref", "refs/heads/main", made])
    return made


@pytest.mark.anyio
async def test_a_push_that_the_server_did_not_survive_is_noticed_at_the_next_start(
    aws: Cloud, repositories: GitRepositories
) -> None:
    """kill -9 between git's own write and ours."""
    made = await asyncio.to_thread(commit, await repositories.create("team/web"))
    await repositories.create("empty")
    await GitHttp(repositories, aws.dispatcher, aws.caller).catch_up()
    refs = aws.store.read(lambda view: view.scan(GitRef))
    assert [(ref.repository, ref.ref, ref.commit) for ref in refs] == [("team/web", "refs/heads/main", made)]
