"""Load balancers served by Envoy, which is told what to serve by files.

Make before break: new clusters, then routes and listeners that lead to them, then the old clusters go. Whatever
changed is asked for at Envoy's admin interface until it is in effect. The files stay: an Envoy that has to be started
again begins where the last one was.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import structlog

from neargate.balancer.admin import NotAnswering
from neargate.balancer.process import EnvoyProcess, source
from neargate.model.balancer import LOOPBACK, WEB, BalancerFailure, Count, Counters, Traffic, shared
from neargate.model.records import Json
from neargate.planners.proxy_configuration import COUNTED, COUNTED_BY, Documents, documents

log = structlog.get_logger()

_EFFECT_SECONDS = 10.0
_DRAWS = 100
_WATCHED = r"version_text$|update_rejected$|_warming$|warming_clusters$"
_LISTENERS, _CLUSTERS = "listener_manager.lds", "cluster_manager.cds"
_COUNTER = f"{COUNTED}.requests.of."
_RESPONSE_TIME = re.compile(
    r'envoy_cluster_upstream_rq_time_sum\{envoy_cluster_name="(?P<group>[^"]+)"\} (?P<milliseconds>[\d.e+]+)'
)


class EnvoyBalancer:
    """`Balancer` with one Envoy, whose files lie in `directory`."""

    def __init__(self, directory: Path, owner: str) -> None:
        self._files = _Files(directory)
        self.process = EnvoyProcess(directory, owner)
        self._one_at_a_time = asyncio.Lock()
        self._tcp: frozenset[str] = frozenset()
        self._last: Documents | None = None  # what is in effect, as far as this process made it so
        self._served = asyncio.Event()

    async def apply(self, traffic: Traffic) -> None:
        made = documents(traffic, self._files.source)
        async with self._one_at_a_time:
            self._files.open()
            self._tcp = frozenset(
                pool.group.key for pool in traffic.pools.values() if pool.group.protocol not in WEB
            )
            if not self.process.runs:
                if not await self.process.adopt():
                    self._files.write_all(made)
                    await self.process.start()
                self._files.doubt(await self._state())
                self._last = None
            self._served.set()
            if made != self._last:
                self._last = None
                await self._change(made)
                self._last = made

    async def _change(self, made: Documents) -> None:
        """From what the files say to this. Raises `BalancerFailure`."""
        files = self._files
        before = await self._state()
        wanted = {f"cluster.{name}": v for name, v in files.write_each("eds", made.endpoints).items()}
        union = {**files.resources("cds"), **made.clusters}
        wanted |= files.write_set("cds", _CLUSTERS, union)
        await self._effective(wanted, before)

        wanted = {_rds(name): v for name, v in files.write_each("rds", made.routes).items()}
        wanted |= files.write_set("lds", _LISTENERS, made.listeners)
        try:
            await self._effective(wanted, before)
        except BalancerFailure:
            files.doubt(await self._state())
            raise

        wanted = files.write_set("cds", _CLUSTERS, made.clusters)
        await self._effective(wanted, before)
        files.forget("eds", made.endpoints)
        files.forget("rds", made.routes)

    async def _effective(self, wanted: Mapping[str, str], before: Mapping[str, str]) -> None:
        """Until Envoy says that it has these versions and nothing warms up. Raises `BalancerFailure`."""
        if not wanted:
            return
        pause = 0.001
        try:
            async with asyncio.timeout(_EFFECT_SECONDS):
                while True:
                    state = await self._state()
                    for name in wanted:
                        if state.get(f"{name}.update_rejected", "0") != before.get(
                            f"{name}.update_rejected", "0"
                        ):
                            raise BalancerFailure(f"Envoy refused: {self.process.complaint()}")
                    if _has(state, wanted):
                        return
                    await asyncio.sleep(pause)  # Envoy tells nobody when it has read a file
                    pause = min(0.02, pause * 1.5)
        except TimeoutError:
            raise BalancerFailure(f"Envoy has not taken up {', '.join(sorted(wanted))}.") from None

    async def _state(self) -> Mapping[str, str]:
        return await self.process.admin.statistics(_WATCHED)

    async def door(self, wanted: int, besides: Collection[int] = ()) -> int:
        own = await self._own_doors() if await self.process.adopt() else set()
        if wanted in own and wanted not in besides:
            return wanted
        return _free_port(wanted, own.union(besides))

    async def _own_doors(self) -> set[int]:
        """The ports of the loopback address on which Envoy listens."""
        try:
            answer = await self.process.admin.document("/listeners?format=json")
        except NotAnswering:
            return set()
        addresses = [each["local_address"]["socket_address"] for each in answer.get("listener_statuses", ())]
        return {each["port_value"] for each in addresses if each["address"] == LOOPBACK}

    async def in_flight(self) -> Mapping[tuple[str, str, int], int]:
        found: dict[tuple[str, str, int], int] = {}
        try:
            answer = await self.process.admin.document("/clusters?format=json")
        except NotAnswering:
            return found
        for cluster in answer.get("cluster_statuses", ()):
            gauge = "cx_active" if cluster["name"] in self._tcp else "rq_active"
            for host in cluster.get("host_statuses", ()):
                address = host["address"]["socket_address"]
                values = {each["name"]: int(each.get("value", 0)) for each in host.get("stats", ())}
                if values.get(gauge):
                    found[cluster["name"], address["address"], address["port_value"]] = values[gauge]
        return found

    async def counters(self) -> Counters:
        began = self.process.began()
        try:
            said = await self.process.admin.statistics(rf"^{COUNTED}\.")
            times = await self.process.admin.get("/stats/prometheus?usedonly&filter=upstream_rq_time")
        except NotAnswering:
            return Counters("")
        return Counters(began, counts(said, response_times(times.decode())))

    async def lost(self) -> None:
        await self._served.wait()
        await self.process.ended()

    async def stop(self) -> None:
        self._served.clear()
        await self.process.stop()
        self._files.remove()

    def leave(self) -> None:
        """The server ends, and what is served goes on."""
        self.process.leave()


def counts(said: Mapping[str, str], seconds: Mapping[str, float]) -> tuple[Count, ...]:
    """Our counters among Envoy's, summed by what a `Count` tells apart, with the seconds of each target group."""
    requests: Counter[tuple[str, str, str, int, bool]] = Counter()
    for name, value in said.items():
        route, *rest = name.removeprefix(_COUNTER).split(COUNTED_BY)
        if not route or len(rest) != 4:
            continue
        cluster, status, flags, target = rest
        made_here = flags != "-" or not target
        requests["/".join(route.split("/")[:5]), cluster, target, int(status), made_here] += int(value)
    return shared(requests, seconds)


