"""A build's directory: what comes out of it is the build's own, and nothing of the machine's."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from neargate.drivers.builds.failure import PhaseFailed
from neargate.drivers.builds.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "secret").write_text("the machine's own")
    made = Workspace(tmp_path / "build", "0a1b2c3d-0000-4000-8000-000000000000")
    made.make()
    return made


def test_links_within_the_build_are_followed(workspace: Workspace) -> None:
    (workspace.source() / "a").write_text("x")
    (workspace.source() / "b").symlink_to("a")
    (workspace.root / "elsewhere").write_text("y")
    (workspace.source() / "c").symlink_to("../../elsewhere")
    assert workspace.paths() == ["a", "b", "c"]


def test_links_out_of_the_build_are_no_files(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.source() / "stolen").symlink_to(tmp_path / "secret")
    (workspace.source() / "climbed").symlink_to("../../../../secret")
    (workspace.source() / "loop").symlink_to("loop")
    os.mkfifo(workspace.source() / "pipe")
    assert workspace.paths() == []
    assert not workspace.holds(workspace.source() / "stolen")


def test_a_source_directory_that_became_a_link_holds_nothing(workspace: Workspace, tmp_path: Path) -> None:
    workspace.source().rmdir()
    workspace.source().symlink_to(tmp_path)
    assert workspace.paths() == []


def test_what_the_script_left_is_read_only_where_it_is_its_own(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.final_environment() == {}
    assert workspace.evaluated_name(0, "app") == "app"
    (workspace.tmp / "environ").write_bytes(b"A=1\0B=2\0")
    (workspace.tmp / "name.0").write_text("app-7")
    assert workspace.final_environment() == {"A": "1", "B": "2"}
    assert workspace.evaluated_name(0, "app") == "app-7"
    for name in ("environ", "name.0"):
        (workspace.tmp / name).unlink()
        (workspace.tmp / name).symlink_to(tmp_path / "secret")
    assert workspace.final_environment() == {}
    assert workspace.evaluated_name(0, "app") == "app"


@pytest.mark.parametrize("name", ["../../../../secret", "/secret", "link/secret"])
def test_a_sources_zip_stays_in_its_directory(workspace: Workspace, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, str(tmp_path))
        packed.writestr(name, "overwritten")
    if name.startswith("link/"):
        with pytest.raises(PhaseFailed):
            workspace.unpack(archive)
    else:
        workspace.unpack(archive)
        assert (workspace.source() / "secret").read_text() == "overwritten"
    assert (tmp_path / "secret").read_text() == "the machine's own"
