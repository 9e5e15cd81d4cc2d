"""Service Connect: endpoints that services offer, the names that clients resolve, and what ECS refuses."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.drivers.ecs.names import TaskNames
from neargate.drivers.ecs.network import identity
from neargate.drivers.load_balancers.observing import observe
from neargate.model.ecs import Task
from neargate.model.errors import AwsError
from neargate.model.service_connect import ConnectEndpoint
from neargate.planners import connect_traffic
from neargate.runtimes.memory import serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"name": "http", "containerPort": 3000}]
OFFER = {"portName": "http", "discoveryName": "back", "clientAliases": [{"port": 80, "dnsName": "back"}]}


def endpoints(world: EcsWorld) -> list[ConnectEndpoint]:
    return world.store.read(lambda view: view.scan(ConnectEndpoint))


def members(world: EcsWorld) -> list[str]:
    """The addresses that a client's connection may be passed on to."""
    seen = world.store.read(observe)
    pools = connect_traffic.pools(seen.endpoints, seen.instances)
    return sorted(each.address for pool in pools.values() for each in pool.endpoints)


async def offering(world: EcsWorld, **more: Any) -> None:
    """A steady service `web` of two tasks that offers OFFER in the namespace `apps`."""
    await world.call("UpdateCluster", cluster="c", serviceConnectDefaults={"namespace": "apps"})
    world.containers.default = serves(3000)
    definition = await world.register(container(portMappings=PORT))
    configuration = {"enabled": True, "services": [OFFER], **more}
    await world.create_service(definition, desiredCount=2, serviceConnectConfiguration=configuration)
    await world.until_steady()


async def client(world: EcsWorld, configuration: dict[str, Any]) -> Task:
    """A running task of another service of the cluster."""
    definition = await world.register(container(portMappings=PORT), family="front")
    await world.call(
        "CreateService",
        cluster="c",
        serviceName="front",
        taskDefinition=definition,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=world.network,
        serviceConnectConfiguration=configuration,
    )
    await world.until_steady()
    return next(task for task in world.tasks() if task.service == "front")


async def test_clients_reach_the_tasks_by_the_alias() -> None:
    async with ecs_world() as world:
        await offering(world)
        (endpoint,) = endpoints(world)
        assert members(world) == sorted(task.attachment.ip for task in world.tasks())
        front = await client(world, {"enabled": True})
        resolve = TaskNames(world.store)
        found = resolve(identity(front), "back", "A")
        assert found is not None
        assert found.values == (endpoint.address,)
        searched = resolve(identity(front), "back.ec2.internal", "A")
        assert searched is not None
        assert not searched.exists
        other = await world.run_task(await world.register(container()))
        await world.until_status(other, "RUNNING")
        outside = next(task for task in world.tasks() if task.arn == other)
        assert resolve(identity(outside), "back", "A") is None


async def test_the_service_shows_its_endpoints() -> None:
    async with ecs_world() as world:
        await offering(world)
        shown = (await world.service())["deployments"][0]
        space = (await world.call("ListNamespaces", "servicediscovery"))["Namespaces"][0]
        assert (space["Name"], space["Type"]) == ("apps", "HTTP")
        assert shown["serviceConnectConfiguration"]["namespace"] == space["Arn"]
        (registry,) = (await world.call("ListServices", "servicediscovery"))["Services"]
        assert shown["serviceConnectResources"] == [
            {"discoveryName": "back", "discoveryArn": registry["Arn"]}
        ]
        assert registry["InstanceCount"] == 2


async def test_an_alias_has_the_namespace_in_its_name_where_none_is_given() -> None:
    async with ecs_world() as world:
        await offering(world, services=[{"portName": "http", "clientAliases": [{"port": 8080}]}])
        (endpoint,) = endpoints(world)
        assert [(alias.name, alias.port) for alias in endpoint.aliases] == [("http.apps", 8080)]


async def test_an_update_changes_and_a_delete_withdraws_the_endpoints() -> None:
    async with ecs_world() as world:
        await offering(world)
        (before,) = endpoints(world)
        renamed = {**OFFER, "discoveryName": "backend"}
        configuration = {"enabled": True, "services": [renamed]}
        await world.call(
            "UpdateService", cluster="c", service="web", serviceConnectConfiguration=configuration
        )
        await world.until_steady()
        (after,) = endpoints(world)
        assert (after.name, after.registry != before.registry) == ("backend", True)
        running = [task.attachment.ip for task in world.tasks() if task.status == "RUNNING"]
        assert members(world) == sorted(running)
        await world.call("DeleteService", cluster="c", service="web", force=True)
        await world.until(lambda: not endpoints(world))
        await world.until(lambda: all(task.status == "STOPPED" for task in world.tasks()))
        names = [one["Name"] for one in (await world.call("ListServices", "servicediscovery"))["Services"]]
        assert names == ["back"] or names == []


async def test_a_rollback_brings_the_endpoints_back() -> None:
    breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}
    async with ecs_world() as world:
        await offering(world)
        (before,) = endpoints(world)
        definition = await world.register({"name": "app", "image": "broken:1", "portMappings": PORT})
        await world.call(
            "UpdateService",
            cluster="c",
            service="web",
            taskDefinition=definition,
            deploymentConfiguration={"deploymentCircuitBreaker": breaker},
            serviceConnectConfiguration={
                "enabled": True,
                "services": [{**OFFER, "clientAliases": [{"port": 81, "dnsName": "other"}]}],
            },
        )
        await world.until_steady()
        assert endpoints(world) == [before]


@pytest.mark.parametrize(
    ("service", "code", "said"),
    [
        (
            {"portName": "grpc"},
            "InvalidParameterException",
            "The portName grpc does not exist in the task definition.",
        ),
        (
            {**OFFER, "timeout": {"idleTimeoutSeconds": 5}},
            "NotImplemented",
            "ecs:CreateService serviceConnectConfiguration.services.timeout is not implemented by Neargate yet "
            "(docs/coverage.md#ecs)",
        ),
        (
            {**OFFER, "clientAliases": [{"port": 80}, {"port": 81}]},
            "InvalidParameterException",
            "The Service Connect service back can have at most 1 client alias.",
        ),
    ],
)
async def test_what_is_refused(service: dict[str, Any], code: str, said: str) -> None:
    async with ecs_world() as world:
        with pytest.raises(AwsError) as refused:
            await offering(world, services=[service])
        assert (refused.value.code, refused.value.message) == (code, said)


async def test_names_and_namespaces_that_are_refused() -> None:
    async with ecs_world() as world:
        await offering(world)
        with pytest.raises(AwsError, match="back is in use by another Service Connect service"):
            await client(world, {"enabled": True, "services": [OFFER]})
        with pytest.raises(AwsError) as refused:
            await client(world, {"enabled": True, "namespace": "nowhere"})
        assert refused.value.code == "NamespaceNotFoundException"


async def test_a_namespace_among_many_and_a_name_that_cloud_map_has_already() -> None:
    async with ecs_world() as world:
        for number in range(101):
            await world.call("CreateHttpNamespace", "servicediscovery", Name=f"aaa-{number}")
        await world.call("CreateHttpNamespace", "servicediscovery", Name="apps")
        named = [{"Name": "NAME", "Values": ["apps"]}]
        (space,) = (await world.call("ListNamespaces", "servicediscovery", Filters=named))["Namespaces"]
        made = await world.call("CreateService", "servicediscovery", Name="back", NamespaceId=space["Id"])
        await offering(world)
        (endpoint,) = endpoints(world)
        assert (endpoint.namespace, endpoint.registry) == (space["Id"], made["Service"]["Id"])
