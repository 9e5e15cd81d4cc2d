"""Variables from Parameter Store, Secrets Manager and files in S3, and what a task says that may not read them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from neargate.drivers.ecs.task_environment import SecretName, parse_environment_file, parse_secret
from neargate.model.errors import AwsError
from neargate.runtimes.memory import Process
from tests.unit.drivers.ecs_world import ACCOUNT, REGION, EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:db-AbCdEf"


@pytest.mark.parametrize(
    ("value_from", "meant"),
    [
        ("/app/token", SecretName("ssm", f"{SSM}/app/token", REGION)),
        ("token", SecretName("ssm", f"{SSM}/token", REGION)),
        (
            "arn:aws:ssm:eu-west-1:1:parameter/x",
            SecretName("ssm", "arn:aws:ssm:eu-west-1:1:parameter/x", "eu-west-1"),
        ),
        (SECRET, SecretName("secretsmanager", SECRET, REGION)),
        (f"{SECRET}:password::", SecretName("secretsmanager", SECRET, REGION, "password")),
        (f"{SECRET}::AWSPREVIOUS:", SecretName("secretsmanager", SECRET, REGION, "", "AWSPREVIOUS")),
        (f"{SECRET}:k::v1", SecretName("secretsmanager", SECRET, REGION, "k", "", "v1")),
    ],
)
def test_what_a_secret_names(value_from: str, meant: SecretName) -> None:
    assert parse_secret(value_from, ACCOUNT, REGION) == meant


def test_an_environment_file_is_lines_of_pairs() -> None:
    text = '# comment\n\nA=1\nB=x=y\nQUOTED="as it is"\nnot a pair\nA=2\nEMPTY=\n'
    assert parse_environment_file(text) == {"A": "1", "B": "x=y", "QUOTED": '"as it is"', "EMPTY": ""}


async def secret(world: EcsWorld, text: str) -> str:
    """The ARN of a new secret."""
    made = await world.call(
        "CreateSecret", "secretsmanager", Name="db", SecretString=text, ClientRequestToken=str(uuid4())
    )
    return str(made["ARN"])


async def grant(world: EcsWorld, *actions: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await world.call("PutRolePolicy", "iam", RoleName="exec", PolicyName="more", PolicyDocument=document)


async def run(world: EcsWorld, **members: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The stopped task, and the environment that its container saw."""
    seen: dict[str, str] = {}

    async def program(process: Process) -> int:
        seen.update(process.spec.environment)
        return 0

    world.containers.default = program
    arn = await world.run_task(await world.register(container(**members)))
    return await world.until_status(arn, "STOPPED"), seen


async def test_a_container_gets_parameters_secrets_and_files() -> None:
    async with ecs_world() as world:
        await grant(world, "ssm:GetParameters", "secretsmanager:GetSecretValue", "s3:GetObject")
        await world.call("PutParameter", "ssm", Name="/app/token", Value="t0ken", Type="SecureString")
        await world.call("PutParameter", "ssm", Name="plain", Value="p", Type="String")
        arn = await secret(world, '{"password": "pw", "port": 5432}')
        await world.call("CreateBucket", "s3", Bucket="conf")
        body = world.dispatcher.blobs.put(b"A=file\nB=file\n")
        await world.call("PutObject", "s3", Bucket="conf", Key="x/app.env", Body=body)
        _, seen = await run(
            world,
            environment=[{"name": "B", "value": "definition"}],
            environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::conf/x/app.env"}],
            secrets=[
                {"name": "TOKEN", "valueFrom": "/app/token"},
                {"name": "PLAIN", "valueFrom": "plain"},
                {"name": "WHOLE", "valueFrom": arn},
                {"name": "PASSWORD", "valueFrom": f"{arn}:password::"},
                {"name": "PORT", "valueFrom": f"{arn}:port::"},
            ],
        )
        names = ("A", "B", "TOKEN", "PLAIN", "WHOLE", "PASSWORD", "PORT")
        assert {name: seen[name] for name in names} == {
            "A": "file",
            "B": "definition",
            "TOKEN": "t0ken",
            "PLAIN": "p",
            "WHOLE": '{"password": "pw", "port": 5432}',
            "PASSWORD": "pw",
            "PORT": "5432",
        }


async def test_the_files_of_an_override_replace_the_definition_s() -> None:
    async with ecs_world() as world:
        await grant(world, "s3:GetObject")
        await world.call("CreateBucket", "s3", Bucket="conf")
        for name, text in (("a.env", b"FROM=definition\nA=1\n"), ("b.env", b"FROM=override\n")):
            body = world.dispatcher.blobs.put(text)
            await world.call("PutObject", "s3", Bucket="conf", Key=name, Body=body)
        seen: dict[str, str] = {}

        async def program(process: Process) -> int:
            seen.update(process.spec.environment)
            return 0

        world.containers.default = program
        files = [{"type": "s3", "value": f"arn:aws:s3:::conf/{name}"} for name in ("a.env", "b.env")]
        override = {"name": "app", "environmentFiles": files[1:]}
        arn = await world.run_task(
            await world.register(container(environmentFiles=files[:1])),
            overrides={"containerOverrides": [override]},
        )
        await world.until_status(arn, "STOPPED")
        assert seen["FROM"] == "override"
        assert "A" not in seen


@pytest.mark.parametrize(
    ("actions", "value_from", "reason"),
    [
        (["s3:*"], "/app/token", "is not authorized to perform: ssm:GetParameters on resource: " + SSM),
        (["ssm:*"], "/none", "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
            "invalid ssm parameters: /none"),
        (["s3:*"], SECRET, f"failed to fetch secret {SECRET} from secrets manager: AccessDeniedException: User: "),
        (["secretsmanager:*"], SECRET, f"failed to fetch secret {SECRET} from secrets manager: "
            "ResourceNotFoundException: Secrets Manager can't find the specified secret."),
    ],
)  # fmt: skip
async def test_a_secret_that_cannot_be_read_stops_the_task(
    actions: list[str], value_from: str, reason: str
) -> None:
    async with ecs_world() as world:
        await grant(world, *actions)
        shown, seen = await run(world, secrets=[{"name": "X", "valueFrom": value_from}])
        assert shown["stopCode"] == "TaskFailedToStart"
        assert shown["stoppedReason"].startswith(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            "failed: "
        )
        assert reason in shown["stoppedReason"]
        assert seen == {}


async def test_a_json_key_that_the_secret_lacks_stops_the_task() -> None:
    async with ecs_world() as world:
        await grant(world, "secretsmanager:*")
        arn = await secret(world, '{"a": "1"}')
        shown, _ = await run(world, secrets=[{"name": "X", "valueFrom": f"{arn}:b::"}])
        assert "did not contain json key b" in shown["stoppedReason"]


async def test_a_file_that_is_not_there_stops_the_task() -> None:
    async with ecs_world() as world:
        await grant(world, "s3:*")
        await world.call("CreateBucket", "s3", Bucket="conf")
        file = {"type": "s3", "value": "arn:aws:s3:::conf/none.env"}
        shown, _ = await run(world, environmentFiles=[file])
        assert shown["stoppedReason"].startswith("ResourceInitializationError: failed to download env files")
        assert "NoSuchKey" in shown["stoppedReason"]


async def test_a_secret_may_not_have_the_name_of_a_variable() -> None:
    async with ecs_world() as world:
        with pytest.raises(AwsError, match="The secret name must be unique"):
            await world.register(
                container(
                    environment=[{"name": "A", "value": "1"}], secrets=[{"name": "A", "valueFrom": "/a"}]
                )
            )
