"""Services scale by what their tasks use, in virtual time; the activities tell why."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from neargate.model.application_autoscaling import ScalingActivity
from neargate.model.cloudwatch import Alarm
from neargate.model.ecs import Service
from tests.scenarios.cloud import RunningCloud, running_cloud
from tests.scenarios.virtual_time import run

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
PLACE = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}


async def serve(cloud: RunningCloud, count: int = 1) -> None:
    """A service `web` of tasks with half a CPU."""
    cloud.world.add_image("app:1")
    await cloud.aws("ecs", "CreateCluster", clusterName="c")
    role = await cloud.aws("iam", "CreateRole", RoleName="exec", AssumeRolePolicyDocument=TRUST)
    subnets = (await cloud.aws("ec2", "DescribeSubnets"))["Subnets"]
    await cloud.aws(
        "ecs",
        "RegisterTaskDefinition",
        family="web",
        cpu="512",
        memory="1024",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        executionRoleArn=role["Role"]["Arn"],
        containerDefinitions=[{"name": "app", "image": "app:1"}],
    )
    network = {"subnets": [subnets[0]["SubnetId"]], "assignPublicIp": "ENABLED"}
    await cloud.aws(
        "ecs",
        "CreateService",
        cluster="c",
        serviceName="web",
        taskDefinition="web",
        desiredCount=count,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    await cloud.until(lambda: service(cloud).steady)


def service(cloud: RunningCloud) -> Service:
    (found,) = cloud.store.read(lambda view: view.scan(Service))
    return found


def load(cloud: RunningCloud, cpus: float) -> None:
    """Spread work over the tasks that run."""
    running = [each for each in cloud.world.containers.values() if each.state.status == "running"]
    for process in running:
        process.burn(cpus / len(running))


async def until_count(cloud: RunningCloud, count: int, *, within: float = 3600) -> None:
    await cloud.until(
        lambda: service(cloud).desired == count and service(cloud).steady and not unfinished(cloud),
        within=within,
    )


async def activities(cloud: RunningCloud, **members: Any) -> list[dict[str, Any]]:
    answer = await cloud.aws(
        "application-autoscaling", "DescribeScalingActivities", ServiceNamespace="ecs", **members
    )
    return list(answer["ScalingActivities"])


def unfinished(cloud: RunningCloud) -> list[ScalingActivity]:
    found = cloud.store.read(lambda view: view.scan(ScalingActivity))
    return [one for one in found if one.status == "InProgress"]


async def register(cloud: RunningCloud, minimum: int, maximum: int, **members: Any) -> None:
    await cloud.aws(
        "application-autoscaling",
        "RegisterScalableTarget",
        MinCapacity=minimum,
        MaxCapacity=maximum,
        **PLACE,
        **members,
    )


async def track(cloud: RunningCloud, name: str = "cpu", **configuration: Any) -> dict[str, Any]:
    return await cloud.aws(
        "application-autoscaling",
        "PutScalingPolicy",
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 50.0, **CPU, **configuration},
        **PLACE,
    )


def alarm(cloud: RunningCloud, side: str) -> Alarm:
    alarms = cloud.store.read(lambda view: view.scan(Alarm))
    return next(each for each in alarms if side in each.name)


def test_what_tasks_use_is_measured_each_minute() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud, 2)
            busy, idle = [each for each in cloud.world.containers.values() if each.state.status == "running"]
            await asyncio.sleep(60 - cloud.clock.now() % 60)
            busy.burn(0.5)
            busy.allocate(256)
            await asyncio.sleep(180)
            dimensions = [{"Name": "ClusterName", "Value": "c"}, {"Name": "ServiceName", "Value": "web"}]
            for name, expected in (
                ("CPUUtilization", (50.0, 0.0, 100.0)),
                ("MemoryUtilization", (12.5, 0.0, 25.0)),
            ):
                answer = await cloud.aws(
                    "cloudwatch",
                    "GetMetricStatistics",
                    Namespace="AWS/ECS",
                    MetricName=name,
                    Dimensions=dimensions,
                    StartTime=cloud.clock.now() - 120,
                    EndTime=cloud.clock.now() - 60,
                    Period=60,
                    Statistics=["Average", "Minimum", "Maximum", "SampleCount"],
                )
                (point,) = answer["Datapoints"]
                found = tuple(round(point[each], 6) for each in ("Average", "Minimum", "Maximum"))
                assert (found, point["Unit"], point["SampleCount"]) == (expected, "Percent", 6.0)
            assert idle.usage().cpu_ns == 0

    run(story())


def test_a_service_scales_out_after_three_minutes_and_back_in() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud)
            await register(cloud, 1, 4)
            policy = await track(cloud, ScaleOutCooldown=60, ScaleInCooldown=60)
            names = [one["AlarmName"] for one in policy["Alarms"]]
            assert [name.rsplit("-", 5)[0] for name in names] == [
                "TargetTracking-service/c/web-AlarmHigh",
                "TargetTracking-service/c/web-AlarmLow",
            ]
            await asyncio.sleep(120 - cloud.clock.now() % 60)
            begin = cloud.clock.now()
            load(cloud, 0.5)
            await cloud.until(lambda: service(cloud).desired == 2, within=600)
            assert 180 <= cloud.clock.now() - begin < 185
            assert alarm(cloud, "AlarmHigh").reason.startswith("Threshold Crossed: 3 datapoints [100.0 (")
            await until_count(cloud, 2)
            load(cloud, 0.3)
            (activity,) = await activities(cloud)
            assert activity["StatusMessage"] == (
                "Successfully set desired count to 2. Change successfully fulfilled by ecs."
            )
            assert activity["Description"] == "Setting desired count to 2."
            assert activity["Cause"] == (f"monitor alarm {names[0]} in state ALARM triggered policy cpu")
            assert activity["StatusCode"] == "Successful"

            begin = cloud.clock.now()
            load(cloud, 0.1)
            await until_count(cloud, 1)
            assert 14 * 60 < cloud.clock.now() - begin < 17 * 60
            newest = (await activities(cloud))[0]
            assert newest["Cause"] == f"monitor alarm {names[1]} in state ALARM triggered policy cpu"
            await asyncio.sleep(300)
            assert service(cloud).desired == 1
            told = await activities(cloud, IncludeNotScaledActivities=True)
            assert [one["Cause"] for one in told if one.get("NotScaledReasons")] == []

    run(story())


def test_the_largest_capacity_wins_and_the_maximum_holds() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud)
            await register(cloud, 1, 3)
            await track(cloud, TargetValue=10.0)
            steps = {
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
            }
            step = await cloud.aws(
                "application-autoscaling",
                "PutScalingPolicy",
                PolicyName="step",
                PolicyType="StepScaling",
                StepScalingPolicyConfiguration=steps,
                **PLACE,
            )
            high = dict(alarm(cloud, "AlarmHigh").settings)
            await cloud.aws(
                "cloudwatch", "PutMetricAlarm", AlarmName="mine", AlarmActions=[step["PolicyARN"]], **high
            )
            load(cloud, 0.5)
            await until_count(cloud, 3)
            load(cloud, 1.5)
            await asyncio.sleep(600)
            told = await activities(cloud, IncludeNotScaledActivities=True)
            vain = [one for one in told if one.get("NotScaledReasons")]
            assert vain
            assert {json.dumps(one["NotScaledReasons"]) for one in vain} == {
                '[{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 3}]'
            }
            assert len(vain) < 4
            assert service(cloud).desired == 3

    run(story())


def test_a_band_moves_the_count_and_so_does_a_schedule() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud)
            await register(cloud, 2, 4)
            await until_count(cloud, 2)
            assert (await activities(cloud))[0]["Cause"] == "minimum capacity was set to 2"
            await cloud.aws(
                "application-autoscaling",
                "PutScheduledAction",
                ScheduledActionName="evening",
                Schedule="cron(30 18 * * ? *)",
                Timezone="Europe/Berlin",
                ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 0},
                **PLACE,
            )
            await until_count(cloud, 0, within=86_400)
            assert cloud.clock.now() % 86_400 // 60 == 17 * 60 + 30
            newest = await activities(cloud)
            assert sorted((one["Description"], one["Cause"], one["StatusMessage"]) for one in newest[:2]) == [
                (
                    "Setting desired count to 0.",
                    "minimum capacity was set to 0",
                    "Successfully set desired count to 0. Change successfully fulfilled by ecs.",
                ),
                (
                    "Setting min capacity to 0 and max capacity to 0",
                    "scheduled action name evening was triggered",
                    "Successfully set min capacity to 0 and max capacity to 0",
                ),
            ]

    run(story())


def test_suspended_scaling_does_nothing() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud)
            await register(cloud, 1, 4, SuspendedState={"DynamicScalingOutSuspended": True})
            await track(cloud)
            load(cloud, 0.5)
            await cloud.until(lambda: alarm(cloud, "AlarmHigh").state == "ALARM", within=600)
            await asyncio.sleep(300)
            assert service(cloud).desired == 1
            await register(cloud, 1, 4, SuspendedState={"DynamicScalingOutSuspended": False})
            await cloud.until(lambda: service(cloud).desired == 2, within=120)

    run(story())


def test_a_kill_in_the_middle_scales_once() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await serve(cloud)
            await register(cloud, 1, 4)
            await track(cloud)
            load(cloud, 0.5)
            await cloud.until(lambda: service(cloud).desired == 2, within=600)
            await cloud.kill()
            await cloud.start()
            await until_count(cloud, 2)
            assert len(await activities(cloud)) == 1

    run(story())
