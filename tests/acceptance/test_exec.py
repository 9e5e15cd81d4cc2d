"""ECS Exec with real containers: the guide from top to bottom, and a shell on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import NEARGATE, ROOT, Machine
from tests.unit.test_docs_commands import after, script, walk, write_files

pytestmark = [pytest.mark.engine, pytest.mark.clients]

GUIDE = ROOT / "docs" / "guides" / "exec.md"
_ANSWERS_WITHIN = 20.0


def test_the_exec_guide_from_top_to_bottom(machine: Machine, tmp_path: Path) -> None:
    machine.neargate("stop")  # the reader starts it
    write_files(GUIDE, tmp_path)
    said = walk(machine, tmp_path, script(GUIDE, before={}))
    assert "Python 3." in after(said, "command neargate exec talk python3 --version")
    assert after(said, "command neargate exec talk cat /tmp/words") == "\n3"
    assert "it ended with 3" in said


@pytest.fixture
def shell(machine: Machine, tmp_path: Path) -> Iterator[Shell]:
    """`neargate exec` on a terminal of its own, in the service of the guide."""
    machine.start()
    write_files(GUIDE, tmp_path)
    (subnet, *_) = machine.ask("ec2", "describe-subnets")["Subnets"]
    done = machine.aws(
        "cloudformation",
        "deploy",
        "--stack-name=talk",
        "--template-file=talk.template.yml",
        "--capabilities=CAPABILITY_IAM",
        f"--parameter-overrides=Subnet={subnet['SubnetId']}",
        folder=tmp_path,
    )
    assert done.code == 0, done.output
    opened = Shell(machine)
    yield opened
    opened.close()


class Shell:
    """A child process behind a pseudo terminal of 111 columns and 33 rows."""

    def __init__(self, machine: Machine) -> None:
        self.heard = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(NEARGATE, [str(NEARGATE), "exec", "talk"], machine.environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str) -> None:
        """Read on until this has come."""
        deadline = time.monotonic() + _ANSWERS_WITHIN
        while text.encode() not in self.heard:
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {text!r}, heard {self.heard!r}"
            self.heard += os.read(self.terminal, 4096)
        self.heard = self.heard.partition(text.encode())[2]

    def exit_code(self) -> int:
        try:
            while os.read(self.terminal, 4096):
                pass
        except OSError:  # the terminal's other side is closed
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        os.close(self.terminal)


def test_a_shell_on_a_terminal(shell: Shell) -> None:
    shell.until("# ")
    shell.type("stty size; id -u\r")
    shell.until("33 111\r\n0\r\n")
    shell.type("sleep 1000\r")
    shell.until("sleep 1000\r\n")
    shell.type("\x03")
    shell.until("# ")
    shell.type("exit 7\r")
    assert shell.exit_code() == 7
