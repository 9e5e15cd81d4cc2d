"""Commands that somebody talks with: the part of the runtime's contract that ECS Exec stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest

from neargate.model.runtime import NoSuchContainer, StartFailed, Terminal
from neargate.runtimes.memory import MemoryRuntime
from neargate.runtimes.memory_terminal import Screen
from tests.contract.test_runtime import Subject, docker, engine, subject

__all__ = ["docker", "engine", "subject"]

pytestmark = pytest.mark.anyio

_SIZE = "stty size; read _; stty size"
_BOTH = "echo out; echo err >&2; cat; exit 4"


async def _cat(screen: Screen) -> int:
    while data := await screen.read():
        screen.write(data)
    return 0


async def _shell(screen: Screen) -> int:
    """`sh -c` of the two scripts above."""
    if screen.tty:
        screen.write(f"{screen.rows} {screen.columns}\n".encode())
        while b"\n" not in (await screen.read()).replace(b"\r", b"\n"):
            pass
        screen.write(f"{screen.rows} {screen.columns}\n".encode())
        return 0
    screen.write(b"out\n")
    screen.write(b"err\n", "stderr")
    await _cat(screen)
    return 4


async def _whoami(screen: Screen) -> int:
    screen.write(b"0\n" if screen.user == "0" else b"1000\n")
    return 0


@asynccontextmanager
async def talking(
    subject: Subject, *argv: str, tty: bool = True, user: str = "", **container: str
) -> AsyncIterator[Terminal]:
    if isinstance(subject.runtime, MemoryRuntime):
        subject.runtime.world.conversations |= {"cat": _cat, "sh": _shell, "id": _whoami}
    running = await subject.run("deaf", **container)
    terminal = await subject.runtime.attach(running, argv, tty=tty, user=user)
    try:
        yield terminal
    finally:
        await terminal.close()


@attrs.define
class Heard:
    out: bytes = b""
    err: bytes = b""


async def everything(terminal: Terminal) -> Heard:
    heard = Heard()
    while True:
        stream, data = await terminal.read()
        if not data:
            return heard
        if stream == "stdout":
            heard.out += data
        else:
            heard.err += data


async def until(terminal: Terminal, text: bytes) -> bytes:
    """Read on until this text has come."""
    heard = b""
    while text not in heard:
        _, data = await terminal.read()
        assert data, f"ended after {heard!r}"
        heard += data
    return heard


async def test_streams_are_apart_without_a_terminal_and_input_can_end(subject: Subject) -> None:
    async with talking(subject, "sh", "-c", _BOTH, tty=False) as terminal:
        await terminal.write(b"hello\n")
        await terminal.end_input()
        heard = await everything(terminal)
        assert (heard.out, heard.err) == (b"out\nhello\n", b"err\n")
        assert await terminal.exit_code() == 4


async def test_a_terminal_has_a_size_that_changes(subject: Subject) -> None:
    async with talking(subject, "sh", "-c", _SIZE) as terminal:
        await until(terminal, b"\r\n")
        await terminal.resize(132, 50)
        await terminal.write(b"\r")
        await until(terminal, b"50 132\r\n")
        assert await terminal.exit_code() == 0


async def test_the_command_ends_with_its_terminal(subject: Subject) -> None:
    async with talking(subject, "cat") as terminal:
        await terminal.write(b"x\r")
        await until(terminal, b"x")
        await terminal.close()
        await terminal.close()
    if isinstance(subject.runtime, MemoryRuntime):
        return  # its command was a coroutine, and is cancelled
    states = await subject.runtime.list(subject.labels)
    count = "cat /proc/[0-9]*/comm | grep -x cat | wc -l"
    found = await subject.runtime.exec(states[0].id, ("sh", "-c", count))
    assert found.output.split() == ["1"]  # the one that looks


async def test_the_user_can_be_chosen(subject: Subject) -> None:
    async with talking(subject, "id", "-u", tty=False, user="0") as terminal:
        assert (await everything(terminal)).out == b"0\n"


async def test_a_program_that_is_not_there_is_told(subject: Subject) -> None:
    said = ""
    try:
        async with talking(subject, "no-such-program") as terminal:
            said = (await everything(terminal)).out.decode()
            assert await terminal.exit_code() in (126, 127)
    except StartFailed as failed:
        said = failed.reason
    assert "no-such-program" in said


async def test_only_a_running_container_can_be_talked_with(subject: Subject) -> None:
    container = await subject.run("greet")
    await subject.runtime.wait(container)
    with pytest.raises(StartFailed):
        await subject.runtime.attach(container, ("cat",))
    with pytest.raises(NoSuchContainer):
        await subject.runtime.attach("0" * 64, ("cat",))
