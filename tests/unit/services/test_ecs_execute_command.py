"""What ExecuteCommand and the calls around it refuse, in AWS's words; and what DescribeTasks shows of the agent."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world
from tests.unit.gateway.exec_world import CHANNELS, ROLE, ExecWorld, exec_world

pytestmark = pytest.mark.anyio

NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn’t running. Wait and try again or run a new task with execute command enabled and try again."
)
NOT_CONNECTED = "The execute command failed due to an internal error. Try again later."


async def refusal(world: EcsWorld, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refused:
        await world.call(operation, **request)
    return refused.value.code, refused.value.message


async def no(world: ExecWorld, **members: Any) -> tuple[str, str]:
    request = {"cluster": "c", "task": world.arn, "command": "/bin/sh", "interactive": True, **members}
    return await refusal(world.ecs, "ExecuteCommand", **request)


async def test_a_session() -> None:
    async with exec_world() as world:
        request = {"cluster": "c", "task": world.arn, "command": "cat", "interactive": True}
        answer = await world.ecs.call("ExecuteCommand", **request)
        assert answer["taskArn"] == world.arn
        assert answer["containerName"] == "app"
        assert answer["clusterArn"].endswith(":cluster/c")
        assert answer["containerArn"].startswith(world.arn.replace(":task/", ":container/"))
        session = answer["session"]
        assert session["sessionId"].startswith("ecs-execute-command-")
        assert session["streamUrl"] == (
            f"ws://127.0.0.1:4566/v1/data-channel/{session['sessionId']}?role=publish_subscribe"
        )
        (shown,) = (await world.ecs.task(world.arn))["containers"]
        (agent,) = shown["managedAgents"]
        assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
        target = f"ecs:c_{world.arn.rsplit('/', 1)[-1]}_{shown['runtimeId']}"
        direct = await world.ecs.call("StartSession", "ssm", Target=target)
        assert set(direct) == {"SessionId", "TokenValue", "StreamUrl"}


async def test_refusals() -> None:
    async with exec_world() as world:
        assert await no(world, interactive=False) == (
            "InvalidParameterException",
            "Interactive is the only mode supported currently.",
        )
        assert await no(world, task="abc") == (
            "InvalidParameterException",
            "task length should be one of [32,36]",
        )
        assert await no(world, task="0" * 32) == (
            "InvalidParameterException",
            "The referenced task was not found.",
        )
        assert await no(world, cluster="none") == ("ClusterNotFoundException", "Cluster not found.")
        assert await no(world, container="web") == (
            "InvalidParameterException",
            "The container web does not exist in the task. Its containers: app.",
        )
        assert await no(world, command=" ") == ("InvalidParameterException", "Command cannot be empty.")
        with pytest.raises(AwsError, match=r"i-0123456789 is not connected\."):
            await world.ecs.call("StartSession", "ssm", Target="i-0123456789")


async def test_two_sessions_at_once() -> None:
    async with exec_world() as world:
        await world.begin()
        await world.begin()
        assert await no(world) == (
            "ClientException",
            "Unable to start new execute sessions because the maximum session limit of 2 has been reached.",
        )


async def test_a_task_that_was_not_run_for_it_or_stops() -> None:
    async with exec_world() as world:
        plain = await world.ecs.run_task("web")
        await world.ecs.until_status(plain, "RUNNING")
        assert await no(world, task=plain) == ("InvalidParameterException", NOT_ENABLED)
        assert "managedAgents" not in (await world.ecs.task(plain))["containers"][0]
        await world.ecs.call("StopTask", cluster="c", task=world.arn)
        assert await no(world) == ("InvalidParameterException", NOT_ENABLED)
        stopped = await world.ecs.until_status(world.arn, "STOPPED")
        assert stopped["containers"][0]["managedAgents"] == [
            {"name": "ExecuteCommandAgent", "lastStatus": "STOPPED"}
        ]


async def test_a_task_role_that_may_not_open_the_channels() -> None:
    three = {**CHANNELS, "Action": ["ssmmessages:Create*", "ssmmessages:OpenControlChannel"]}
    async with exec_world(three) as world:
        assert await no(world) == ("TargetNotConnectedException", NOT_CONNECTED)


async def test_a_container_whose_files_cannot_be_written() -> None:
    async with exec_world(readonlyRootFilesystem=True) as world:
        assert await no(world) == ("TargetNotConnectedException", NOT_CONNECTED)


async def test_a_subnet_without_a_way_to_session_manager() -> None:
    async with exec_world() as world:
        call = world.ecs.call
        (table, *_) = (await call("DescribeRouteTables", "ec2"))["RouteTables"]
        way_out = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
        await call("DeleteRoute", "ec2", **way_out)
        assert await no(world) == ("TargetNotConnectedException", NOT_CONNECTED)
        (group, *_) = (await call("DescribeSecurityGroups", "ec2"))["SecurityGroups"]
        await call(
            "CreateVpcEndpoint",
            "ec2",
            VpcId=table["VpcId"],
            VpcEndpointType="Interface",
            ServiceName="com.amazonaws.us-east-1.ssmmessages",
            SubnetIds=world.ecs.subnets[:1],
            SecurityGroupIds=[group["GroupId"]],
            PrivateDnsEnabled=True,
        )
        assert (await world.begin())["sessionId"].startswith("ecs-execute-command-")


async def test_several_containers_want_a_name() -> None:
    async with exec_world() as world:
        two = await world.ecs.register(container("a"), container("b"), taskRoleArn=ROLE)
        arn = await world.ecs.run_task(two, enableExecuteCommand=True)
        await world.ecs.until_status(arn, "RUNNING")
        assert await no(world, task=arn) == (
            "InvalidParameterException",
            "A container name is required for a task with several containers: a, b.",
        )
        chosen = await world.ecs.call(
            "ExecuteCommand", cluster="c", task=arn, container="b", command="cat", interactive=True
        )
        assert chosen["containerName"] == "b"


async def test_exec_wants_a_task_role() -> None:
    async with ecs_world() as world:
        definition = await world.register()
        wanted = {"cluster": "c", "taskDefinition": definition, "launchType": "FARGATE"}
        place = {"networkConfiguration": world.network, "enableExecuteCommand": True}
        assert await refusal(world, "RunTask", **wanted, **place) == (
            "InvalidParameterException",
            "The execute command failed because a valid task role is not being used. Specify a valid task role in "
            "your task definition or as a task override and try again.",
        )
        assert await refusal(world, "CreateService", serviceName="s", desiredCount=0, **wanted, **place) == (
            "InvalidParameterException",
            "The service couldn't be created because a valid taskRoleArn is not being used. Specify a valid task "
            "role in your task definition and try again.",
        )
        await world.create_service(definition, desiredCount=0)
        assert await refusal(
            world, "UpdateService", cluster="c", service="web", enableExecuteCommand=True
        ) == (
            "InvalidParameterException",
            "The service couldn't be updated because a valid taskRoleArn is not being used. Specify a valid task "
            "role in your task definition and try again.",
        )
