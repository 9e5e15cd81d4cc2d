"""The VPC network on a Linux machine: a pair of links and a /32 route per task, no bridge.

docs/decisions/0002-routed-task-addresses.md says why. Needs root and the program nft; kernel 5.7 or later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from socket import socket
from typing import TypeVar

from neargate.fabric import filters, links
from neargate.fabric.names import checked_owner
from neargate.fabric.namespaces import opened
from neargate.model.fabric import Attachment, FabricFailure, Interface

T = TypeVar("T")


class LinuxFabric:
    """`Fabric` on the kernel of this machine.

    All work is done in turn on one thread. `jobs`, where it is given, brings that thread, and the network
    namespace in which it lives is the machine.
    """

    def __init__(self, owner: str, jobs: ThreadPoolExecutor | None = None) -> None:
        self._owner = checked_owner(owner)
        self._jobs = jobs or ThreadPoolExecutor(1, thread_name_prefix="neargate-fabric")
        self._subnets: set[str] | None = None  # None: not open. Touched by the thread only.

    async def open(self) -> None:
        await self._run(self._open)

    async def close(self) -> None:
        await self._run(self._close)

    async def attach(self, netns_path: str, interface: Interface) -> Attachment:
        return await self._run(lambda: self._attach(netns_path, interface))

    async def detach(self, eni_id: str) -> None:
        await self._run(lambda: links.unplug(self._owner, eni_id))

    async def attached(self) -> list[Attachment]:
        return await self._run(lambda: links.attachments(self._owner))

    async def free(self, ip: str) -> bool:
        return not await self._run(lambda: links.used(ip))

    async def claim(self, address: str) -> None:
        await self._run(lambda: self._claim(address))

    async def release(self, address: str) -> None:
        await self._run(lambda: links.release(self._owner, address))

    async def claimed(self) -> list[str]:
        return await self._run(lambda: links.claims(self._owner))

    async def listener(self, netns_path: str, address: str, port: int) -> socket:
        """As in the port. The socket keeps the namespace alive, and in it the attachment, until closed."""

        def listen() -> tuple[socket, ...]:
            with opened(netns_path) as namespace:
                return (links.listening(namespace, address, port),)

        return (await self._sockets(listen))[0]

    async def connected(self, netns_path: str, address: str, port: int) -> socket:
        def make() -> tuple[socket, ...]:
            with opened(netns_path) as namespace:
                return (links.client(namespace),)

        (made,) = await self._sockets(make)
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made

    async def name_sockets(self, netns_path: str, address: str) -> tuple[socket, socket]:
        def bind() -> tuple[socket, ...]:
            with opened(netns_path) as namespace:
                return links.name_sockets(namespace, address)

        datagrams, streams = await self._sockets(bind)
        return datagrams, streams

    async def _sockets(self, make: Callable[[], tuple[socket, ...]]) -> tuple[socket, ...]:
        job = self._jobs.submit(make)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            job.add_done_callback(_close_result)
            raise

    async def remove_owned(self) -> None:
        await self._run(self._remove_owned)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._jobs.submit(work))

    def _open(self) -> None:
        links.remove_unfinished(self._owner)
        subnets = {str(attachment.interface.subnet) for attachment in links.attachments(self._owner)}
        filters.open_machine(self._owner, subnets, links.claims(self._owner))
        self._subnets = subnets

    def _close(self) -> None:
        self._subnets = None
        filters.close_machine(self._owner)

    def _attach(self, netns_path: str, interface: Interface) -> Attachment:
        if self._subnets is None:
            raise FabricFailure("The fabric is not open.")
        with opened(netns_path) as namespace:
            subnet = str(interface.subnet)
            if subnet not in self._subnets:
                filters.add_subnet(self._owner, subnet)
                self._subnets.add(subnet)
            return links.plug(namespace, self._owner, interface)

    def _claim(self, address: str) -> None:
        if address in links.claims(self._owner):
            return
        if self._subnets is not None:  # else `open` will
            filters.shield(self._owner, address)
        links.claim(self._owner, address)

    def _remove_owned(self) -> None:
        links.remove_unfinished(self._owner)
        for attachment in links.attachments(self._owner):
            links.unplug(self._owner, attachment.interface.eni_id)
        for address in links.claims(self._owner):
            links.release(self._owner, address)
        self._close()


def _close_result(job: Future[tuple[socket, ...]]) -> None:
    """For sockets that nobody waits for any more."""
    if not job.cancelled() and job.exception() is None:
        for one in job.result():
            one.close()
