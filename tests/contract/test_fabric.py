"""What every fabric promises.

The Linux tests bring their own machine: a network namespace with an uplink to another one, the world.
Nothing is sent outside these, and nothing of the real machine's network changes.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from neargate.fabric import namespaces
from neargate.fabric.linux import LinuxFabric
from neargate.fabric.memory import Machine, MemoryFabric
from neargate.fabric.names import link_prefix
from neargate.model.fabric import (
    LINK_LOCAL_ADDRESS,
    AddressInUse,
    AlreadyAttached,
    Fabric,
    FabricFailure,
    Interface,
    NoSuchNamespace,
)

pytestmark = pytest.mark.anyio

T = TypeVar("T")
_numbers = count()

MACHINE_UPLINK = "198.51.100.2"
WORLD = "198.51.100.1"


def interface(host: int = 5, **changes: object) -> Interface:
    members: dict[str, object] = {
        "eni_id": f"eni-{host:017x}",
        "ip": f"172.31.0.{host}",
        "prefix_length": 20,
        "gateway": "172.31.0.1",
        "mac": f"0a:00:00:00:00:{host:02x}",
        "hostname": f"ip-172-31-0-{host}.ec2.internal",
        "labels": {"task": f"{host:032x}"},
    }
    return Interface(**{**members, **changes})  # type: ignore[arg-type]


class MemoryRig:
    """A machine in memory."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.machine = Machine(self.paths.__contains__)

    def fabric(self, owner: str = "one") -> Fabric:
        return MemoryFabric(owner, self.machine)

    def namespace(self) -> str:
        path = f"/memory/{next(_numbers)}"
        self.paths.add(path)
        return path

    def end_namespace(self, path: str) -> None:
        self.paths.remove(path)


