"""Stack policies as the API takes and shows them. What they mean is in planners/stack_policy.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Blob, Json
from neargate.planners import stack_policy
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.lookup import required


def given_policy(cx: Context, request: Mapping[str, Any], name: str = "StackPolicy") -> str | None:
    """The policy from NAMEBody or NAMEURL, None where there is neither. Raises ValidationError."""
    body, url = request.get(f"{name}Body"), request.get(f"{name}URL")
    if body and url:
        raise AwsError("ValidationError", f"You cannot specify both {name}URL and {name}Body")
    text = _fetched(cx, str(url)) if url else body
    if text is None:
        return None
    stack_policy.parse(text)
    return str(text)


def _fetched(cx: Context, url: str) -> str:
    bucket, key = inputs.s3_location(cx, url)
    try:
        answer = cx.invoke("s3", "GetObject", {"Bucket": bucket, "Key": key})
    except AwsError as error:
        raise AwsError("ValidationError", f"S3 error: {error.message}") from error
    body = answer["Body"]
    data = cx.blobs.read(body) if isinstance(body, Blob) else bytes(body)
    if len(data) > stack_policy.LONGEST:
        raise AwsError(
            "ValidationError", f"Stack policy may not exceed {stack_policy.LONGEST} bytes in size."
        )
    return data.decode("utf-8", "replace")


@operation("cloudformation", "SetStackPolicy")
def set_stack_policy(cx: Context, request: Json) -> Json:
    """Put a policy on a stack. It holds from the next update on."""
    stack = required(cx, request["StackName"])
    policy = given_policy(cx, request)
    if policy is None:
        raise AwsError("ValidationError", "You must specify either StackPolicyURL or StackPolicyBody")
    cx.tx.put(attrs.evolve(stack, policy=policy))
    return {}


@operation("cloudformation", "GetStackPolicy", reads=True)
def get_stack_policy(cx: Context, request: Json) -> Json:
    """The policy that holds: during an update the one that was given for it."""
    stack = required(cx, request["StackName"])
    running = stack.operation
    policy = running.policy if running is not None and running.kind == "UPDATE" else stack.policy
    return {} if policy is None else {"StackPolicyBody": policy}
