"""The project's git repository, with the real git program; and every sentence that `up` refuses with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from neargate.cli import git
from neargate.cli.up import read_project

PIPELINE = "Resources:\n  Pipeline: {Type: AWS::CodePipeline::Pipeline}\n"


def run(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """`shop/` with a project in `app/`, committed on the branch `trunk`."""
    root = tmp_path / "shop"
    (root / "app").mkdir(parents=True)
    (root / "app/pipeline.template.yml").write_text(PIPELINE)
    (root / "app/.gitignore").write_text("ignored\n")
    (root / "other.txt").write_text("outside\n")
    run(root, "init", "--quiet", "--initial-branch=trunk")
    run(root, "config", "user.name", "A")
    run(root, "config", "user.email", "a@example.com")
    commit(root, "Begin")
    return root


def commit(root: Path, message: str) -> None:
    run(root, "add", ".")
    run(root, "commit", "--quiet", "--message", message)


def test_a_project_in_a_folder_of_a_repository(repository: Path) -> None:
    tree = git.worktree(repository / "app")
    assert (tree.path, tree.branch, tree.ref, tree.repository, tree.subject) == (
        *("app", "trunk", "refs/heads/trunk", "shop"),
        "Begin",
    )
    assert tree.files() == [".gitignore", "pipeline.template.yml"]
    assert tree.text("pipeline.template.yml") == PIPELINE


def test_a_project_at_the_root(repository: Path) -> None:
    tree = git.worktree(repository)
    assert tree.path == ""
    assert tree.text("other.txt") == "outside\n"


def test_no_branch_checked_out(repository: Path) -> None:
    run(repository, "checkout", "--quiet", "--detach")
    assert git.worktree(repository).ref == "refs/heads/neargate"


@pytest.mark.parametrize(
    ("name", "repository_name"), [("a b.git", "a-b"), ("-x-", "x"), ("ünï", "n"), ("___", "project")]
)
def test_repository_names_fit_into_a_url(name: str, repository_name: str) -> None:
    tree = git.Worktree(Path("/somewhere") / name, "", "0" * 40, "", None)
    assert tree.repository == repository_name


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        click.ClickException,
        match=rf"^{re.escape(str(tmp_path))} is in no git repository\. A delivery takes a commit: git init",
    ):
        git.worktree(Path())


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    run(tmp_path, "init", "--quiet")
    with pytest.raises(click.ClickException, match=r"has no commit yet\. A delivery takes one"):
        git.worktree(tmp_path)


def test_a_folder_that_is_in_no_commit(repository: Path) -> None:
    (repository / "new").mkdir()
    with pytest.raises(
        click.ClickException, match=r"new is not in the commit .* Commit it first: git add new"
    ):
        git.worktree(repository / "new")


@pytest.mark.parametrize("change", ["pipeline.template.yml", "new.txt"])
def test_uncommitted_changes(repository: Path, change: str) -> None:
    (repository / "app" / change).write_text("Resources: {}\n")
    with pytest.raises(click.ClickException) as refused:
        read_project(repository / "app", None, dirty=False)
    head = git.worktree(repository).head[:7]
    assert refused.value.message == (
        f"{repository / 'app'} has uncommitted changes: app/{change}. A delivery takes a commit: commit them, or "
        f"deliver {head} without them: --dirty"
    )
    assert read_project(repository / "app", None, dirty=True).template == PIPELINE


def test_changes_that_do_not_matter(repository: Path) -> None:
    (repository / "other.txt").write_text("changed\n")
    (repository / "app/ignored").write_text("x")
    assert read_project(repository / "app", "Mine", dirty=False).stack == "Mine"


def test_push_takes_the_commit_also_where_history_was_rewritten(repository: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    run(tmp_path, "init", "--quiet", "--bare", str(remote))
    first = git.worktree(repository)
    assert git.remote_commit(repository, str(remote), first.ref) is None
    git.push(first, str(remote))
    run(repository, "commit", "--amend", "--quiet", "--message", "Begin again")
    second = git.worktree(repository)
    git.push(second, str(remote))
    assert git.remote_commit(repository, str(remote), first.ref) == second.head != first.head


def test_a_hooks_environment_does_not_lead_astray(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git.worktree(repository).subject == "Begin"
