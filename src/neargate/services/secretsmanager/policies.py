"""Resource policies of secrets: kept and shown; nothing evaluates them. And rotation, which there is none of."""

from __future__ import annotations

import json
from typing import Any

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.secretsmanager import Secret
from neargate.services.secretsmanager.lookup import invalid_request, the_secret
from neargate.services.secretsmanager.versions import client_token


@operation("secretsmanager", "PutResourcePolicy")
def put_resource_policy(cx: Context, request: Json) -> Json:
    secret = the_secret(cx, request["SecretId"])
    _own_policy_only(request)
    statements = _statements(request["ResourcePolicy"])
    if request.get("BlockPublicPolicy") and any(_is_public(statement) for statement in statements):
        raise AwsError(
            "PublicPolicyException",
            "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access "
            "to the secret.",
        )
    cx.tx.put(attrs.evolve(secret, policy=request["ResourcePolicy"]))
    return _named(secret)


@operation("secretsmanager", "GetResourcePolicy", reads=True)
def get_resource_policy(cx: Context, request: Json) -> Json:
    secret = the_secret(cx, request["SecretId"])
    _own_policy_only(request)
    return {**_named(secret), **({"ResourcePolicy": secret.policy} if secret.policy else {})}


@operation("secretsmanager", "DeleteResourcePolicy")
def delete_resource_policy(cx: Context, request: Json) -> Json:
    secret = the_secret(cx, request["SecretId"])
    _own_policy_only(request)
    cx.tx.put(attrs.evolve(secret, policy=None))
    return _named(secret)


@operation("secretsmanager", "ValidateResourcePolicy", reads=True)
def validate_resource_policy(cx: Context, request: Json) -> Json:
    """Whether it is well formed, and does not open the secret to everybody."""
    if request.get("SecretId"):
        the_secret(cx, request["SecretId"])
    try:
        public = any(_is_public(statement) for statement in _statements(request["ResourcePolicy"]))
    except AwsError as error:
        errors = [{"CheckName": "POLICY_SYNTAX", "ErrorMessage": error.message}]
        return {"PolicyValidationPassed": False, "ValidationErrors": errors}
    errors = (
        [{"CheckName": "PUBLIC_POLICY", "ErrorMessage": "The policy grants broad access."}] if public else []
    )
    return {"PolicyValidationPassed": not public, "ValidationErrors": errors}


def _named(secret: Secret) -> Json:
    return {"ARN": secret.arn, "Name": secret.name}


def _own_policy_only(request: Json) -> None:
    if request.get("PolicyName"):
        raise not_implemented("resource policies with a PolicyName (secretsmanager)", "secretsmanager")


def _statements(text: str) -> list[Json]:
    """Raises MalformedPolicyDocumentException."""
    try:
        document = json.loads(text)
        raw = document["Statement"]
    except (ValueError, KeyError, TypeError):
        raise _malformed() from None
    statements: list[Any] = raw if isinstance(raw, list) else [raw]
    if not all(isinstance(each, dict) and each.get("Effect") in ("Allow", "Deny") for each in statements):
        raise _malformed()
    return statements


def _malformed() -> AwsError:
    return AwsError("MalformedPolicyDocumentException", "This resource policy contains invalid Json.")


def _is_public(statement: Json) -> bool:
    """Allowed to everybody, without a condition."""
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    everybody = named == "*" or (isinstance(named, list) and "*" in named)
    return statement["Effect"] == "Allow" and everybody and not statement.get("Condition")


# -- rotation ------------------------------------------------------------------------------------------------


@operation("secretsmanager", "RotateSecret")
def rotate_secret(cx: Context, request: Json) -> Json:
    """Rotation runs a Lambda function. None runs here: refused, before anything changes, as AWS refuses a function
    that it cannot invoke."""
    client_token(request)
    the_secret(cx, request["SecretId"])
    if not request.get("RotationLambdaARN") and not request.get("ExternalSecretRotationRoleArn"):
        raise invalid_request("No Lambda rotation function ARN is associated with this secret.")
    if request.get("ExternalSecretRotationRoleArn"):
        raise not_implemented("rotation by another service (secretsmanager)", "secretsmanager")
    raise AwsError(
        "AccessDeniedException",
        "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access "
        "to the principal secretsmanager.amazonaws.com.",
    )


@operation("secretsmanager", "CancelRotateSecret")
def cancel_rotate_secret(cx: Context, request: Json) -> Json:
    """No rotation is ever on."""
    return _named(the_secret(cx, request["SecretId"]))
