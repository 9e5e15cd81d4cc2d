"""The names that a task can resolve, over the records: `TaskNames(store)(identity, name, type)`."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from neargate.drivers.ecs.network import TaskIdentity, vpc_of
from neargate.model.ec2 import Vpc, dns_domain
from neargate.model.ecs import Task
from neargate.model.elbv2 import LoadBalancer
from neargate.model.fabric import LINK_LOCAL_ADDRESS
from neargate.model.ports import Store
from neargate.model.records import Reader
from neargate.model.service_connect import ConnectEndpoint, endpoints_of
from neargate.model.servicediscovery import (
    DNS_PRIVATE,
    HTTP,
    DiscoveryInstance,
    DiscoveryService,
    Namespace,
)
from neargate.planners import private_names
from neargate.planners.private_names import Answer

_PREFIXED = re.compile(rf"[a-z0-9-]+-{re.escape(LINK_LOCAL_ADDRESS)}")
"""What an SDK makes of the endpoint for operations with a host prefix: StartLiveTail, DiscoverInstances."""

_BALANCED = re.compile(r".+\.([a-z0-9-]+\.elb|elb\.[a-z0-9-]+)\.localhost")
"""A load balancer's name (decision 11)."""
_BALANCED_TTL = 60


_CONNECT_TTL = 10


class TaskNames:
    """What Neargate itself knows of names; None for a name of the world outside."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, identity: object, name: str, wanted: str) -> Answer | None:
        """`name` in lower case without the last dot; `wanted` a record type (`A`)."""
        if not isinstance(identity, TaskIdentity):
            return None
        if _PREFIXED.fullmatch(name):
            return Answer(wanted, 60, (LINK_LOCAL_ADDRESS,) if wanted == "A" else ())
        key = identity.key
        return self._store.read(lambda view: _answer(view, key, name, wanted))


def _answer(view: Reader, key: str, name: str, wanted: str) -> Answer | None:
    task = view.get(Task, key)
    vpc = vpc_of(view, task) if task is not None else None
    if task is None or vpc is None or not vpc.dns_support:
        return None
    if task.connect_namespace:
        endpoint = _from_service_connect(view, task, name, wanted)
        if endpoint is not None:
            return endpoint
    if _BALANCED.fullmatch(name):
        return _of_load_balancer(view, name, wanted)
    host = private_names.host_name(name, wanted, dns_domain(vpc.region), vpc.cidrs)
    return host or _from_cloud_map(view, vpc, name, wanted)


def _from_service_connect(view: Reader, task: Task, name: str, wanted: str) -> Answer | None:
    prefix = endpoints_of(task.account, task.region, task.connect_namespace)
    for endpoint in view.scan(ConnectEndpoint, prefix):
        if any(alias.name == name for alias in endpoint.aliases):
            return Answer(wanted, _CONNECT_TTL, (endpoint.address,) if wanted == "A" else ())
    return None


def _of_load_balancer(view: Reader, name: str, wanted: str) -> Answer:
    """The addresses in its subnets, whichever VPC they are in: the name is a public one."""
    for balancer in view.scan(LoadBalancer):
        if balancer.dns_name.lower() == name:
            addresses = [interface.ip for interface in balancer.interfaces]
            mixed = random.sample(addresses, len(addresses))[: private_names.MOST]
            return Answer(wanted, _BALANCED_TTL, tuple(mixed) if wanted == "A" else ())
    return Answer(wanted, exists=False)


def _from_cloud_map(view: Reader, vpc: Vpc, name: str, wanted: str) -> Answer | None:
    scope = f"{vpc.account}/{vpc.region}/"
    spaces = [
        one
        for one in view.scan(Namespace, scope)
        if one.type != HTTP and (one.type != DNS_PRIVATE or one.vpc == vpc.id)
    ]
    space = private_names.closest(name, spaces)
    if space is None:
        return None
    services = [
        (one, view.scan(DiscoveryInstance, one.key + "/"))
        for one in view.scan(DiscoveryService, scope)
        if one.namespace == space.id and f".{one.name.lower()}." in f".{name}"
    ]
    label = private_names.in_namespace(name, space) or ""
    return private_names.from_services(label, wanted, services, space, _shuffled)


def _shuffled(instances: Sequence[DiscoveryInstance]) -> Sequence[DiscoveryInstance]:
    return random.sample(instances, len(instances))
