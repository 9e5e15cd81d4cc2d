"""Which engine is used, and what a person reads where there is none."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from neargate.model.runtime import EngineUnavailable
from neargate.runtimes.engine_connection import answers
from neargate.runtimes.hard_limits import hard_limits, listener, parse_limits
from neargate.runtimes.private_engine import (
    REGISTRIES_CONF,
    EngineFinder,
    PrivateEngine,
    containers_conf,
    default_directory,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neargate.runtimes.private_engine._SOCKETS", ())


async def serve_ping(path: Path, reply: bytes) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    return await asyncio.start_unix_server(handle, path)


async def test_the_engine_that_the_user_names_is_the_one(tmp_path: Path) -> None:
    async with await serve_ping(tmp_path / "e.sock", b"HTTP/1.1 200 OK\r\n\r\nOK"):
        for environ in (
            {"NEARGATE_ENGINE": f"{tmp_path}/e.sock"},
            {"DOCKER_HOST": f"unix://{tmp_path}/e.sock"},
        ):
            address = await EngineFinder(tmp_path, environ)()
            assert (address.url, address.private, address.local) == (f"unix://{tmp_path}/e.sock", False, True)


async def test_a_named_engine_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        await EngineFinder(tmp_path, {"DOCKER_HOST": "unix:///nowhere.sock"})()
    assert str(caught.value) == (
        "No container engine answers at unix:///nowhere.sock, which DOCKER_HOST names. "
        "Start it, or unset DOCKER_HOST to let Neargate find or start one."
    )


async def test_a_user_socket_is_found(tmp_path: Path, no_sockets: None) -> None:
    async with await serve_ping(tmp_path / "docker.sock", b"HTTP/1.1 200 OK\r\n\r\nOK"):
        address = await EngineFinder(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)})()
        assert address.url == f"unix://{tmp_path}/docker.sock"


async def test_without_podman_the_next_step_is_a_command(
    tmp_path: Path, no_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(EngineUnavailable) as caught:
        await EngineFinder(tmp_path, {})()
    assert str(caught.value) == (
        "No container engine answers, and Podman is not installed. Run: apt-get install --yes "
        "--no-install-recommends podman runc netavark aardvark-dns catatonit"
    )


async def test_only_root_can_run_neargates_own(
    tmp_path: Path, no_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        EngineUnavailable, match=r"only root can run Neargate's own\. Run as root, or start Docker"
    ):
        await EngineFinder(tmp_path, {})()


async def test_a_socket_counts_only_if_it_answers(tmp_path: Path) -> None:
    assert not await answers(f"unix://{tmp_path}/nothing")
    async with await serve_ping(tmp_path / "e.sock", b"HTTP/1.1 500 no\r\n\r\n"):
        assert not await answers(f"unix://{tmp_path}/e.sock")


def test_where_the_private_engine_lives() -> None:
    assert default_directory({"NEARGATE_ENGINE_DIR": "/x/y"}) == Path("/x/y")
    assert default_directory({"XDG_DATA_HOME": "/data"}) == Path("/data/neargate/engine")


def test_the_private_engine_keeps_to_its_directory(tmp_path: Path) -> None:
    engine = PrivateEngine(tmp_path)
    assert engine.environment()["CONTAINERS_CONF"] == f"{tmp_path}/containers.conf"
    paths = [option for option in engine.options("runc") if option.startswith("/")]
    assert paths == [f"{tmp_path}/{each}" for each in ("root", "run", "tmp")]
    settings = containers_conf(tmp_path, "runc")
    assert 'lock_type = "file"' in settings
    assert f'network_config_dir = "{tmp_path}/networks"' in settings
    assert REGISTRIES_CONF.count("insecure = true") == 2


async def test_the_listener_of_a_socket_is_known(tmp_path: Path) -> None:
    assert listener(tmp_path / "e.sock") is None
    async with await serve_ping(tmp_path / "e.sock", b""):
        assert listener(tmp_path / "e.sock") == os.getpid()
        assert hard_limits(f"unix://{tmp_path}/e.sock", private=True).keys() <= {"nofile", "nproc"}
    assert hard_limits("tcp://127.0.0.1:1", private=False) == {}


def test_hard_limits_are_read_from_proc() -> None:
    text = (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max processes             32768                32768                processes \n"
        "Max open files            1024                 20000                files     \n"
        "Max locked memory         unlimited            unlimited            bytes     \n"
    )
    assert parse_limits(text) == {"nproc": 32768, "nofile": 20000}


async def test_the_private_engine_ends_with_its_last_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    async def stop(engine: PrivateEngine) -> None:
        ended.append(engine)

    monkeypatch.setattr(PrivateEngine, "stop", stop)
    first, second = PrivateEngine(tmp_path), PrivateEngine(tmp_path)
    async with await serve_ping(first.socket, b"HTTP/1.1 200 OK\r\n\r\nOK"):
        await first.ensure()
        assert first.alone()
        await second.ensure()
        assert not first.alone()
        await first.leave()
        assert ended == []
        assert second.alone()
        await second.leave()
        await second.leave()
    assert ended == [second]
