"""Stand-in images: for which names, from what, and what is said where they cannot be made."""

from __future__ import annotations

import configparser
import shutil
from pathlib import Path

import pytest

from neargate.model.runtime import RuntimeFailure
from neargate.runtimes import debian_rootfs
from neargate.runtimes.base_images import _BUILDER_NAMES, _PYTHON_NAMES
from neargate.runtimes.debian_rootfs import (
    build_rootfs,
    codename,
    mmdebstrap,
    pip_settings,
    sources,
    write_settings,
)


@pytest.mark.parametrize(
    "name",
    [
        "python:3.12-slim",
        "docker.io/library/python:3.12-slim",
        "python:3",
        "python:3-slim",
        "python:slim",
        "python:3.12",
    ],
)
def test_python_has_a_stand_in(name: str) -> None:
    assert _PYTHON_NAMES.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["python:2.7", "python:3.8-slim", "python:", "python:3.12-alpine", "me/python:3"]
)
def test_what_it_could_not_honestly_stand_in_for_has_none(name: str) -> None:
    assert not _PYTHON_NAMES.fullmatch(name)


def test_every_codebuild_image_is_the_builder() -> None:
    assert _BUILDER_NAMES.fullmatch("aws/codebuild/amazonlinux2-x86_64-standard:5.0")
    assert _BUILDER_NAMES.fullmatch("neargate/codebuild:1")
    assert not _BUILDER_NAMES.fullmatch("neargate/other:1")


def test_the_suite_is_this_machines(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    assert codename(release) == "bookworm"
    release.write_text('ID="fedora"\nVERSION_CODENAME=""\n')
    with pytest.raises(RuntimeFailure, match="This machine is no Debian"):
        codename(release)


def test_the_sources_are_this_machines(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for name in (
        "sources.list",
        "sources.list.d/b.sources",
        "sources.list.d/a.list",
        "sources.list.d/c.disabled",
    ):
        (tmp_path / name).touch()
    assert [Path(each).name for each in sources(tmp_path)] == ["sources.list", "a.list", "b.sources"]


def test_pip_inside_gets_the_indexes_but_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "pip.conf"
    machine.write_text(
        "[global]\nindex-url = https://me:secret@index.example/simple\n"
        "extra-index-url = file:///opt/simple\n  https://more.example/simple\n"
    )
    monkeypatch.setattr(debian_rootfs, "_PIP_FILES", (str(machine),))
    settings = dict(pip_settings({}))
    assert settings["cert"] == "/etc/ssl/certs/ca-certificates.crt"
    assert "index-url" not in settings
    assert settings["extra-index-url"] == "https://more.example/simple"
    assert (
        dict(pip_settings({"PIP_INDEX_URL": "http://own.example/simple"}))["index-url"]
        == "http://own.example/simple"
    )


def test_the_settings_are_laid_over_the_root(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    write_settings(tmp_path / "s", {"SSL_CERT_FILE": str(bundle)}, ['Acquire::Check-Date "false";'])
    assert (tmp_path / "s/etc/ssl/certs/ca-certificates.crt").read_text() == "certificates"
    parser = configparser.ConfigParser()
    parser.read(tmp_path / "s/etc/pip.conf")
    assert parser["global"]["cert"] == "/etc/ssl/certs/ca-certificates.crt"
    command = mmdebstrap(tmp_path / "r.tar", tmp_path / "s", "bookworm")
    assert '--aptopt=Acquire::Check-Date "false";' in command
    assert command[command.index("bookworm") + 1] == str(tmp_path / "r.tar")


@pytest.mark.anyio
async def test_a_missing_mmdebstrap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RuntimeFailure, match="Run: apt-get install --yes mmdebstrap"):
        await build_rootfs(tmp_path / "r.tar")
