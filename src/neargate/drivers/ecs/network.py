"""A task's network: interface record, sandbox, the fabric's end of it, and 169.254.170.2."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.container_spec import sandbox_spec
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.model.ec2 import Subnet, Vpc, dns_domain
from neargate.model.ecs import Task, TaskAttachment, TaskDefinition, definition_key_of
from neargate.model.errors import AwsError
from neargate.model.fabric import (
    LINK_LOCAL_ADDRESS,
    AddressInUse,
    AlreadyAttached,
    Fabric,
    FabricFailure,
    FabricUnavailable,
    Interface,
)
from neargate.model.ports import Store
from neargate.model.records import Reader, Tx
from neargate.model.runtime import EngineUnavailable, Runtime, RuntimeFailure, SandboxSpec
from neargate.planners.private_names import resolver_of
from neargate.services.dispatch import Dispatcher
from neargate.services.ec2 import interfaces

HTTP = 80
REQUESTER = "578734482556"
"""The account of AWS's that DescribeNetworkInterfaces shows as RequesterId of a Fargate task's interface."""


@attrs.frozen
class TaskIdentity:
    """Who connects to a task's 169.254.170.2: what credentials it gets."""

    key: str
    account: str
    region: str
    role_arn: str | None
    credentials_id: str
    session_name: str
    service: str = actors.TASKS


def identity(task: Task) -> TaskIdentity:
    return TaskIdentity(task.key, task.account, task.region, task.task_role, task.credentials_id, task.id)


class NameService(Protocol):
    """Answers DNS queries on a task's own resolver address."""

    async def serve(self, sockets: tuple[Any, Any], identity: Any) -> None: ...

    async def stop(self, identity: Any) -> None: ...


class LinkLocal(Protocol):
    """Answers on a task's own 169.254.170.2."""

    async def serve(self, sock: Any, identity: Any) -> None: ...

    async def stop(self, identity: Any) -> None: ...


