"""Task protection through the API, and lists of services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.ecs import Service, Task
from tests.unit.services.cloud import cloud
from tests.unit.services.ecs_calls import Ecs

NOW = 1767225600.0


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    with cloud() as aws:
        yield Ecs(aws)


def adopt(ecs: Ecs) -> str:
    """A task that belongs to the service `web`; its ARN."""
    ecs.service()
    (made,) = ecs.run()

    def belong(tx: Any) -> None:
        (task,) = tx.scan(Task)
        tx.put(attrs.evolve(task, service="web"))

    ecs.aws.write(belong)
    return str(made["taskArn"])


def protect(ecs: Ecs, arn: str, **members: Any) -> dict[str, Any]:
    return ecs("UpdateTaskProtection", cluster="c", tasks=[arn], protectionEnabled=True, **members)


def test_protection_lasts_two_hours_or_as_long_as_was_asked_for(ecs: Ecs) -> None:
    arn = adopt(ecs)
    shown = {"taskArn": arn, "protectionEnabled": True, "expirationDate": NOW + 7200}
    assert protect(ecs, arn) == {"protectedTasks": [shown], "failures": []}
    assert protect(ecs, arn, expiresInMinutes=5)["protectedTasks"][0]["expirationDate"] == NOW + 300
    task_id = arn.rsplit("/", 1)[-1]
    assert ecs("GetTaskProtection", cluster="c", tasks=[task_id])["protectedTasks"][0]["protectionEnabled"]
    ecs.aws.clock.advance(300)
    assert ecs("GetTaskProtection", cluster="c", tasks=[arn]) == {
        "protectedTasks": [{"taskArn": arn, "protectionEnabled": False}],
        "failures": [],
    }


def test_protection_is_taken_away(ecs: Ecs) -> None:
    arn = adopt(ecs)
    protect(ecs, arn)
    answer = ecs("UpdateTaskProtection", cluster="c", tasks=[arn], protectionEnabled=False)
    assert answer["protectedTasks"] == [{"taskArn": arn, "protectionEnabled": False}]


def test_tasks_that_cannot_be_protected(ecs: Ecs) -> None:
    (alone,) = ecs.run()
    gone = "arn:aws:ecs:us-east-1:000000000000:task/c/gone"
    answer = ecs(
        "UpdateTaskProtection", cluster="c", tasks=[alone["taskArn"], "gone"], protectionEnabled=True
    )
    assert answer["failures"] == [
        {"arn": alone["taskArn"], "reason": "TASK_NOT_VALID"},
        {"arn": gone, "reason": "MISSING"},
    ]


def test_while_protected_tasks_hold_a_deployment_up_no_more_are_protected(ecs: Ecs) -> None:
    arn = adopt(ecs)

    def hold(tx: Any) -> None:
        (service,) = tx.scan(Service)
        tx.put(attrs.evolve(service, held=1))

    ecs.aws.write(hold)
    assert protect(ecs, arn) == {
        "protectedTasks": [],
        "failures": [{"arn": arn, "reason": "DEPLOYMENT_BLOCKED"}],
    }


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"tasks": []}, "Tasks cannot be empty."),
        ({"tasks": ["x"] * 11}, "Tasks cannot have more than 10 elements."),
        ({"expiresInMinutes": 2881}, "expiresInMinutes must be between 1 and 2880."),
    ],
)
def test_what_is_refused(ecs: Ecs, members: dict[str, Any], text: str) -> None:
    request = {"cluster": "c", "tasks": ["x"], "protectionEnabled": True, **members}
    assert ecs.error("UpdateTaskProtection", **request) == ("InvalidParameterException", text)


def test_services_are_listed_by_pages_and_what_drains_is_not(ecs: Ecs) -> None:
    for number in range(12):
        ecs.service(serviceName=f"s{number:02d}", desiredCount=0)
    ecs("DeleteService", cluster="c", service="s00")
    first = ecs("ListServices", cluster="c")
    assert len(first["serviceArns"]) == 10
    rest = ecs("ListServices", cluster="c", nextToken=first["nextToken"])
    assert [arn.rsplit("/", 1)[-1] for arn in rest["serviceArns"]] == ["s11"]
    assert ecs("ListServices", cluster="c", schedulingStrategy="DAEMON")["serviceArns"] == []
    assert ecs("ListServices", cluster="c", launchType="EC2")["serviceArns"] == []
    assert ecs("ListServices", cluster="c", resourceManagementType="ECS")["serviceArns"] == []


def test_services_of_a_namespace_in_all_clusters(ecs: Ecs) -> None:
    ecs("CreateCluster", clusterName="two", serviceConnectDefaults={"namespace": "shop"})
    ecs.service(serviceName="alone")
    made = ecs.service(cluster="two", serviceName="web", serviceConnectConfiguration={"enabled": True})
    assert ecs("ListServicesByNamespace", namespace="shop")["serviceArns"] == [made["serviceArn"]]
    assert ecs.error("ListServicesByNamespace", namespace="nowhere") == (
        "NamespaceNotFoundException",
        "The specified namespace wasn't found.",
    )
