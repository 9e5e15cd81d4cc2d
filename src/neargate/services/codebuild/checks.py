"""What CodeBuild refuses of a project's settings, and what Neargate cannot do of them yet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from neargate.model.codebuild import SERVICE
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json

RESERVED_PREFIX = "CODEBUILD_"

_NOT_YET = (
    *("vpcConfig", "fileSystemLocations", "buildBatchConfig", "autoRetryLimit"),
    *("environment.computeConfiguration", "environment.fleet", "environment.certificate"),
    *("environment.registryCredential", "environment.dockerServer", "environment.hostKernel"),
)
_PLATFORMS = ("LINUX_CONTAINER", "ARM_CONTAINER")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)


def check_settings(operation: str, settings: Json) -> None:
    """Refuse settings that contradict themselves, in CodeBuild's terms, or that Neargate would have to ignore."""
    for path in _NOT_YET:
        if _at(settings, path):
            raise not_implemented(f"codebuild:{operation} with {path}", "codebuild")
    if (_at(settings, "logsConfig.s3Logs.status") or "DISABLED") != "DISABLED":
        raise not_implemented(f"codebuild:{operation} with logsConfig.s3Logs", "codebuild")
    environment = settings["environment"]
    if environment["type"] not in _PLATFORMS:
        raise not_implemented(
            f"codebuild:{operation} with an environment of type {environment['type']}", "codebuild"
        )
    check_variables(environment.get("environmentVariables") or ())
    source, artifacts = settings["source"], settings["artifacts"]
    _check_source(source)
    _check_identifiers(settings)
    if (source["type"] == "CODEPIPELINE") != (artifacts["type"] == "CODEPIPELINE"):
        raise invalid(
            "Invalid artifacts: artifact type CODEPIPELINE should be used with, and only with, source type CODEPIPELINE"
        )
    for each in (artifacts, *(settings.get("secondaryArtifacts") or ())):
        if each["type"] == "S3" and not each.get("location"):
            raise invalid("Invalid artifacts: location must be set for artifact type S3")


def check_variables(variables: Iterable[Json], *, reserved: bool = False) -> None:
    """Refuse reserved names (unless the caller is one who may set them) and names that no shell takes."""
    for variable in variables:
        name = variable["name"]
        if name.startswith(RESERVED_PREFIX) and not reserved:
            raise invalid(
                f"Invalid environment variable: {name}. The prefix {RESERVED_PREFIX} is reserved for internal use"
            )
        if not name.replace("_", "a").isalnum() or not name.isascii() or name[0].isdigit():
            raise invalid(f"Invalid environment variable name: {name}")


def _check_source(source: Json) -> None:
    kind, location = source["type"], source.get("location") or ""
    if kind == "S3" and not all(location.removeprefix("arn:aws:s3:::").partition("/")):
        raise invalid("Invalid project source: location must be a valid S3 source")
    if kind == "NO_SOURCE":
        if location:
            raise invalid(
                "Invalid project source: source location must be empty when source type is NO_SOURCE"
            )
        if not (source.get("buildspec") or "").strip():
            raise invalid("Invalid project source: buildspec must be set when source type is NO_SOURCE")
    if kind not in ("S3", "NO_SOURCE", "CODEPIPELINE") and not location:
        raise invalid(f"Invalid project source: location must be set for source type {kind}")


def _check_identifiers(settings: Json) -> None:
    for member, name in (
        ("secondarySources", "sourceIdentifier"),
        ("secondaryArtifacts", "artifactIdentifier"),
    ):
        seen: set[str] = set()
        for each in settings.get(member) or ():
            identifier = each.get(name) or ""
            if (
                not identifier.replace("_", "a").isalnum()
                or not identifier.isascii()
                or len(identifier) > 128
            ):
                raise invalid(
                    "Invalid input: identifier must contain only alphanumeric characters and underscores and be "
                    "less than 128 characters in length"
                )
            if identifier in seen:
                raise invalid(f"Invalid input: {name} {identifier} is used twice")
            seen.add(identifier)


def role_arn(cx: Context, name_or_arn: str) -> str:
    """The ARN of a service role, given by ARN or bare name; it must exist and trust CodeBuild."""
    refusal = invalid(f"CodeBuild is not authorized to perform: sts:AssumeRole on {name_or_arn}")
    if name_or_arn.startswith("arn:") and name_or_arn.split(":")[4] != cx.account:
        raise invalid("Invalid service role: Service role account ID does not match caller's account")
    try:
        role = cx.invoke("iam", "GetRole", {"RoleName": name_or_arn.rpartition("/")[2]})["Role"]
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        raise refusal from error
    arn = str(role["Arn"])
    if name_or_arn.startswith("arn:") and arn != name_or_arn:
        raise refusal
    if not _trusts_codebuild(json.loads(unquote(role["AssumeRolePolicyDocument"]))):
        raise invalid(f"CodeBuild is not authorized to perform: sts:AssumeRole on {arn}")
    return arn


def _trusts_codebuild(document: dict[str, Any]) -> bool:
    for statement in _listed(document.get("Statement")):
        principal = statement.get("Principal")
        services = _listed(principal.get("Service")) if isinstance(principal, dict) else _listed(principal)
        actions = _listed(statement.get("Action"))
        if (
            statement.get("Effect") == "Allow"
            and not {SERVICE, "*"}.isdisjoint(services)
            and not {"sts:AssumeRole", "sts:*", "*"}.isdisjoint(actions)
        ):
            return True
    return False


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _at(settings: Json, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
