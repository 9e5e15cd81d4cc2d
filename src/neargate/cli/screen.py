"""Where a moving picture goes: redrawn in place on a terminal, told line by line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from neargate.cli.delivery import Delivery
from neargate.cli.narrating import Narrator
from neargate.cli.rendering import Line, delivery_lines, plain, stack_lines
from neargate.cli.stacks import StackView

if TYPE_CHECKING:
    from rich.text import Text


class Screen:
    """Shows states. On a terminal the last picture stays when the block ends."""

    def __init__(self, live: Any | None) -> None:
        self._live = live
        self._narrator = Narrator()

    def stack(self, stack: StackView) -> None:
        if self._live is not None:
            self._live.update(_text(stack_lines(stack)), refresh=True)
        else:
            _tell(self._narrator.stack(stack))

    def delivery(self, delivery: Delivery) -> None:
        if self._live is not None:
            self._live.update(_text(delivery_lines(delivery, time.time())), refresh=True)
        else:
            _tell(self._narrator.delivery(delivery))

    def note(self, sentence: str) -> None:
        """A sentence above the picture."""
        if self._live is not None:
            self._live.console.print(sentence, markup=False, highlight=False)
        else:
            _tell([sentence])


@contextmanager
def screen() -> Iterator[Screen]:
    """A screen for what moves, on standard output."""
    if not sys.stdout.isatty():
        yield Screen(None)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), auto_refresh=False, vertical_overflow="crop") as live:
        yield Screen(live)


def say(lines: Sequence[Line]) -> None:
    """Print lines that stand still."""
    if not sys.stdout.isatty():
        _tell(plain(lines))
        return
    from rich.console import Console

    Console().print(_text(lines), soft_wrap=True)


def _text(lines: Sequence[Line]) -> Text:
    from rich.text import Text

    text = Text("\n", no_wrap=True, overflow="ellipsis").join(Text.assemble(*line) for line in lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
    sys.stdout.flush()
