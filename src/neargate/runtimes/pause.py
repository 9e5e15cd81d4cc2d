"""Sandboxes for engines that join containers only to containers: a pause container owns the namespace.

Its image holds one program of some 150 bytes, written here byte by byte, that sleeps until it is killed: no
registry is needed for it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.runtime import Sandbox, SandboxSpec, StartFailed
from neargate.runtimes.engine_connection import EngineConnection, Refused
from neargate.runtimes.namespaces import pause_name
from neargate.runtimes.payloads import SANDBOX_LABEL

IMAGE = "neargate/pause:1"
SHARED_PIDS_LABEL = "dev.neargate.shares-pids"
"""On pause containers whose processes are those of the sandbox's containers too."""

_LOAD_ADDRESS = 0x400000
_PROGRAMS: Mapping[str, tuple[int, bytes]] = {
    # pause(2) for ever
    "x86_64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # ppoll(NULL, 0, NULL, NULL) for ever
    "aarch64": (183, bytes.fromhex("000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17")),
}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@attrs.frozen
class PauseSandboxes:
    """Sandboxes as pause containers of the engine behind `connection`.

    Limits of a sandbox as a whole hold only where the engine manages cgroups by itself (cgroupfs) on this
    machine; elsewhere give the limits to the containers.
    """

    connection: EngineConnection
    architecture: str

    async def create(
        self, spec: SandboxSpec, cgroup_parent: str | None, network_mode: str = "none"
    ) -> Sandbox:
        """The sandbox of this name, running. Raises `StartFailed`.

        It is process 1 where processes are shared, with an init that buries those whose parents have died.
        """
        host: dict[str, Any] = {
            "NetworkMode": network_mode,
            "Dns": list(spec.dns),
            "DnsSearch": list(spec.dns_search),
            "Init": spec.share_pids,
        }
        if cgroup_parent is not None:
            host["CgroupParent"] = cgroup_parent
        marks = {SHARED_PIDS_LABEL: "1"} if spec.share_pids else {}
        body: dict[str, Any] = {
            "Image": IMAGE,
            "Cmd": ["/pause"],
            "Labels": {**spec.labels, **marks, SANDBOX_LABEL: spec.name},
            "HostConfig": host,
        }
        if spec.hostname:
            body["Hostname"] = spec.hostname
        name = pause_name(spec.name)
        try:
            await self._ensure_image()
            await self._create(name, body)
            await self.connection.json("POST", f"containers/{name}/start")
            shown = await self.connection.json("GET", f"containers/{name}/json")
        except Refused as error:
            raise StartFailed(f"The sandbox {spec.name} could not be made: {error.message}") from error
        return sandbox_of(shown)

    async def remove(self, name: str) -> None:
        try:
            await self.connection.json(
                "DELETE", f"containers/{pause_name(name)}", params={"force": "1", "v": "1"}
            )
        except Refused as error:
            if error.status != 404:
                raise

    async def list(self, labels: Mapping[str, str]) -> list[Sandbox]:
        wanted = [SANDBOX_LABEL, *(f"{name}={value}" for name, value in labels.items())]
        found = await self.connection.json(
            "GET", "containers/json", params={"filters": json.dumps({"label": wanted})}
        )
        sandboxes = []
        for each in found:
            try:
                sandboxes.append(
                    sandbox_of(await self.connection.json("GET", f"containers/{each['Id']}/json"))
                )
            except Refused as error:
                if error.status != 404:
                    raise
        return sandboxes

    async def _create(self, name: str, body: dict[str, Any]) -> None:
        try:
            await self.connection.json("POST", "containers/create", params={"name": name}, body=body)
        except Refused as error:
            if error.status != 409 and "already in use" not in error.message:
                raise

    async def _ensure_image(self) -> None:
        try:
            await self.connection.json("GET", f"images/{IMAGE}/json")
        except Refused as error:
            if error.status != 404:
                raise
            machine = _ARCHITECTURES.get(self.architecture, self.architecture)
            if machine not in _PROGRAMS:
                raise StartFailed(f"Neargate has no pause program for {self.architecture} yet.") from error
            await self.connection.json("POST", "images/load", body=image_archive(machine))


def sandbox_of(shown: Mapping[str, Any]) -> Sandbox:
    """The sandbox that a pause container is."""
    labels = dict(shown["Config"]["Labels"])
    shares_pids = labels.pop(SHARED_PIDS_LABEL, "")
    return Sandbox(
        id=labels.pop(SANDBOX_LABEL),
        netns=f"/proc/{shown['State']['Pid']}/ns/net",
        network_mode=f"container:{shown['Id']}",
        labels=labels,
        hostname=shown["Config"].get("Hostname") or None,
        dns=tuple(shown["HostConfig"].get("Dns") or ()),
        dns_search=tuple(shown["HostConfig"].get("DnsSearch") or ()),
        cgroup_parent=shown["HostConfig"].get("CgroupParent") or None,
        pid_mode=f"container:{shown['Id']}" if shares_pids else "",
    )


def pause_program(machine: str) -> bytes:
    """A static ELF executable for `x86_64` or `aarch64` that does nothing until it is killed."""
    number, code = _PROGRAMS[machine]
    header_size, segment_size = 64, 56
    entry = _LOAD_ADDRESS + header_size + segment_size
    size = header_size + segment_size + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01", 2, number, 1, entry, header_size, 0, 0),
        *(header_size, segment_size, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x10000)
    return header + segment + code


def image_archive(machine: str) -> bytes:
    """The pause image as `docker load` takes it, the same bytes at every call."""
    layer = _tar({"pause": pause_program(machine)})
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[machine],
        "os": "linux",
        "config": {"Cmd": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "neargate"}],
        "created": "1970-01-01T00:00:00Z",
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "layer.tar": layer,
            "config.json": json.dumps(config).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