def response_times(text: str) -> dict[str, float]:
    """Seconds by target group, from Envoy's histograms as Prometheus reads them."""
    return {found["group"]: float(found["milliseconds"]) / 1000 for found in _RESPONSE_TIME.finditer(text)}


def _statistic(file: str, document: Json) -> str:
    """What Envoy's statistics call the reading of a document."""
    if file == "lds.json":
        return _LISTENERS
    if file == "cds.json":
        return _CLUSTERS
    (resource,) = document["resources"]
    return _rds(resource["name"]) if file.startswith("rds-") else f"cluster.{resource['cluster_name']}"


def _rds(name: str) -> str:
    return f"http.{name.replace('/', '_')}.rds.{name}"


def _has(state: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    warming = (value for name, value in state.items() if name.endswith(("_warming", "warming_clusters")))
    return all(value == "0" for value in warming) and all(
        state.get(f"{name}.version_text") == version for name, version in wanted.items()
    )


def _free_port(wanted: int, besides: Collection[int]) -> int:
    for port in (0 if wanted in besides else wanted, *[0] * _DRAWS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            if found not in besides:
                return found
    raise BalancerFailure("No port of the loopback address is free.")


class _Files:
    """The documents on disk. Each carries the hash of its content as version; one that says the same is not
    written again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._there: dict[str, Json] | None = None  # by file name

    def open(self) -> None:
        if self._there is not None:
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._there = {}
        for path in self._directory.glob("*.json"):
            with contextlib.suppress(ValueError):
                found = json.loads(path.read_text())
                if "version_info" in found:
                    self._there[path.name] = found

    def source(self, kind: str, name: str) -> Json:
        return source(self._directory / _file(kind, name))

    def resources(self, kind: str) -> dict[str, Json]:
        """What the document of all listeners or all clusters says, by name."""
        self.open()
        assert self._there is not None
        there = self._there.get(f"{kind}.json") or {"resources": []}
        return {resource["name"]: resource for resource in there["resources"]}

    def write_all(self, made: Documents) -> None:
        self.write_each("eds", made.endpoints)
        self.write_each("rds", made.routes)
        self.write_set("cds", "", made.clusters)
        self.write_set("lds", "", made.listeners)

    def write_each(self, kind: str, resources: Mapping[str, Json]) -> dict[str, str]:
        """A file for each; the versions of those that changed, by name."""
        found = ((name, self._write(_file(kind, name), [content])) for name, content in resources.items())
        return {name: version for name, version in found if version}

    def write_set(self, kind: str, name: str, resources: Mapping[str, Json]) -> dict[str, str]:
        """One file for all; its version under `name`, where it changed."""
        version = self._write(f"{kind}.json", [content for _, content in sorted(resources.items())])
        return {name: version} if version else {}

    def doubt(self, state: Mapping[str, str]) -> None:
        """Write again what Envoy has not taken up: it refused it, or the last server died on the way."""
        assert self._there is not None
        for file, there in list(self._there.items()):
            if there["version_info"] != state.get(f"{_statistic(file, there)}.version_text"):
                del self._there[file]

    def forget(self, kind: str, kept: Iterable[str]) -> None:
        """Remove the files of what is wanted no more."""
        assert self._there is not None
        wanted = {_file(kind, name) for name in kept}
        for name in [each for each in self._there if each.startswith(kind + "-") and each not in wanted]:
            (self._directory / name).unlink(missing_ok=True)
            del self._there[name]

    def remove(self) -> None:
        for path in self._directory.glob("*"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._directory.rmdir()
        self._there = None

    def _write(self, name: str, resources: list[Json]) -> str:
        """The new version; "" where the file said the same already."""
        assert self._there is not None
        content = json.dumps(resources, sort_keys=True)
        version = hashlib.blake2s(content.encode(), digest_size=8).hexdigest()
        if self._there.get(name, {}).get("version_info") == version:
            return ""
        document = {"version_info": version, "resources": resources}
        new = self._directory / f"{name}.new"
        new.write_text(json.dumps(document))
        new.chmod(0o600)
        new.rename(self._directory / name)
        self._there[name] = document
        return version


def _file(kind: str, name: str) -> str:
    return f"{kind}-{name.replace('/', '_')}.json"
