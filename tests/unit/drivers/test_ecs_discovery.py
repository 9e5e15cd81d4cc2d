"""Services in Cloud Map: tasks that come, go, fall ill, and what DNS says of them."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.drivers.ecs.names import TaskNames
from neargate.drivers.ecs.network import identity
from neargate.model.errors import AwsError
from neargate.model.servicediscovery import DiscoveryInstance
from neargate.runtimes.memory import Process, serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]


async def registry(world: EcsWorld, *types: str, **more: Any) -> str:
    """A Cloud Map service `web.corp.local` with records of these types; its ARN."""
    (vpc,) = (await world.call("DescribeVpcs", "ec2"))["Vpcs"]
    await world.call("CreatePrivateDnsNamespace", "servicediscovery", Name="corp.local", Vpc=vpc["VpcId"])
    (space,) = (await world.call("ListNamespaces", "servicediscovery"))["Namespaces"]
    dns = {"DnsRecords": [{"Type": type, "TTL": 10} for type in types]}
    made = await world.call(
        "CreateService", "servicediscovery", Name="web", NamespaceId=space["Id"], DnsConfig=dns, **more
    )
    return str(made["Service"]["Arn"])


def instances(world: EcsWorld) -> dict[str, DiscoveryInstance]:
    return {one.id: one for one in world.store.read(lambda view: view.scan(DiscoveryInstance))}


async def serving(world: EcsWorld, arn: str, desired: int = 2, **more: Any) -> str:
    """A steady service in the registry; its task definition."""
    world.containers.default = serves(3000)
    definition = await world.register(container(portMappings=PORT))
    await world.create_service(
        definition, desiredCount=desired, serviceRegistries=[{"registryArn": arn, **more}]
    )
    await world.until_steady()
    return definition


async def test_running_tasks_are_found_and_stopping_ones_are_not() -> None:
    async with ecs_world() as world:
        arn = await registry(world, "A", HealthCheckCustomConfig={"FailureThreshold": 1})
        wrong: list[str] = []

        def check(kind: str, key: str) -> None:
            known = instances(world)
            for task in world.tasks():
                if task.status == "RUNNING" and task.desired_status == "RUNNING" and task.id not in known:
                    wrong.append(f"{task.id} runs unknown")
                if task.status in ("STOPPING", "DEPROVISIONING", "STOPPED") and task.id in known:
                    wrong.append(f"{task.id} is {task.status} and known")

        unsubscribe = world.store.subscribe(frozenset({"ecs.task", DiscoveryInstance.KIND}), check)
        await serving(world, arn)
        first, second = world.tasks()
        assert instances(world)[first.id].attributes == {
            "AVAILABILITY_ZONE": first.zone,
            "AWS_INIT_HEALTH_STATUS": "HEALTHY",
            "AWS_INSTANCE_IPV4": first.attachment.ip,
            "ECS_CLUSTER_NAME": "c",
            "ECS_SERVICE_NAME": "web",
            "ECS_TASK_DEFINITION_FAMILY": "web",
            "REGION": "us-east-1",
        }
        found = TaskNames(world.store)(identity(first), "web.corp.local", "A")
        assert found is not None
        assert sorted(found.values) == sorted([first.attachment.ip, second.attachment.ip])
        await world.call("UpdateService", cluster="c", service="web", forceNewDeployment=True)
        await world.until_steady()
        assert instances(world).keys() == {t.id for t in world.tasks() if t.status == "RUNNING"}
        await world.call("DeleteService", cluster="c", service="web", force=True)
        await world.until(lambda: all(task.status == "STOPPED" for task in world.tasks()))
        unsubscribe()
        assert instances(world) == {}
        assert wrong == []


async def test_a_load_balancers_name_leads_to_its_addresses() -> None:
    async with ecs_world() as world:
        subnets = (await world.call("DescribeSubnets", "ec2"))["Subnets"]
        zones = [subnet["SubnetId"] for subnet in subnets[:2]]
        made = await world.call("CreateLoadBalancer", "elbv2", Name="Front", Subnets=zones)
        name = made["LoadBalancers"][0]["DNSName"]
        world.containers.default = serves(3000)
        await world.create_service(await world.register(container(portMappings=PORT)))
        await world.until_steady()
        (task,) = world.tasks()
        found = TaskNames(world.store)(identity(task), name.lower(), "A")
        shown = (await world.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"]
        of_it = {one["PrivateIpAddress"] for one in shown if one["Description"].startswith("ELB app/Front/")}
        assert found is not None
        assert set(found.values) == of_it
        assert len(of_it) == 2
        gone = TaskNames(world.store)(identity(task), f"x{name.lower()}", "A")
        assert gone is not None
        assert not gone.exists


async def test_the_port_goes_into_srv_records() -> None:
    async with ecs_world() as world:
        arn = await registry(world, "A", "SRV")
        await serving(world, arn, desired=1, containerName="app", containerPort=3000)
        (task,) = world.tasks()
        names = TaskNames(world.store)
        found = names(identity(task), "web.corp.local", "SRV")
        assert found is not None
        assert found.values == (f"1 1 3000 {task.id}.web.corp.local.",)
        shown = await world.service()
        assert shown["serviceRegistries"] == [
            {"registryArn": arn, "containerName": "app", "containerPort": 3000}
        ]


async def test_container_health_decides_what_is_found() -> None:
    answers = {"code": 1}

    async def check(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
        return answers["code"], ""

    async with ecs_world() as world:
        arn = await registry(world, "A", HealthCheckCustomConfig={"FailureThreshold": 1})
        world.containers.commands["/bin/sh"] = check
        world.containers.default = serves(3000)
        health = {"command": ["CMD-SHELL", "true"], "interval": 5, "retries": 10}
        definition = await world.register(container(healthCheck=health))
        await world.create_service(definition, serviceRegistries=[{"registryArn": arn}])
        (one,) = await world.until(lambda: list(instances(world).values()))
        assert not one.healthy
        answers["code"] = 0
        await world.until(lambda: all(each.healthy for each in instances(world).values()))


async def test_a_task_that_dies_is_forgotten() -> None:
    async with ecs_world() as world:
        await serving(world, await registry(world, "A"), desired=1)
        (first,) = world.tasks()
        next(iter(world.containers.containers.values())).signal("SIGKILL")
        await world.until(lambda: instances(world).keys() == {t.id for t in world.tasks()} - {first.id})
        await world.until_steady()


async def test_a_registry_that_is_gone_keeps_no_task_from_stopping() -> None:
    async with ecs_world() as world:
        arn = await registry(world, "A")
        await serving(world, arn, desired=1)
        id = arn.rpartition("/")[2]
        (task,) = world.tasks()
        await world.call("DeregisterInstance", "servicediscovery", ServiceId=id, InstanceId=task.id)
        await world.call("DeleteService", "servicediscovery", Id=id)
        await world.call("UpdateService", cluster="c", service="web", forceNewDeployment=True)
        told = await world.until(lambda: _complaint(world))
        assert told == (
            f"(service web) failed to register a task in (service-registry {arn}) with (error Service not found. "
            f"Service ID: {arn})"
        )
        await world.call("UpdateService", cluster="c", service="web", serviceRegistries=[])
        await world.until_steady()
        assert [t.id for t in world.tasks() if t.status == "RUNNING"] != [task.id]


def _complaint(world: EcsWorld) -> str:
    from neargate.model.ecs import SERVICE_EVENTS

    entries = world.store.read(lambda view: view.entries(SERVICE_EVENTS))
    return next((e.body["message"] for e in entries if "failed to register" in e.body["message"]), "")


@pytest.mark.parametrize(
    ("types", "given", "said"),
    [
        (
            ("A",),
            {"containerName": "app", "containerPort": 3000},
            "The values specified for serviceRegistries do not require a value for 'containerPort'. "
            "Remove the value and retry.",
        ),
        (
            ("A",),
            {"port": 80, "containerName": "app"},
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination, but not both. "
            "Remove one and retry.",
        ),
        (
            ("SRV",),
            {},
            "The values specified for serviceRegistries require a value for 'containerName' and 'containerPort'. "
            "Add the values and retry.",
        ),
        (
            ("SRV",),
            {"containerName": "other", "containerPort": 3000},
            "The container other does not exist in the task definition.",
        ),
        (
            ("SRV",),
            {"containerName": "app", "containerPort": 1},
            "The container app did not have a container port 1 defined.",
        ),
    ],
)
async def test_registries_that_ecs_refuses(types: tuple[str, ...], given: dict[str, Any], said: str) -> None:
    async with ecs_world() as world:
        arn = await registry(world, *types)
        with pytest.raises(AwsError) as refused:
            await serving(world, arn, **given)
        assert (refused.value.code, refused.value.message) == ("InvalidParameterException", said)
        with pytest.raises(AwsError, match="does not exist"):
            await serving(world, arn.rpartition("-")[0] + "-0000000000000000")
