"""What a server reads of sandboxes that other servers on the machine have recorded."""

from __future__ import annotations

import json
from pathlib import Path

from neargate.runtimes.cgroups import CgroupTree
from neargate.runtimes.namespaces import Namespaces


def test_records_of_newer_and_older_servers_are_read(tmp_path: Path) -> None:
    older = {"id": "old", "netns": "/n/old", "network_mode": "ns:/n/old", "labels": {"owner": "me"}}
    newer = {**older, "id": "new", "dns": ["10.0.0.2"], "told_by_a_newer_server": True}
    for record in (older, newer):
        (tmp_path / f"{record['id']}.json").write_text(json.dumps(record))
    sandboxes = Namespaces(CgroupTree(), records=tmp_path)
    found = {each.id: each.dns for each in sandboxes.recorded({"owner": "me"})}
    assert found == {"old": (), "new": ("10.0.0.2",)}
