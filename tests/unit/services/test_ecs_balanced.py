"""Load balancers of a service: what CreateService and UpdateService check and keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import cloud
from tests.unit.services.ecs_calls import Ecs
from tests.unit.services.elbv2_calls import Balancing, forward


class Front:
    """A service's cloud with a load balancer that forwards to the group `web`."""

    def __init__(self, aws: Any) -> None:
        self.elb = Balancing(aws)
        self.ecs = Ecs(aws)
        self.ecs.register(
            containerDefinitions=[{"name": "app", "image": "nginx", "portMappings": [{"containerPort": 80}]}]
        )
        self.group = self.elb.group("web")
        self.listener = self.elb.listener(self.elb.balancer(), forward(self.group))

    def at(self, group: str, **members: Any) -> dict[str, Any]:
        return {"targetGroupArn": group, "containerName": "app", "containerPort": 80, **members}


@pytest.fixture
def front() -> Iterator[Front]:
    with cloud() as aws:
        yield Front(aws)


def refused(front: Front, *items: dict[str, Any]) -> str:
    code, text = front.ecs.error("CreateService", **front.ecs.wanted(loadBalancers=list(items)))
    assert code == "InvalidParameterException"
    return text


def test_a_service_shows_its_load_balancers_and_so_does_its_revision(front: Front) -> None:
    made = front.ecs.service(loadBalancers=[front.at(front.group)])
    assert made["loadBalancers"] == [front.at(front.group)]
    assert made["healthCheckGracePeriodSeconds"] == 0
    (listed,) = front.ecs("ListServiceDeployments", cluster="c", service="web")["serviceDeployments"]
    (revision,) = front.ecs(
        "DescribeServiceRevisions", serviceRevisionArns=[listed["targetServiceRevisionArn"]]
    )["serviceRevisions"]
    assert revision["loadBalancers"] == [front.at(front.group)]
    assert revision["resolvedConfiguration"] == {"loadBalancers": [{"targetGroupArn": front.group}]}


def test_containers_and_ports_must_be_in_the_task_definition(front: Front) -> None:
    assert refused(front, front.at(front.group, containerName="nobody")) == (
        "The container nobody does not exist in the task definition."
    )
    assert refused(front, front.at(front.group, containerPort=81)) == (
        "The container app did not have a container port 81 defined."
    )


def test_groups_that_cannot_take_fargates_tasks(front: Front) -> None:
    arn = front.group.rsplit("/", 1)[0] + "/0123456789abcdef"
    assert refused(front, front.at(arn)) == f"The target group {arn} does not exist."
    lonely = front.elb.group("lonely")
    assert refused(front, front.at(lonely)) == (
        f"The target group with targetGroupArn {lonely} does not have an associated load balancer."
    )
    instances = front.elb.group("instances", TargetType="instance")
    assert refused(front, front.at(instances)) == (
        f"The provided target group {instances} has target type instance, which is incompatible with the awsvpc "
        "network mode specified in the task definition."
    )


def test_classic_load_balancers_and_mixtures(front: Front) -> None:
    classic = {"loadBalancerName": "old", "containerName": "app", "containerPort": 80}
    assert refused(front, classic) == "Classic Load Balancers are not supported with the awsvpc network mode."
    mixed = (
        "All loadBalancers must be strictly either ELBv1 (defining loadBalancerName) or ELBv2 (defining "
        "targetGroupArn)"
    )
    assert refused(front, classic, front.at(front.group)) == mixed
    assert refused(front, front.at(front.group, loadBalancerName="old")) == mixed
    assert refused(front, {**classic, "advancedConfiguration": {"roleArn": "r"}}) == (
        "advancedConfiguration field is not allowed with ELBv1 loadBalancers"
    )


def test_a_group_once_and_five_at_most(front: Front) -> None:
    assert refused(front, front.at(front.group), front.at(front.group)) == (
        f"Duplicate targetGroupArn found: {front.group}"
    )
    assert refused(front, *([front.at(front.group)] * 6)) == "loadBalancers can have at most 5 items."


def test_a_role_of_ones_own_is_refused(front: Front) -> None:
    assert front.ecs.error("CreateService", **front.ecs.wanted(role="ecsServiceRole")) == (
        "InvalidParameterException",
        "You cannot specify an IAM role for services that require a service linked role.",
    )


