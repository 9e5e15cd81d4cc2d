"""The variables of a task's containers that come from elsewhere: Parameter Store, Secrets Manager, files in S3.

Read once, in the execution role, before anything of the task starts; kept in memory only.
"""

from __future__ import annotations

import json
import re

import attrs

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.reach import Reach
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.model.ecs import Task, TaskDefinition
from neargate.model.errors import AwsError
from neargate.model.records import Blob, Json
from neargate.model.runtime import Credentials
from neargate.services.dispatch import Dispatcher
from neargate.services.ecs.task_creation import container_override

_NO_SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: "
    "execution resource retrieval failed: "
)
_RETRIED = "service call has been retried 1 time(s): "
_S3_OBJECT = re.compile(r"arn:[^:]*:s3:::([^/]+)/(.+)\Z")
_LINE = re.compile(r"([^=#\s][^=]*)=(.*)\Z")


class EnvironmentUnavailable(Exception):
    """A variable could not be read; the text is the task's stopped reason."""


@attrs.frozen
class SecretName:
    """A `valueFrom`: what to read, where, and which part of it."""

    service: str  # "ssm" or "secretsmanager"
    arn: str
    region: str
    json_key: str = ""
    stage: str = ""
    version: str = ""


def parse_secret(value_from: str, account: str, region: str) -> SecretName:
    """A parameter's name or ARN, or a secret's ARN with `:json-key:version-stage:version-id` behind it."""
    parts = value_from.split(":")
    if parts[0] == "arn" and len(parts) > 6 and parts[2] == "secretsmanager":
        key, stage, version = [*parts[7:], "", "", ""][:3]
        return SecretName("secretsmanager", ":".join(parts[:7]), parts[3], key, stage, version)
    if parts[0] == "arn" and len(parts) > 5:
        return SecretName("ssm", value_from, parts[3] or region)
    return SecretName("ssm", f"arn:aws:ssm:{region}:{account}:parameter/{value_from.lstrip('/')}", region)


