"""Load balancers before a service, with a data plane that does what the test says: nothing, or everything well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from neargate.model.elbv2 import HEALTHY, Target
from tests.simulation.region import Region
from tests.unit.drivers.ecs_world import EcsWorld

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}


class Front:
    """A load balancer whose data plane does what the test says: nothing by itself, or everything well."""

    def __init__(self, world: EcsWorld | Region, subnets: Sequence[str]) -> None:
        self.world = world
        self.subnets = list(subnets)
        self.groups: list[str] = []
        self.heals = True

    async def build(self, count: int = 1) -> None:
        call = self.world.call
        vpc = (await call("DescribeVpcs", "ec2"))["Vpcs"][0]["VpcId"]
        made = await call("CreateLoadBalancer", "elbv2", Name="front", Subnets=self.subnets)
        for number in range(count):
            group = await call(
                "CreateTargetGroup",
                "elbv2",
                Name=f"web{number}",
                Protocol="HTTP",
                Port=80,
                VpcId=vpc,
                TargetType="ip",
            )
            arn = group["TargetGroups"][0]["TargetGroupArn"]
            await call(
                "CreateListener",
                "elbv2",
                LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"],
                Protocol="HTTP",
                Port=80 + number,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
            )
            self.groups.append(arn)

    @property
    def load_balancers(self) -> list[dict[str, Any]]:
        return [{"targetGroupArn": arn, "containerName": "app", "containerPort": 3000} for arn in self.groups]

    def targets(self) -> list[Target]:
        return self.world.store.read(lambda view: view.scan(Target))

    async def move(self, target: Target, state: tuple[str, str, str] | None) -> None:
        def write(tx: Any) -> None:
            if state is None:
                tx.delete(Target, target.key)
            else:
                tx.put(tx.get(Target, target.key).entered(state, self.world.clock.now()))

        await self.world.store.write(write)

    async def carry(self) -> None:
        """Find every new target healthy and every leaving one drained, for as long as the test runs."""
        changed = asyncio.Event()
        unsubscribe = self.world.store.subscribe(frozenset({Target.KIND}), lambda kind, key: changed.set())
        try:
            while True:
                for target in self.targets():
                    if target.state == "initial" and self.heals:
                        await self.move(target, HEALTHY)
                    elif target.state == "draining":
                        await self.move(target, None)
                await changed.wait()
                changed.clear()
        finally:
            unsubscribe()


class Stage(Front):
    """A load balancer with the groups `web0` and `web1`, a production rule and a test rule."""

    rules: dict[str, str]
    role: str

    async def build(self, count: int = 2) -> None:
        call = self.world.call
        vpc = (await call("DescribeVpcs", "ec2"))["Vpcs"][0]["VpcId"]
        made = await call("CreateLoadBalancer", "elbv2", Name="front", Subnets=self.subnets)
        for number in range(count):
            group = await call(
                "CreateTargetGroup",
                "elbv2",
                Name=f"web{number}",
                Protocol="HTTP",
                Port=80,
                VpcId=vpc,
                TargetType="ip",
            )
            self.groups.append(group["TargetGroups"][0]["TargetGroupArn"])
        listener = await call(
            "CreateListener",
            "elbv2",
            LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )
        self.rules = {}
        for priority, (name, group) in enumerate(
            {"production": self.groups[0], "test": self.groups[1]}.items()
        ):
            rule = await call(
                "CreateRule",
                "elbv2",
                ListenerArn=listener["Listeners"][0]["ListenerArn"],
                Priority=priority + 1,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/{name}*"]}}],
                Actions=[{"Type": "forward", "TargetGroupArn": group}],
            )
            self.rules[name] = rule["Rules"][0]["RuleArn"]
        document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        made = await call("CreateRole", "iam", RoleName="shift", AssumeRolePolicyDocument=document)
        self.role = made["Role"]["Arn"]

    @property
    def load_balancers(self) -> list[dict[str, Any]]:
        advanced = {
            "alternateTargetGroupArn": self.groups[1],
            "productionListenerRule": self.rules["production"],
            "testListenerRule": self.rules["test"],
            "roleArn": self.role,
        }
        return [
            {
                "targetGroupArn": self.groups[0],
                "containerName": "app",
                "containerPort": 3000,
                "advancedConfiguration": advanced,
            }
        ]

    async def weights(self, rule: str) -> dict[str, int]:
        answer = await self.world.call("DescribeRules", "elbv2", RuleArns=[self.rules[rule]])
        (action,) = answer["Rules"][0]["Actions"]
        groups = action["ForwardConfig"]["TargetGroups"]
        return {f"web{self.groups.index(one['TargetGroupArn'])}": one["Weight"] for one in groups}