def test_an_update_that_changes_load_balancers_is_a_new_deployment(front: Front) -> None:
    front.ecs.service()
    added = front.ecs("UpdateService", cluster="c", service="web", loadBalancers=[front.at(front.group)])
    assert [d["status"] for d in added["service"]["deployments"]] == ["PRIMARY", "ACTIVE"]
    same = front.ecs("UpdateService", cluster="c", service="web", loadBalancers=[front.at(front.group)])
    assert len(same["service"]["deployments"]) == 2
    removed = front.ecs("UpdateService", cluster="c", service="web", loadBalancers=[])["service"]
    assert (len(removed["deployments"]), removed["loadBalancers"]) == (3, [])


def test_a_task_definition_without_the_balanced_port_is_refused(front: Front) -> None:
    front.ecs.service(loadBalancers=[front.at(front.group)])
    front.ecs.register(containerDefinitions=[{"name": "other", "image": "nginx"}])
    assert front.ecs.error("UpdateService", cluster="c", service="web", taskDefinition="web:3") == (
        "InvalidParameterException",
        "The container app does not exist in the task definition.",
    )


# -- strategies that shift traffic -----------------------------------------------------------------------------


def advanced(front: Front, **members: Any) -> dict[str, Any]:
    """The group `web` with `green` beside it; `production` forwards to `web` only."""
    other = front.elb.group("green")
    production = front.elb.rule(front.listener, 1, Actions=[forward(front.group)])
    test = front.elb.rule(front.listener, 2, Actions=[forward(other)])
    given = {
        "alternateTargetGroupArn": other,
        "productionListenerRule": production,
        "testListenerRule": test,
        "roleArn": "arn:aws:iam::000000000000:role/shift",
        **members,
    }
    return front.at(front.group, advancedConfiguration=given)


def green(front: Front, *items: dict[str, Any], **configuration: Any) -> str:
    request = front.ecs.wanted(
        loadBalancers=list(items), deploymentConfiguration={"strategy": "BLUE_GREEN", **configuration}
    )
    code, text = front.ecs.error("CreateService", **request)
    assert code == "InvalidParameterException"
    return text


def test_blue_green_needs_an_advanced_configuration(front: Front) -> None:
    assert green(front, front.at(front.group)) == (
        "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy"
    )
    other = front.at(front.elb.group("more"))
    assert refused(front, advanced(front), other) == (
        "Either all or none of the provided loadBalancers must have advancedConfiguration defined"
    )


def test_rules_of_the_wrong_kind_or_twice(front: Front) -> None:
    item = advanced(front, productionListenerRule=front.listener)
    assert green(front, item) == (
        "productionListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: "
        f"{front.listener}"
    )
    rule = front.elb.rule(front.listener, 3, Actions=[forward(front.group)])
    item["advancedConfiguration"] |= {"productionListenerRule": rule, "testListenerRule": rule}
    assert green(front, item) == (
        f"The following rules cannot be used as both production and test listener rules: {rule}"
    )
    del item["advancedConfiguration"]["testListenerRule"]
    assert green(front, item) == (
        "For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated "
        "with both targetGroup and alternateTargetGroup"
    )


def test_the_configuration_of_each_strategy_is_its_own(front: Front) -> None:
    assert green(front, advanced(front), canaryConfiguration={"canaryPercent": 5.0}) == (
        "canaryConfiguration is only valid when the deployment strategy is CANARY."
    )
    canary = {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.05}}
    assert front.ecs.error("CreateService", **front.ecs.wanted(deploymentConfiguration=canary))[1] == (
        "canaryPercent must be a multiple of 0.1 between 0.1 and 100.0."
    )
    hook = {"targetType": "PAUSE", "lifecycleStages": ["TEST_TRAFFIC_SHIFT"]}
    hooked = {"strategy": "BLUE_GREEN", "lifecycleHooks": [hook]}
    assert front.ecs.error("CreateService", **front.ecs.wanted(deploymentConfiguration=hooked))[1] == (
        "PAUSE hooks cannot be configured at the TEST_TRAFFIC_SHIFT stage."
    )


def test_the_defaults_of_a_strategy_are_shown(front: Front) -> None:
    made = front.ecs.service(deploymentConfiguration={"strategy": "LINEAR"})
    shown = made["deploymentConfiguration"]
    assert shown["bakeTimeInMinutes"] == 15
    assert shown["linearConfiguration"] == {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}


def test_an_update_to_blue_green_checks_the_load_balancers_there_are(front: Front) -> None:
    front.ecs.service(loadBalancers=[front.at(front.group)])
    request = {"cluster": "c", "service": "web", "deploymentConfiguration": {"strategy": "BLUE_GREEN"}}
    assert front.ecs.error("UpdateService", **request)[1].startswith(
        "advancedConfiguration field is required"
    )