def parse_environment_file(text: str) -> dict[str, str]:
    """`VARIABLE=VALUE` lines. Blank lines and those that begin with # do not count; nothing is unquoted."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        pair = _LINE.match(line.strip("\r"))
        if pair is not None:
            found.setdefault(pair[1].strip(), pair[2])
    return found


class TaskEnvironment:
    """Reads them."""

    def __init__(self, dispatcher: Dispatcher, reach: Reach) -> None:
        self._dispatcher = dispatcher
        self._reach = reach
        self._rights = ExecutionRights(dispatcher)

    async def read(self, task: Task, definition: TaskDefinition) -> dict[str, dict[str, str]]:
        """The variables by container. An override's files stand for the definition's. Raises EnvironmentUnavailable
        in Fargate's words."""
        found: dict[str, dict[str, str]] = {}
        for container in definition.containers:
            override = container_override(task.overrides, container["name"])
            files = override.get("environmentFiles") or container.get("environmentFiles") or ()
            secrets = container.get("secrets") or ()
            if files or secrets:
                variables = await self._files(task, files)
                variables |= {s["name"]: await self._secret(task, s["valueFrom"]) for s in secrets}
                found[container["name"]] = variables
        return found

    async def registry_login(self, task: Task, container: Json) -> Credentials | None:
        """What the container's repositoryCredentials say; None where it has none. Raises EnvironmentUnavailable."""
        wanted = container.get("repositoryCredentials")
        if not wanted:
            return None
        given = wanted["credentialsParameter"]
        arn = (
            given
            if given.startswith("arn:")
            else f"arn:aws:secretsmanager:{task.region}:{task.account}:secret:{given}"
        )
        text = await self._secret_value(task, SecretName("secretsmanager", arn, arn.split(":")[3]), given)
        failed = f"{_NO_SECRETS}unable to retrieve secret from asm: "
        try:
            login = json.loads(text)
            return Credentials(str(login["username"]), str(login["password"]))
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentUnavailable(
                f"{failed}unable to unmarshal registry credentials from secret {arn}: it is not JSON with the keys "
                "username and password"
            ) from error

    async def _secret(self, task: Task, value_from: str) -> str:
        wanted = parse_secret(value_from, task.account, task.region)
        if wanted.service == "ssm":
            return await self._parameter(task, wanted)
        return await self._secret_value(task, wanted)

    def _require_reach(self, task: Task, service: str) -> None:
        """Raises RequestCanceled where the task's network does not lead to a service."""
        if not self._reach.service(task, service):
            raise AwsError(
                "RequestCanceled",
                "request context canceled caused by: context deadline exceeded. Please check your task network "
                "configuration.",
            )

    async def _parameter(self, task: Task, wanted: SecretName) -> str:
        name = "/" + wanted.arn.partition(":parameter/")[2]
        try:
            self._require_reach(task, "ssm")
            await self._rights.require(task, "ssm:GetParameters", wanted.arn)
            caller = actors.execution(task, wanted.region)
            for spelling in (name, name[1:]):  # a parameter without hierarchy has no slash in front
                request = {"Names": [spelling], "WithDecryption": True}
                answer = await self._dispatcher.call(caller, "ssm", "GetParameters", request)
                if answer.get("Parameters"):
                    return str(answer["Parameters"][0]["Value"])
        except AwsError as error:
            raise EnvironmentUnavailable(
                f"{_NO_SECRETS}unable to retrieve secrets from ssm: {_RETRIED}{error.code}: {error.message}"
            ) from error
        raise EnvironmentUnavailable(
            f"{_NO_SECRETS}unable to retrieve secrets from ssm: {_RETRIED}invalid ssm parameters: {name}"
        )

    async def _secret_value(self, task: Task, wanted: SecretName, secret_id: str = "") -> str:
        request: Json = {"SecretId": secret_id or wanted.arn}
        if wanted.stage:
            request["VersionStage"] = wanted.stage
        if wanted.version:
            request["VersionId"] = wanted.version
        failed = f"{_NO_SECRETS}unable to retrieve secret from asm: {_RETRIED}"
        try:
            self._require_reach(task, "secretsmanager")
            await self._rights.require(task, "secretsmanager:GetSecretValue", wanted.arn)
            caller = actors.execution(task, wanted.region)
            answer = await self._dispatcher.call(caller, "secretsmanager", "GetSecretValue", request)
        except AwsError as error:
            raise EnvironmentUnavailable(
                f"{failed}failed to fetch secret {wanted.arn} from secrets manager: {error.code}: {error.message}"
            ) from error
        text = answer.get("SecretString")
        if text is None:
            raise EnvironmentUnavailable(f"{failed}secret {wanted.arn} has no SecretString")
        return _part(str(text), wanted.json_key, failed) if wanted.json_key else str(text)

    async def _files(self, task: Task, files: list[Json] | tuple[()]) -> dict[str, str]:
        """Of several files the first that has a variable gives it."""
        found: dict[str, str] = {}
        for file in files:
            text = await self._file(task, file["value"])
            found = {**parse_environment_file(text), **found}
        return found

    async def _file(self, task: Task, arn: str) -> str:
        failed = "ResourceInitializationError: failed to download env files: file download command: "
        place = _S3_OBJECT.match(arn)
        if place is None:
            raise EnvironmentUnavailable(f"{failed}{arn} is not the ARN of an object in S3")
        try:
            self._require_reach(task, "s3")
            await self._rights.require(task, "s3:GetObject", arn)
            caller = actors.execution(task)
            answer = await self._dispatcher.call(
                caller, "s3", "GetObject", {"Bucket": place[1], "Key": place[2]}
            )
        except AwsError as error:
            raise EnvironmentUnavailable(f"{failed}{_RETRIED}{error.code}: {error.message}") from error
        body = answer["Body"]
        data = self._dispatcher.blobs.read(body) if isinstance(body, Blob) else bytes(body)
        return data.decode("utf-8", "replace")


def _part(text: str, key: str, failed: str) -> str:
    try:
        values = json.loads(text)
    except ValueError as error:
        first = text[:1] or " "
        raise EnvironmentUnavailable(
            f"{failed}invalid character '{first}' looking for beginning of value"
        ) from error
    if not isinstance(values, dict) or key not in values:
        raise EnvironmentUnavailable(
            f"{failed}retrieved secret from Secrets Manager did not contain json key {key}"
        )
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value)
