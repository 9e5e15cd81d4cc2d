"""Adopting file systems of a real account that a project's parameter files name: their volumes mount here too."""

from __future__ import annotations

import re

from neargate.model.efs import AdoptedFileSystem
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json

_FORM = re.compile(r"fs-[0-9a-f]{8,40}\Z")


def adopt(cx: Context, groups: list[Json]) -> dict[str, list[str]]:
    """Make the `file_systems` of each group mean an own one here, empty at first. Idempotent.

    Returns `{"adopted": [id…], "existing": [id…]}`. Raises InvalidParameterValue for text that is no such id.
    """
    answer: dict[str, list[str]] = {"adopted": [], "existing": []}
    for system in dict.fromkeys(each for group in groups for each in group.get("file_systems") or ()):
        if not _FORM.match(system):
            raise AwsError("InvalidParameterValue", f'Invalid id: "{system}" (expecting "fs-...")')
        key = AdoptedFileSystem.key_of(cx.account, cx.region, system)
        known = cx.tx.get(AdoptedFileSystem, key) is not None
        answer["existing" if known else "adopted"].append(system)
        if not known:
            cx.tx.put(AdoptedFileSystem(account=cx.account, region=cx.region, id=system, adopted=cx.now))
    return answer
