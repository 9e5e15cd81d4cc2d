"""The environment variables of a build: what CodeBuild sets, what the buildspec, project and caller give."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from neargate.drivers.builds.failure import CLIENT_ERROR, PhaseFailed
from neargate.drivers.builds.ledger import role_caller
from neargate.model.codebuild import Build, BuildIdentity
from neargate.model.errors import AwsError
from neargate.model.fabric import LINK_LOCAL_ADDRESS
from neargate.planners.buildspec import Buildspec
from neargate.services.dispatch import Dispatcher

_CURRENT = "AWSCURRENT"


@attrs.frozen
class Variables:
    """All variables of a build, and those of their values that its log must not show."""

    values: Mapping[str, str]
    secret: tuple[str, ...] = ()


def identity(build: Build) -> BuildIdentity:
    """Who the build is at 169.254.170.2."""
    return BuildIdentity(build.arn, build.role, build.account, build.region, build.uuid)


def own_variables(build: Build, source: str, secondary: Mapping[str, str]) -> dict[str, str]:
    """What CodeBuild sets by itself (facts 2.7). `source` and `secondary` are directories in the container."""
    declared = build.declared
    given = {
        "HOME": "/root",
        "AWS_DEFAULT_REGION": build.region,
        "AWS_REGION": build.region,
        "AWS_ENDPOINT_URL": f"http://{LINK_LOCAL_ADDRESS}",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": f"/v2/credentials/{identity(build).credentials_id}",
        "CODEBUILD_CI": "true",
        "CODEBUILD_BUILD_ARN": build.arn,
        "CODEBUILD_BUILD_ID": build.id,
        "CODEBUILD_BUILD_IMAGE": declared["environment"]["image"],
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_INITIATOR": build.initiator,
        "CODEBUILD_KMS_KEY_ID": declared["encryptionKey"],
        "CODEBUILD_LOG_PATH": build.log_stream,
        "CODEBUILD_SRC_DIR": source,
        "CODEBUILD_START_TIME": str(int(build.started * 1000)),
        "CODEBUILD_SOURCE_REPO_URL": "" if build.pipeline else declared["source"].get("location") or "",
    }
    if build.source_version:
        given["CODEBUILD_SOURCE_VERSION"] = build.source_version
    if build.resolved_version:
        given["CODEBUILD_RESOLVED_SOURCE_VERSION"] = build.resolved_version
    if not build.pipeline:
        given["CODEBUILD_BUILD_NUMBER"] = str(build.number)
    given.update({f"CODEBUILD_SRC_DIR_{name}": path for name, path in secondary.items()})
    return given


async def variables(
    dispatcher: Dispatcher, build: Build, spec: Buildspec, own: Mapping[str, str]
) -> Variables:
    """Everything: the caller's override wins over the project, the project over the buildspec.

    Raises `PhaseFailed` where a parameter or secret cannot be had.
    """
    values = {**own, **spec.variables}
    parameters = {each.name: each.reference for each in spec.parameters}
    secrets = {each.name: each.reference for each in spec.secrets}
    for variable in build.declared["environment"]["environmentVariables"]:
        name, value = variable["name"], variable.get("value") or ""
        for earlier in (values, parameters, secrets):
            earlier.pop(name, None)
        target = {"PARAMETER_STORE": parameters, "SECRETS_MANAGER": secrets}.get(variable["type"], values)
        target[name] = value
    hidden = {name: await _parameter(dispatcher, build, path) for name, path in parameters.items()}
    hidden |= {name: await _secret(dispatcher, build, reference) for name, reference in secrets.items()}
    return Variables({**values, **hidden}, tuple(hidden.values()))


async def _parameter(dispatcher: Dispatcher, build: Build, name: str) -> str:
    request = {"Names": [name], "WithDecryption": True}
    try:
        answer = await dispatcher.call(role_caller(build), "ssm", "GetParameters", request)
    except AwsError as error:
        raise PhaseFailed(CLIENT_ERROR, f"{error.code}: {error.message}") from error
    if not answer.get("Parameters"):
        raise PhaseFailed(CLIENT_ERROR, f"Parameter does not exist: {name}")
    return str(answer["Parameters"][0]["Value"])


async def _secret(dispatcher: Dispatcher, build: Build, reference: str) -> str:
    """`secret-id[:json-key[:version-stage[:version-id]]]`; an ARN's own colons belong to the id."""
    parts = reference.split(":")
    count = 7 if reference.startswith("arn:") else 1
    identifier, rest = ":".join(parts[:count]), [*parts[count:], "", "", ""]
    request = {"SecretId": identifier, "VersionStage": rest[1] or _CURRENT}
    if rest[2]:
        request["VersionId"] = rest[2]
    try:
        answer = await dispatcher.call(role_caller(build), "secretsmanager", "GetSecretValue", request)
    except AwsError as error:
        raise PhaseFailed(CLIENT_ERROR, f"{error.code}: {error.message}") from error
    text = str(answer["SecretString"])
    if not rest[0]:
        return text
    try:
        return str(json.loads(text)[rest[0]])
    except (ValueError, KeyError, TypeError):
        raise PhaseFailed(
            CLIENT_ERROR, f"Secrets Manager: key {rest[0]} does not exist in secret {identifier}"
        ) from None
