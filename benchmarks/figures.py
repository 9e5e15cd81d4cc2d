"""What was measured, what it should be, and the table of both."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measured number and its target.

    `samples` says how it was made of single runs; `beside` what it was compared with, in the same run.
    """

    name: str
    measured: float
    unit: str
    bound: Literal["at most", "at least"]
    target: float
    samples: str
    beside: str = ""

    @property
    def passed(self) -> bool:
        return self.measured <= self.target if self.bound == "at most" else self.measured >= self.target

    @property
    def ratio(self) -> float:
        """Measured to target."""
        return self.measured / self.target


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned lines, PASS or MISS first."""
    rows = [("", "figure", "measured", "target", "of target", "made of")]
    for figure in figures:
        made_of = figure.samples + (f"; {figure.beside}" if figure.beside else "")
        rows.append(
            (
                "PASS" if figure.passed else "MISS",
                figure.name,
                f"{figure.measured:.3g} {figure.unit}",
                f"{figure.bound} {figure.target:.3g} {figure.unit}",
                f"{figure.ratio:.2f}",
                made_of,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def machine() -> str:
    """The machine in general words, and how busy it was when asked."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return (
        f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"load {load:.1f}"
    )


def median(values: Sequence[float]) -> float:
    """The middle one, the mean of the two middle ones, of at least one."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
