"""What CloudFormation fetches from Parameter Store and Secrets Manager, with its own words where that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

from neargate.model.errors import AwsError
from neargate.model.ports import Invoke
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.planners.template import references
from neargate.planners.template.nouns import invalid
from neargate.planners.template.references import Reference
from neargate.resources.evaluation import Opened


def parameter(invoke: Invoke, name: str, role: str | None, *, decrypt: bool = False) -> Json | None:
    """Parameter Store's `Parameter` of a name or `name:version`; None where there is none.

    By GetParameters: that is what a role must be allowed on AWS.
    """
    try:
        answer = invoke("ssm", "GetParameters", {"Names": [name], "WithDecryption": decrypt}, role=role)
    except AwsError as error:
        if error.code == "ValidationException":
            return None  # no parameter can have such a name
        raise
    found: list[Json] = answer["Parameters"]
    return found[0] if found else None


def plain_value(invoke: Invoke, reference: Reference, role: str | None) -> str | None:
    """What an ssm reference stands for; None for the secret kinds. Raises ValidationError."""
    if reference.is_secret:
        return None
    name, _ = reference.parameter()
    found = parameter(invoke, reference.rest, role)
    if found is None:
        raise invalid(f"Parameters: [ssm:{reference.rest}] cannot be found.")
    if found["Type"] == "SecureString":
        raise invalid(f"Non-secure ssm prefix was used for secure parameter {name}")
    return str(found["Value"])


def secret_value(invoke: Invoke, reference: Reference, role: str | None) -> str | None:
    """What an ssm-secure or secretsmanager reference stands for; None for an ssm one. Raises AwsError."""
    if reference.service == "secretsmanager":
        return _secret(invoke, reference, role)
    if not reference.is_secret:
        return None
    reference.parameter()
    found = parameter(invoke, reference.rest, role, decrypt=True)
    if found is None:
        raise invalid(f"Parameters: [ssm-secure:{reference.rest}] cannot be found.")
    return str(found["Value"])


def _secret(invoke: Invoke, reference: Reference, role: str | None) -> str:
    wanted = reference.secret()
    request: Json = {"SecretId": wanted.secret}
    if wanted.stage:
        request["VersionStage"] = wanted.stage
    if wanted.version:
        request["VersionId"] = wanted.version
    try:
        answer = invoke("secretsmanager", "GetSecretValue", request, role=role)
    except AwsError as error:
        raise AwsError(
            error.code,
            f"{error.message} (Service: AWSSecretsManager; Status Code: {error.status}; Error Code: {error.code}; "
            f"Request ID: {error.request_id}; Proxy: null)",
        ) from error
    text = answer.get("SecretString")
    if text is None:
        raise invalid(f"The secret {wanted.secret} has no SecretString")
    return str(text) if wanted.key is None else _member(str(text), wanted.key)


def _member(text: str, key: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise invalid("Could not parse SecretString JSON")
    if key not in document:
        raise invalid("Could not find a value associated with JSONKey in SecretString")
    value = document[key]
    return value if isinstance(value, str) else json.dumps(value)


def places(opened: Opened) -> Iterator[tuple[str, Reference]]:
    """Every reference in the properties of the resources that live, with its place: `TYPE/Properties/Name/Member`.

    What a reference to another resource would complete is not known yet and not found.
    """
    for resource in opened.live.values():
        properties = language.evaluate_resource(resource, opened.scope)
        yield from references.located(properties, f"{resource.type}/Properties")