class LinuxRig:
    """A machine of the kernel's: a namespace with an uplink, and the world behind it."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._cleanup = cleanup
        self.machine = self.namespace()
        self.world = self.namespace()
        machine, world = Path(self.machine).name, Path(self.world).name
        ip("-n", machine, "link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", world)
        for name, link, address in ((machine, "up0", MACHINE_UPLINK), (world, "down0", WORLD)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", machine, "route", "add", "default", "via", WORLD)
        ip("-n", world, "route", "add", "172.31.0.0/16", "via", MACHINE_UPLINK)

    def fabric(self, owner: str = "one") -> Fabric:
        descriptor = os.open(self.machine, os.O_RDONLY)
        self._cleanup.callback(os.close, descriptor)
        jobs = ThreadPoolExecutor(1, initializer=namespaces.enter, initargs=(descriptor,))
        self._cleanup.callback(jobs.shutdown)
        return LinuxFabric(owner, jobs)

    def namespace(self) -> str:
        name = f"ngtest-{os.getpid()}-{next(_numbers)}"
        ip("netns", "add", name)
        self._cleanup.callback(subprocess.run, ["ip", "netns", "delete", name], capture_output=True)
        return f"/run/netns/{name}"

    def end_namespace(self, path: str) -> None:
        ip("netns", "delete", Path(path).name)
        wait_until(lambda: not self.links())

    def links(self) -> list[str]:
        lines = self.run("ip", "-o", "link").splitlines()
        names = [line.split(": ")[1].split("@")[0] for line in lines]
        return [name for name in names if name.startswith("ng")]

    def run(self, *command: str, text: str | None = None) -> str:
        in_machine = ["ip", "netns", "exec", Path(self.machine).name, *command]
        return subprocess.run(in_machine, input=text, check=True, capture_output=True, text=True).stdout

    def forwarding(self) -> str:
        return self.run("sysctl", "-n", "net.ipv4.ip_forward").strip()


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(params=["memory", pytest.param("linux", marks=pytest.mark.engine)])
def rig(request: pytest.FixtureRequest) -> Iterator[MemoryRig | LinuxRig]:
    with ExitStack() as cleanup:
        yield MemoryRig() if request.param == "memory" else LinuxRig(cleanup)


async def test_an_attachment_is_listed_until_it_is_detached(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    await fabric.open()
    second = await fabric.attach(rig.namespace(), interface(6))
    first = await fabric.attach(rig.namespace(), interface(5))
    assert first.interface == interface(5)
    assert first.link.startswith(link_prefix("one"))
    assert len(first.link) == 15
    assert await fabric.attached() == [first, second]
    await fabric.detach(first.interface.eni_id)
    await fabric.detach(first.interface.eni_id)
    assert await fabric.attached() == [second]


async def test_a_restarted_server_finds_its_attachments_and_nobody_elses(rig: MemoryRig | LinuxRig) -> None:
    mine, other = rig.fabric("one"), rig.fabric("two")
    await mine.open()
    await other.open()
    attachment = await mine.attach(rig.namespace(), interface(5))
    await other.attach(rig.namespace(), interface(6))
    again = rig.fabric("one")
    await again.open()
    assert await again.attached() == [attachment]
    await again.detach(interface(6).eni_id)
    assert len(await other.attached()) == 1
    await again.remove_owned()
    assert await again.attached() == []
    assert len(await other.attached()) == 1


async def test_an_address_is_used_once_on_the_whole_machine(rig: MemoryRig | LinuxRig) -> None:
    mine, other = rig.fabric("one"), rig.fabric("two")
    await mine.open()
    await other.open()
    assert await mine.free("172.31.0.5")
    await mine.attach(rig.namespace(), interface(5))
    assert not await mine.free("172.31.0.5")
    assert not await other.free("172.31.0.5")
    assert not await other.free("127.0.0.1")
    namespace = rig.namespace()
    with pytest.raises(AddressInUse, match=r"The address 172.31.0.5 is in use on this machine."):
        await other.attach(namespace, interface(5))
    await mine.detach(interface(5).eni_id)
    assert await other.free("172.31.0.5")
    await other.attach(namespace, interface(5))


async def test_a_second_attachment_is_refused(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    await fabric.open()
    namespace = rig.namespace()
    first = await fabric.attach(namespace, interface(5))
    with pytest.raises(AlreadyAttached, match=f"is attached already, as {first.link}"):
        await fabric.attach(rig.namespace(), interface(5, ip="172.31.0.9"))
    with pytest.raises(AlreadyAttached, match="has an eth0 already"):
        await fabric.attach(namespace, interface(6))
    assert await fabric.attached() == [first]
    assert await fabric.free("172.31.0.6")


async def test_an_interface_ends_with_its_namespace(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    await fabric.open()
    namespace = rig.namespace()
    await fabric.attach(namespace, interface(5))
    rig.end_namespace(namespace)
    assert await fabric.attached() == []
    assert await fabric.free("172.31.0.5")
    await fabric.detach(interface(5).eni_id)
    with pytest.raises(NoSuchNamespace, match=namespace):
        await fabric.attach(namespace, interface(5))
    with pytest.raises(NoSuchNamespace, match=namespace):
        await fabric.listener(namespace, LINK_LOCAL_ADDRESS, 80)


async def test_a_fabric_is_opened_before_it_is_used(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    with pytest.raises(FabricFailure, match="not open"):
        await fabric.attach(rig.namespace(), interface())
    await fabric.open()
    await fabric.close()
    await fabric.close()
    with pytest.raises(FabricFailure, match="not open"):
        await fabric.attach(rig.namespace(), interface())


async def test_labels_that_a_link_cannot_hold_are_refused(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    await fabric.open()
    with pytest.raises(ValueError, match=r"labels of eni-.* are too long"):
        await fabric.attach(rig.namespace(), interface(labels={"task": "x" * 200}))
    assert await fabric.free("172.31.0.5")


async def test_one_listener_per_address_and_port(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    namespace = rig.namespace()
    with await fabric.listener(namespace, LINK_LOCAL_ADDRESS, 80) as listener:
        assert not listener.getblocking()
        with pytest.raises(AddressInUse, match=r"169\.254\.170\.2:80"):
            await fabric.listener(namespace, LINK_LOCAL_ADDRESS, 80)
    (await fabric.listener(namespace, LINK_LOCAL_ADDRESS, 80)).close()


async def test_an_address_is_claimed_until_it_is_released(rig: MemoryRig | LinuxRig) -> None:
    fabric = rig.fabric()
    await fabric.open()
    await fabric.claim("172.31.0.9")
    await fabric.claim("172.31.0.9")
    await fabric.claim("172.31.0.8")
    assert await fabric.claimed() == ["172.31.0.8", "172.31.0.9"]
    assert await fabric.attached() == []
    with pytest.raises(AddressInUse):
        await fabric.attach(rig.namespace(), interface(9))
    await fabric.release("172.31.0.9")
    await fabric.release("172.31.0.9")
    assert await fabric.claimed() == ["172.31.0.8"]
    await fabric.attach(rig.namespace(), interface(9))
    with pytest.raises(AddressInUse):
        await fabric.claim("172.31.0.9")


async def test_claims_are_the_servers_own_and_outlive_it(rig: MemoryRig | LinuxRig) -> None:
    mine, other = rig.fabric("one"), rig.fabric("two")
    await mine.claim("172.31.0.9")
    with pytest.raises(AddressInUse):
        await other.claim("172.31.0.9")
    await other.release("172.31.0.9")
    again = rig.fabric("one")
    assert await again.claimed() == ["172.31.0.9"]
    assert await other.claimed() == []
    await other.remove_owned()
    assert await again.claimed() == ["172.31.0.9"]
    await again.remove_owned()
    assert await mine.claimed() == []
