"""What only a kernel can show of a fabric: packets that arrive, and those that do not."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from neargate.fabric import namespaces
from neargate.fabric.names import link_prefix, table_name
from neargate.model.fabric import HOST_ADDRESS, LINK_LOCAL_ADDRESS, FabricFailure, NoSuchNamespace
from tests.contract.test_fabric import MACHINE_UPLINK, WORLD, LinuxRig, interface, ip

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

T = TypeVar("T")

ANSWER_WITHIN = 2.0
SILENCE = 0.3


@pytest.fixture
def linux() -> Iterator[LinuxRig]:
    with ExitStack() as cleanup:
        yield LinuxRig(cleanup)


def within(namespace: str, work: Callable[[], T]) -> T:
    with namespaces.opened(namespace) as descriptor:
        return namespaces.inside(descriptor, work)


@contextmanager
def server(namespace: str, address: str, port: int = 80) -> Iterator[None]:
    """Answers each connection with the address that it came from."""
    listener = within(namespace, lambda: socket.create_server((address, port)))

    def answer() -> None:
        while True:
            try:
                connection, (peer, _) = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(peer.encode())

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def ask(namespace: str, address: str, port: int = 80, patience: float = ANSWER_WITHIN) -> str:
    """What a server says to whoever connects from this namespace."""

    def connect() -> str:
        with socket.create_connection((address, port), timeout=patience) as connection:
            return connection.recv(100).decode()

    return within(namespace, connect)


async def test_the_machine_and_tasks_reach_a_task(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    one, two = linux.namespace(), linux.namespace()
    await fabric.attach(one, interface(5))
    await fabric.attach(two, interface(6))
    with server(one, "0.0.0.0"):
        assert ask(linux.machine, "172.31.0.5") == HOST_ADDRESS
        assert ask(two, "172.31.0.5") == "172.31.0.6"
        assert ask(one, "127.0.0.1") == "127.0.0.1"
        assert ask(one, "172.31.0.5") == "172.31.0.5"
    with server(two, "172.31.0.6"):
        assert ask(one, "172.31.0.6") == "172.31.0.5"


async def test_a_machine_without_any_other_interface_will_do(linux: LinuxRig) -> None:
    ip("-n", Path(linux.machine).name, "link", "delete", "up0")
    ip("-n", Path(linux.machine).name, "link", "set", "lo", "down")
    fabric = linux.fabric()
    await fabric.open()
    one, two = linux.namespace(), linux.namespace()
    await fabric.attach(one, interface(5))
    await fabric.attach(two, interface(6))
    with server(one, "172.31.0.5"):
        assert ask(linux.machine, "172.31.0.5") == HOST_ADDRESS
        assert ask(two, "172.31.0.5") == "172.31.0.6"


async def test_a_task_sees_the_interface_that_aws_shows(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    task = linux.namespace()
    await fabric.attach(task, interface(5))
    name = Path(task).name
    assert "inet 172.31.0.5/20 scope global" in ip("-n", name, "-o", "address", "show", "eth0")
    assert "link/ether 0a:00:00:00:00:05" in ip("-n", name, "-o", "link", "show", "eth0")
    assert ip("-n", name, "route").strip() == "default via 172.31.0.1 dev eth0 proto static onlink"


async def test_two_servers_with_one_cidr_live_side_by_side_and_apart(linux: LinuxRig) -> None:
    mine, other = linux.fabric("one"), linux.fabric("two")
    await mine.open()
    await other.open()
    one, two, foreign = linux.namespace(), linux.namespace(), linux.namespace()
    await mine.attach(one, interface(5))
    await mine.attach(two, interface(6))
    await other.attach(foreign, interface(7))
    with server(one, "172.31.0.5"), server(foreign, "172.31.0.7"):
        assert ask(two, "172.31.0.5") == "172.31.0.6"
        assert ask(linux.machine, "172.31.0.7") == HOST_ADDRESS
        with pytest.raises(OSError, match="No route to host"):
            ask(foreign, "172.31.0.5")
        await other.remove_owned()
        assert ask(two, "172.31.0.5") == "172.31.0.6"


async def test_tasks_reach_the_world_and_the_world_reaches_no_task(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    task = linux.namespace()
    await fabric.attach(task, interface(5))
    with server(linux.world, WORLD):
        assert ask(task, WORLD) == MACHINE_UPLINK
    assert f'iifname "{link_prefix("one")}*"' in linux.run("nft", "list", "table", "inet", table_name("one"))
    with server(task, "172.31.0.5"), pytest.raises(TimeoutError):
        ask(linux.world, "172.31.0.5", patience=SILENCE)


@pytest.mark.parametrize("address", ["169.254.169.254", "172.31.0.99"])
async def test_the_machines_metadata_and_absent_tasks_are_refused_at_once(
    linux: LinuxRig, address: str
) -> None:
    ip("-n", Path(linux.world).name, "address", "add", f"{address}/32", "dev", "lo")
    fabric = linux.fabric()
    await fabric.open()
    task = linux.namespace()
    await fabric.attach(task, interface(5))
    with server(linux.world, address):
        assert ask(linux.machine, address) == MACHINE_UPLINK
        with pytest.raises(OSError, match="No route to host") as refused:
            ask(task, address)
    assert refused.value.errno == errno.EHOSTUNREACH


async def test_a_task_cannot_send_from_another_address(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    liar, victim, target = (linux.namespace() for _ in range(3))
    for host, namespace in ((5, liar), (6, victim), (7, target)):
        await fabric.attach(namespace, interface(host))

    def receiver() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", 9))
        made.settimeout(SILENCE)
        return made

    def send(source: str, destination: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT: send from any address
            sender.bind((source, 9))
            sender.sendto(source.encode(), (destination, 9))

    with within(target, receiver) as at_task, within(linux.machine, receiver) as at_machine:
        for destination, receiving in (("172.31.0.7", at_task), (HOST_ADDRESS, at_machine)):
            for source in ("172.31.0.6", "10.1.2.3", WORLD):
                within(liar, lambda source=source, to=destination: send(source, to))  # type: ignore[misc]
                with pytest.raises(TimeoutError):
                    receiving.recv(100)
            within(liar, lambda to=destination: send("172.31.0.5", to))  # type: ignore[misc]
            assert receiving.recv(100) == b"172.31.0.5"


async def test_detaching_removes_link_and_route(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    attachment = await fabric.attach(linux.namespace(), interface(5))
    assert linux.links() == [attachment.link]
    assert "172.31.0.5 " in linux.run("ip", "route")
    await fabric.detach(interface(5).eni_id)
    assert linux.links() == []
    assert "172.31.0.5 " not in linux.run("ip", "route")


async def test_open_removes_what_an_attach_that_died_left(linux: LinuxRig) -> None:
    mine = link_prefix("one") + "abcdefghi"
    foreign = link_prefix("two") + "abcdefghi"
    for number, name in enumerate((mine, foreign)):
        pair = ("link", "add", name, "type", "veth", "peer", "name", f"peer{number}")
        ip("-n", Path(linux.machine).name, *pair)
    await linux.fabric("one").open()
    assert linux.links() == [foreign]


async def test_a_failed_attach_leaves_nothing(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    task = linux.namespace()
    ip("-n", Path(task).name, "link", "set", "lo", "up")
    ip("-n", Path(task).name, "route", "add", "default", "dev", "lo")
    with pytest.raises(FabricFailure, match="The kernel refused"):
        await fabric.attach(task, interface(5))
    assert linux.links() == []
    assert await fabric.free("172.31.0.5")


async def test_paths_that_are_no_tasks_namespace(linux: LinuxRig, tmp_path: Path) -> None:
    fabric = linux.fabric()
    await fabric.open()
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "file"), str(tmp_path), "/proc/self/ns/mnt"):
        with pytest.raises(NoSuchNamespace):
            await fabric.attach(path, interface())
    with pytest.raises(FabricFailure, match="namespace of the machine"):
        await fabric.listener(linux.machine, LINK_LOCAL_ADDRESS, 80)


async def test_addresses_of_the_real_network_are_not_free(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    for address in (MACHINE_UPLINK, "198.51.100.255", "224.0.0.1"):
        assert not await fabric.free(address)
    machine = Path(linux.machine).name
    assert await fabric.free("198.51.100.7")
    ip("-n", machine, "neighbour", "add", "198.51.100.7", "lladdr", "0a:00:00:00:00:01", "dev", "up0")
    assert not await fabric.free("198.51.100.7")
    ip("-n", machine, "route", "delete", "default")
    assert await fabric.free("203.0.113.1")
    ip("-n", machine, "route", "add", "unreachable", "203.0.113.0/24")
    assert await fabric.free("203.0.113.1")


async def test_open_and_close_leave_nothing_behind(linux: LinuxRig) -> None:
    one, two = linux.fabric("one"), linux.fabric("two")
    linux.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")  # a new namespace takes the machine's
    assert linux.forwarding() == "0"
    await one.open()
    await one.open()
    await linux.fabric("one").open()  # a restart after kill -9
    await two.open()
    assert linux.forwarding() == "1"
    await one.close()
    assert linux.forwarding() == "1"
    await two.close()
    assert linux.forwarding() == "0"
    assert linux.run("nft", "list", "ruleset") == ""
    assert linux.links() == []


async def test_forwarding_stays_on_where_it_was_on_or_others_want_it(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    linux.run("sysctl", "-w", "net.ipv4.ip_forward=1")
    await fabric.open()
    await fabric.close()
    assert linux.forwarding() == "1"
    linux.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    await fabric.open()
    linux.run("nft", "add table ip t; add chain ip t c { type filter hook forward priority 0; }")
    await fabric.close()
    assert linux.forwarding() == "1"


@pytest.mark.parametrize("docker", [True, False])
async def test_tasks_pass_a_shared_chain_that_drops(linux: LinuxRig, docker: bool) -> None:
    jump, users = ("jump DOCKER-USER", "chain DOCKER-USER { }") if docker else ("", "")
    linux.run(
        "nft",
        "-f",
        "-",
        text=f"""table ip filter {{
            {users}
            chain FORWARD {{
                type filter hook forward priority filter; policy drop;
                {jump}
            }}
        }}""",
    )
    before = linux.run("nft", "list", "ruleset")
    fabric = linux.fabric()
    await fabric.open()
    await fabric.open()
    one, two = linux.namespace(), linux.namespace()
    await fabric.attach(one, interface(5))
    await fabric.attach(two, interface(6))
    with server(one, "172.31.0.5"), server(linux.world, WORLD):
        assert ask(two, "172.31.0.5") == "172.31.0.6"
        assert ask(one, WORLD) == MACHINE_UPLINK
    await fabric.remove_owned()
    assert linux.run("nft", "list", "ruleset") == before


async def test_a_restarted_servers_table_knows_the_subnets(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    await fabric.attach(linux.namespace(), interface(5))
    await fabric.attach(linux.namespace(), interface(6, ip="172.31.16.6", gateway="172.31.16.1"))
    before = linux.run("nft", "list", "ruleset")
    assert "172.31.0.0/19" in before or "172.31.0.0-172.31.31.255" in before
    await linux.fabric().open()
    assert linux.run("nft", "list", "ruleset") == before


async def test_a_listener_hears_its_own_namespace_only(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    one, two = linux.namespace(), linux.namespace()
    with (
        await fabric.listener(one, LINK_LOCAL_ADDRESS, 80) as at_one,
        await fabric.listener(two, LINK_LOCAL_ADDRESS, 80) as at_two,
    ):
        for namespace, hears, deaf in ((one, at_one, at_two), (two, at_two, at_one)):
            caller = within(
                namespace, lambda: socket.create_connection((LINK_LOCAL_ADDRESS, 80), timeout=ANSWER_WITHIN)
            )
            with caller, hears.accept()[0]:
                pass
            with pytest.raises(BlockingIOError):
                deaf.accept()


async def test_fifty_attachments(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    await fabric.open()
    spaces = [linux.namespace() for _ in range(50)]
    seconds = []
    for host, namespace in enumerate(spaces, start=10):
        began = time.perf_counter()
        await fabric.attach(namespace, interface(host))
        seconds.append(time.perf_counter() - began)
        with server(namespace, f"172.31.0.{host}"):
            assert ask(linux.machine, f"172.31.0.{host}") == HOST_ADDRESS
    began = time.perf_counter()
    assert len(await fabric.attached()) == 50
    listed = time.perf_counter() - began
    began = time.perf_counter()
    await fabric.remove_owned()
    removed = time.perf_counter() - began
    milliseconds = sorted(1000 * one for one in seconds)
    print(
        f"\nattach: median {milliseconds[25]:.1f} ms, slowest {milliseconds[-1]:.1f} ms; "
        f"list 50: {1000 * listed:.1f} ms; remove 50 and close: {1000 * removed:.0f} ms"
    )
    assert milliseconds[25] < 50


async def test_tasks_and_the_machine_reach_a_claimed_address_and_nobody_else_does(linux: LinuxRig) -> None:
    mine, other = linux.fabric("one"), linux.fabric("two")
    await mine.claim("172.31.0.8")  # before the fabric opens, as after a restart
    await mine.open()
    await other.open()
    await mine.claim("172.31.0.9")
    task, foreign = linux.namespace(), linux.namespace()
    await mine.attach(task, interface(5))
    await other.attach(foreign, interface(6))
    for address in ("172.31.0.8", "172.31.0.9"):
        with server(linux.machine, address):
            assert ask(task, address) == "172.31.0.5"
            assert ask(linux.machine, address) == address
            for stranger in (linux.world, foreign):
                with pytest.raises(TimeoutError):
                    ask(stranger, address, patience=SILENCE)
