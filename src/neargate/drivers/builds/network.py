"""A build's network: an address in the default VPC, the way out, and 169.254.170.2."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Protocol

import attrs

from neargate.drivers.builds.environment import identity
from neargate.drivers.builds.failure import Over, PhaseFailed
from neargate.model.codebuild import SERVICE, Build
from neargate.model.ec2 import NetworkInterface
from neargate.model.errors import AwsError
from neargate.model.fabric import LINK_LOCAL_ADDRESS, AddressInUse, Fabric, Interface
from neargate.model.operations import Caller
from neargate.model.ports import Store
from neargate.model.records import Json, Tx
from neargate.model.runtime import Sandbox
from neargate.services.dispatch import Dispatcher
from neargate.services.ec2 import interfaces

_HTTP = 80
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


class LinkLocal(Protocol):
    """Answers on a build's own 169.254.170.2."""

    async def serve(self, sock: Any, identity: Any) -> None: ...

    async def stop(self, identity: Any) -> None: ...


@attrs.frozen
class BuildNetwork:
    """Sets a build's network up and takes it down. Taking down may be repeated."""

    store: Store
    dispatcher: Dispatcher
    fabric: Fabric
    link_local: LinkLocal

    async def set_up(self, key: str, sandbox: Sandbox) -> None:
        """Give the sandbox an address that nobody else on this machine uses. Raises `PhaseFailed`, `Over`."""
        avoid: frozenset[str] = frozenset()
        while True:
            build, made, cidr = await self._allocated(key, avoid)
            avoid |= {made.private_ip}
            if not await self.fabric.free(made.private_ip):
                continue
            try:
                await self.fabric.attach(sandbox.netns, _plug(build, made, cidr))
            except AddressInUse:
                continue
            break
        sock = await self.fabric.listener(sandbox.netns, LINK_LOCAL_ADDRESS, _HTTP)
        await self.link_local.stop(identity(build))
        await self.link_local.serve(sock, identity(build))

    async def take_down(self, build: Build) -> None:
        """Whatever of it there is. The sandbox is the caller's."""
        await self.link_local.stop(identity(build))
        eni = build.eni_id
        if eni is None:
            return
        await self.fabric.detach(eni)
        await self.store.write(
            lambda tx: interfaces.release(self.dispatcher.context(tx, _caller(build)), eni)
        )

    async def _allocated(self, key: str, avoid: frozenset[str]) -> tuple[Build, NetworkInterface, str]:
        """A new interface in place of the one that the build has; its record names it before it is plugged in."""

        def write(tx: Tx) -> tuple[Build, NetworkInterface, str]:
            build = tx.get(Build, key)
            if build is None or build.complete:
                raise Over
            cx = self.dispatcher.context(tx, _caller(build))
            if build.eni_id is not None:
                interfaces.release(cx, build.eni_id)
            request = {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
            subnets: list[Json] = cx.invoke("ec2", "DescribeSubnets", request)["Subnets"]
            if not subnets:
                raise PhaseFailed(
                    "CLIENT_ERROR",
                    f"There is no default subnet in {build.region}: CreateDefaultVpc makes them.",
                )
            subnet = subnets[0]
            try:
                made = interfaces.create_managed(cx, subnet["SubnetId"], (), build.arn, SERVICE, avoid)
            except AwsError as error:
                raise PhaseFailed("CLIENT_ERROR", f"{error.code}: {error.message}") from error
            changed = attrs.evolve(build, eni_id=made.id, subnet_id=made.subnet_id)
            tx.put(changed)
            return changed, made, subnet["CidrBlock"]

        return await self.store.write(write)


def resolvers() -> tuple[str, ...]:
    """Name servers for the sandbox where the machine's own cannot be used there: those on its loopback.

    Empty where they can: the engine then hands the machine's file on.
    """
    for path in _RESOLVERS:
        servers = _name_servers(path)
        if servers and not all(ipaddress.ip_address(server).is_loopback for server in servers):
            return () if path is _RESOLVERS[0] else servers
    return ()


def _name_servers(path: Path) -> tuple[str, ...]:
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return ()
    found = (words[1].partition("%")[0] for words in lines if len(words) > 1 and words[0] == "nameserver")
    return tuple(server for server in found if _is_address(server))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _plug(build: Build, made: NetworkInterface, cidr: str) -> Interface:
    subnet = ipaddress.IPv4Network(cidr)
    return Interface(
        eni_id=made.id,
        ip=made.private_ip,
        prefix_length=subnet.prefixlen,
        gateway=str(subnet.network_address + 1),
        mac=made.mac,
        hostname=made.private_dns,
        labels={"build": build.uuid},
    )


def _caller(build: Build) -> Caller:
    """CodeBuild by itself: the interface is its own, not the project's."""
    return Caller(account=build.account, region=build.region, principal=SERVICE, via=SERVICE)
