"""169.254.170.2: the credentials of the task that asks, and of no other."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from neargate.gateway.front import AsgiScope, Receive, Send
from neargate.gateway.link_local import LINK_LOCAL
from neargate.gateway.task_side import LIFETIME, RENEW_BEFORE, TaskSide, no_agent
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud

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


@attrs.frozen
class Somebody:
    """A task as its listener knows it."""

    role_arn: str | None = f"arn:aws:iam::{ACCOUNT}:role/task"
    credentials_id: str = "one"
    account: str = ACCOUNT
    region: str = REGION
    session_name: str = "0123456789abcdef"
    service: str = "ecs-tasks.amazonaws.com"


async def elsewhere(scope: AsgiScope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        cloud = Cloud(Path(directory))
        cloud.call("iam", "CreateRole", RoleName="task", AssumeRolePolicyDocument=TRUST)
        yield cloud
        cloud.store.close()


@pytest.fixture
def side(aws: Cloud) -> TaskSide:
    async def agent(identity: Any, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if not isinstance(identity, Somebody):
            return await no_agent(identity, method, path, body)
        return 207, {"asked": f"{method} {path} {body.decode()}"}

    return TaskSide(elsewhere, aws.dispatcher, aws.clock, agent)


def get(side: TaskSide, path: str, identity: Somebody | None = None) -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"body"}

    state = {LINK_LOCAL: identity} if identity is not None else {}
    asyncio.run(side({"type": "http", "path": path, "method": "GET", "state": state}, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_the_task_gets_its_roles_credentials(aws: Cloud, side: TaskSide) -> None:
    status, given = get(side, "/v2/credentials/one", Somebody())
    assert status == 200
    assert given["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/task"
    assert given["AccessKeyId"].startswith("ASIA")
    assert given["Expiration"] == "2026-01-01T06:00:00Z"
    assert set(given) == {"RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


def test_they_stay_the_same_until_they_are_old(aws: Cloud, side: TaskSide) -> None:
    _, first = get(side, "/v2/credentials/one", Somebody())
    aws.clock.advance(LIFETIME - RENEW_BEFORE - 1)
    assert get(side, "/v2/credentials/one", Somebody())[1] == first
    aws.clock.advance(2)
    renewed = get(side, "/v2/credentials/one", Somebody())[1]
    assert renewed["AccessKeyId"] != first["AccessKeyId"]


def test_another_tasks_id_opens_nothing(side: TaskSide) -> None:
    status, said = get(side, "/v2/credentials/two", Somebody())
    assert (status, said["code"]) == (400, "InvalidIdInRequest")
    assert said["message"] == "CredentialsV2Request: Credentials not found"


def test_no_id(side: TaskSide) -> None:
    status, said = get(side, "/v2/credentials/", Somebody())
    assert (status, said["code"]) == (400, "NoIdInRequest")


def test_a_task_without_a_role(side: TaskSide) -> None:
    assert get(side, "/v2/credentials/one", Somebody(role_arn=None))[0] == 400


def test_a_role_that_is_gone(aws: Cloud, side: TaskSide) -> None:
    aws.call("iam", "DeleteRole", RoleName="task")
    status, said = get(side, "/v2/credentials/one", Somebody())
    assert status == 500
    assert said["code"] == "InternalServerError"
    assert "task" in said["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v4/one/task",
        "/v3/one/stats",
        "/v2/metadata",
        "/v2/stats/one",
        "/api/0123456789abcdef0123456789abcdef-0123456789/task-protection/v1/state",
    ],
)
def test_what_the_agent_answers(side: TaskSide, path: str) -> None:
    assert get(side, path, Somebody()) == (207, {"asked": f"GET {path} body"})


def test_where_there_are_no_tasks_nothing_is_there(aws: Cloud) -> None:
    side = TaskSide(elsewhere, aws.dispatcher, aws.clock, no_agent)
    assert get(side, "/v4/one", Somebody()) == (404, "404 page not found")


@pytest.mark.parametrize("path", ["/", "/v2/", "/thing", "/v2/metadatas", "/api/x"])
def test_anything_else_is_the_aws_api(side: TaskSide, path: str) -> None:
    assert get(side, path, Somebody())[0] == 299


def test_outside_of_a_task_there_are_no_credentials(side: TaskSide) -> None:
    """`/v2/` is the image registry's for everybody else."""
    assert get(side, "/v2/credentials/one")[0] == 299