@attrs.frozen
class TaskNetwork:
    """Sets a task's network up and takes it down. Both may be repeated at any point."""

    store: Store
    dispatcher: Dispatcher
    runtime: Runtime
    fabric: Fabric
    link_local: LinkLocal
    owner: str
    names: NameService | None = None
    resolvers: tuple[str, ...] = ()
    """The machine's own name servers: what a task asks while this server is away."""

    async def set_up(self, key: str, live: LiveTask) -> None:
        """Sets `live.sandbox` on the way, so that containers can be created while the network is plugged in."""
        live.network = BUSY
        try:
            task = await self._with_interface(key)
            if task is None:
                return
            live.sandbox_state = BUSY
            resolver, spec = self._resolution(task)
            spec = attrs.evolve(spec, share_pids=self._shares_pids(task))
            live.sandbox = await self.runtime.create_sandbox(spec)
            live.sandbox_state = READY
            live.wake()
            await asyncio.gather(
                self._attach(key, task, live), self._serve(task, live.sandbox.netns, resolver)
            )
        except (EngineUnavailable, FabricUnavailable):
            raise
        except AwsError as error:
            live.network = failed(
                f"ResourceInitializationError: failed to create network interface: {error.message} "
                f"(ErrorCode: {error.code})"
            )
        except (RuntimeFailure, FabricFailure) as error:
            live.network = failed(f"ResourceInitializationError: failed to set up the task network: {error}")
        else:
            live.network = READY

    def _shares_pids(self, task: Task) -> bool:
        key = definition_key_of(task.task_definition)
        definition = self.store.read(lambda view: view.get(TaskDefinition, key))
        return definition is not None and definition.others.get("pidMode") == "task"

    async def _with_interface(self, key: str) -> Task | None:
        """The task with an interface whose address nobody else on this machine uses."""
        avoid: set[str] = set()
        while True:
            task = await self._write(key, _allocate(self.dispatcher, frozenset(avoid)))
            if task is None or await self._is_free(task):
                return task
            avoid.add(task.attachment.ip)

    async def _is_free(self, task: Task) -> bool:
        if await self.fabric.free(task.attachment.ip):
            return True
        return any(one.interface.eni_id == task.attachment.eni for one in await self.fabric.attached())

    async def _attach(self, key: str, task: Task, live: LiveTask) -> None:
        assert live.sandbox is not None
        while True:
            try:
                await self.fabric.attach(live.sandbox.netns, interface_of(task))
            except AlreadyAttached:
                return
            except AddressInUse as taken:
                avoid = frozenset((taken.address, task.attachment.ip))
                again = await self._write(key, _allocate(self.dispatcher, avoid))
                if again is None:
                    return
                task = again
            else:
                return

    def _resolution(self, task: Task) -> tuple[str, SandboxSpec]:
        """The address of the VPC's resolver, "" where none answers, and the sandbox that asks it first."""
        vpc = self.store.read(lambda view: vpc_of(view, task))
        if vpc is None or self.names is None:
            return "", sandbox_spec(self.owner, task)
        resolver = resolver_of(vpc.cidr)
        servers = (resolver, *self.resolvers)
        return resolver, sandbox_spec(self.owner, task, servers, (dns_domain(vpc.region),))

    async def _serve(self, task: Task, netns: str, resolver: str) -> None:
        await self._stop_serving(task)
        sock = await self.fabric.listener(netns, LINK_LOCAL_ADDRESS, HTTP)
        await self.link_local.serve(sock, identity(task))
        if self.names is not None and resolver:
            await self.names.serve(await self.fabric.name_sockets(netns, resolver), identity(task))

    async def _stop_serving(self, task: Task) -> None:
        await self.link_local.stop(identity(task))
        if self.names is not None:
            await self.names.stop(identity(task))

    async def take_down(self, task: Task, sandbox_id: str) -> None:
        """Its containers must be gone."""
        await self._stop_serving(task)
        if task.attachment.eni:
            await self.fabric.detach(task.attachment.eni)
        await self.runtime.remove_sandbox(sandbox_id)
        caller = actors.scheduler(task.account, task.region)

        def release(tx: Tx) -> None:
            # Read here: an allocation that was under way when the task was stopped is committed by now.
            now = tx.get(Task, task.key) or task
            if now.attachment.eni:
                interfaces.release(self.dispatcher.context(tx, caller), now.attachment.eni)

        await self.store.write(release)

    async def _write(self, key: str, work: Callable[[Tx, Task], Task]) -> Task | None:
        def write(tx: Tx) -> Task | None:
            task = tx.get(Task, key)
            if task is None:
                return None
            changed = work(tx, task)
            if changed != task:
                tx.put(changed)
            return changed

        done: Task | None = await self.store.write(write)
        return done


def vpc_of(view: Reader, task: Task) -> Vpc | None:
    """The VPC that a task's subnet lies in."""
    subnet = view.get(Subnet, task.scope(task.attachment.subnet))
    return view.get(Vpc, task.scope(subnet.vpc_id)) if subnet is not None else None


def _allocate(dispatcher: Dispatcher, avoid: frozenset[str]) -> Callable[[Tx, Task], Task]:
    """Give the task an interface, another one where the address of the one it has is to be avoided."""

    def allocate(tx: Tx, task: Task) -> Task:
        attachment = task.attachment
        if attachment.eni and attachment.ip not in avoid:
            return task
        cx = dispatcher.context(tx, actors.scheduler(task.account, task.region))
        if attachment.eni:
            interfaces.release(cx, attachment.eni)
        made = interfaces.create_managed(
            cx,
            attachment.subnet,
            attachment.groups,
            task.ecs_arn(f"attachment/{attachment.id}"),
            REQUESTER,
            avoid,
        )
        return attrs.evolve(
            task,
            attachment=attrs.evolve(
                attachment,
                status="ATTACHING",
                eni=made.id,
                mac=made.mac,
                private_dns=made.private_dns,
                ip=made.private_ip,
            ),
        )

    return allocate


def interface_of(task: Task) -> Interface:
    """A task's interface as the fabric plugs it in; the gateway is its subnet's first host."""
    attachment: TaskAttachment = task.attachment
    subnet = ipaddress.IPv4Network(attachment.cidr)
    return Interface(
        eni_id=attachment.eni,
        ip=attachment.ip,
        prefix_length=subnet.prefixlen,
        gateway=str(subnet.network_address + 1),
        mac=attachment.mac,
        hostname=attachment.private_dns,
        labels={"task": task.id},
    )
