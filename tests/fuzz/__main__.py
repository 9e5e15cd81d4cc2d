"""`python -m tests.fuzz COUNT [--from SEED] [--lives] [DIRECTORY…]`: that many mutated templates.

Each is planned; with --lives each that can be planned is made in a cloud in memory, changed to the next one and
deleted, which takes much longer. Seeds are the project's own templates and those in the directories. What was not
expected is printed with the number that makes it again. Two processes share the work.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz import seeds
from tests.fuzz.lives import live
from tests.fuzz.mutations import Json, mutated
from tests.fuzz.planning import Unexpected, plan, without_translator
from tests.scenarios import virtual_time

_CHUNK = 500
_SLOW = 5.0  # seconds
_SEEDS: list[Json] = []
_SKIPPED_LIVES = ("AWS::ECS::Service", "AWS::CodePipeline", "AWS::CodeBuild")  # they run tasks for hours


def planned(number: int) -> str | None:
    """The text of a template that can be planned; None where it is refused."""
    random = Random(number)
    text = mutated(_SEEDS, random)
    return text if plan(text, random) is not None else None


def run(work: tuple[int, int, bool]) -> tuple[Counter[str], list[str]]:
    """The numbers from one to the other: what became of them, and what was not expected."""
    without_translator()
    counts, strange = Counter[str](), []
    before: str | None = None
    for number in range(work[0], work[1]):
        began = time.perf_counter()
        try:
            text = planned(number)
            counts["refused" if text is None else "planned"] += 1
            if work[2] and text is not None and not any(each in text for each in _SKIPPED_LIVES):
                counts[virtual_time.run(live(number, before or text, text, Random(number)))] += 1
                before = text
        except Unexpected as unexpected:
            strange.append(f"{number}: {unexpected}")
        if not work[2] and time.perf_counter() - began > _SLOW:
            strange.append(f"{number}: slow")
    return counts, strange


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("count", type=int)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--lives", action="store_true")
    parser.add_argument("directories", nargs="*", type=Path)
    asked = parser.parse_intermixed_args()
    _SEEDS.extend([*seeds.own(), *seeds.found_in(asked.directories)])
    last = asked.first + asked.count
    work = [(n, min(n + _CHUNK, last), asked.lives) for n in range(asked.first, last, _CHUNK)]
    began, counts, kinds = time.monotonic(), Counter[str](), Counter[str]()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for done, strange in pool.imap_unordered(run, work):
            counts += done
            for line in strange:
                kind = line.split(": ", 1)[1].strip().splitlines()[-1][:120]
                kinds[kind] += 1
                if kinds[kind] <= 3:
                    print(line, flush=True)
    tried = counts["planned"] + counts["refused"] + sum(kinds.values())
    print(f"{tried} templates from {len(_SEEDS)} seeds in {time.monotonic() - began:.0f} s")
    print("\n".join(f"{number:8} {what}" for what, number in (counts + kinds).most_common()))
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
