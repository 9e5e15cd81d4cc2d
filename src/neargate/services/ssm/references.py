"""Secrets of Secrets Manager as Parameter Store shows them: `/aws/reference/secretsmanager/NAME`."""

from __future__ import annotations

import json

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ssm.lookup import invalid

PREFIX = "/aws/reference/secretsmanager/"


def is_reference(name: str) -> bool:
    return name.startswith(PREFIX)


def secret_value(cx: Context, name: str, request: Json) -> Json:
    """The secret's current value in a parameter's form. Raises ParameterNotFound, and what reading it raises."""
    if not request.get("WithDecryption"):
        raise invalid("WithDecryption flag must be True for retrieving a Secret Manager secret.")
    secret = name.removeprefix(PREFIX)
    if ":" in secret:
        raise not_implemented("a secret's version or stage in a parameter name (ssm)", "ssm")
    answer = cx.invoke("secretsmanager", "BatchGetSecretValue", {"SecretIdList": [secret]})
    for error in answer["Errors"]:
        if error["ErrorCode"] != "ResourceNotFoundException":
            raise AwsError(error["ErrorCode"], error["Message"])
        raise AwsError(
            "ParameterNotFound",
            f"An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {name} not found.",
        )
    found = answer["SecretValues"][0]
    return {
        "Name": name,
        "Type": "SecureString",
        "Value": found.get("SecretString", ""),
        "Version": 0,
        "SourceResult": _source(found),
        "LastModifiedDate": found["CreatedDate"],
        "ARN": cx.caller.arn("ssm", f"parameter{name}"),
        "DataType": "text",
    }


def _source(found: Json) -> str:
    """Secrets Manager's own answer as text, its members beginning with small letters."""
    names = {"Name": "name", "VersionId": "versionId", "SecretString": "secretString"}
    shown: Json = {"ARN": found["ARN"]}
    shown |= {to: found[name] for name, to in names.items() if name in found}
    shown |= {"versionStages": found["VersionStages"], "createdDate": int(found["CreatedDate"] * 1000)}
    return json.dumps(shown)
