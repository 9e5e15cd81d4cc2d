"""What a build container says, turned into the build's log and into what happened to its phases.

The container runs `planners.build_script`; whatever is not one of that script's marked lines is the commands' own
output and goes to the log as it is, but for secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from neargate.planners.buildspec import Buildspec

COMMAND_ERROR = "COMMAND_EXECUTION_ERROR"
_MASK = "***"
_SHORTEST_SECRET = 3  # shorter values would mask half of the log


@attrs.frozen
class Entered:
    """A phase began."""

    phase: str


@attrs.frozen
class Left:
    """A phase ended; `code` and `message` are its context. `failed` is true for every state but SUCCEEDED."""

    phase: str
    failed: bool = False
    code: str = ""
    message: str = ""


@attrs.frozen
class Ended:
    """The script has run to its end. `upload`: artifacts are to be made."""

    upload: bool


Event = Entered | Left | Ended


@attrs.frozen
class Told:
    """Lines for the log, in order, and the event behind them, if the line was one."""

    lines: tuple[str, ...] = ()
    event: Event | None = None


def container_line(seconds: float, text: str) -> str:
    """A line of the build environment itself: `[Container] 2026/07/14 09:59:11.966681 TEXT`."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"[Container] {at:%Y/%m/%d %H:%M:%S.%f} {text}"


def complete_lines(seconds: float, phase: str, state: str, code: str, message: str) -> tuple[str, str]:
    """How the log reports the end of a phase."""
    return (
        container_line(seconds, f"Phase complete: {phase} State: {state}"),
        container_line(seconds, f"Phase context status code: {code} Message: {message}"),
    )


class Narrator:
    """Reads one container's lines, in order; it keeps nothing from one line to the next."""

    def __init__(self, spec: Buildspec, mark: str, secrets: Iterable[str] = ()) -> None:
        self._spec = spec
        self._mark = mark
        values = {each for each in secrets if len(each) >= _SHORTEST_SECRET}
        parts = {line for each in values for line in each.splitlines() if len(line) >= _SHORTEST_SECRET}
        self._secrets = sorted(values | parts, key=len, reverse=True)

    def read(self, text: str, seconds: float) -> Told:
        """One line of output at that time (epoch s)."""
        before, mark, told = text.partition(self._mark)
        if not mark:
            return Told((self.masked(text),))
        said = self._event(told.split(), seconds)
        rest = (self.masked(before),) if before else ()
        return attrs.evolve(said, lines=(*rest, *map(self.masked, said.lines)))

    def masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def _event(self, words: list[str], seconds: float) -> Told:
        match words:
            case ["enter", phase]:
                return Told((container_line(seconds, f"Entering phase {phase}"),), Entered(phase))
            case ["run", phase, block, index]:
                command = self._command(phase, block, index)
                return Told((container_line(seconds, f"Running command {command}"),))
            case ["exit", phase, block, index, status]:
                command = self._command(phase, block, index)
                text = f"Command did not exit successfully {command} exit status {status}"
                return Told((container_line(seconds, text),))
            case ["left", phase, state, *failure]:
                return self._left(phase, state, failure, seconds)
            case ["end", what]:
                return Told((), Ended(what == "upload"))
        return Told()

    def _left(self, phase: str, state: str, failure: list[str], seconds: float) -> Told:
        left = Left(phase)
        if failure:
            block, index, status = failure
            command = self.masked(self._command(phase, block, index))
            message = f"Error while executing command: {command}. Reason: exit status {status}"
            left = Left(phase, True, COMMAND_ERROR, message)
        return Told(complete_lines(seconds, phase, state, left.code, left.message), left)

    def _command(self, phase: str, block: str, index: str) -> str:
        spec = self._spec.phase(phase)
        commands = spec.commands if block == "commands" else spec.final_commands
        return commands[int(index)]
