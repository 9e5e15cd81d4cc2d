"""What roles, users and groups hold alike: managed policies and inline ones. Handlers' parts for all IAM types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import Call, Steps, handler_code, sdk_error
from neargate.resources.shapes import missing_is_fine

GONE = "NoSuchEntity"


def error(verb: str, failure: AwsError) -> tuple[str, str]:
    """As the handlers of IAM's types word it."""
    return sdk_error("Iam", failure), handler_code(failure)


def document(value: Any) -> str:
    """A policy document as IAM takes it: text."""
    return value if isinstance(value, str) else json.dumps(value)


@attrs.frozen
class Holder:
    """A kind of entity that holds policies. `plural` is the template's property that lists such entities."""

    word: Literal["Role", "User", "Group"]

    @property
    def plural(self) -> str:
        return f"{self.word}s"

    def named(self, name: str) -> Json:
        return {f"{self.word}Name": name}

    def attach(self, name: str, arns: Iterable[str]) -> Steps[None]:
        for arn in arns:
            yield Call("iam", f"Attach{self.word}Policy", {**self.named(name), "PolicyArn": arn})

    def detach(self, name: str, arn: str) -> Steps[None]:
        call = Call("iam", f"Detach{self.word}Policy", {**self.named(name), "PolicyArn": arn})
        yield from missing_is_fine(call, GONE)

    def put_inline(self, name: str, policies: Iterable[Json]) -> Steps[None]:
        for policy in policies:
            request = {
                "PolicyName": policy["PolicyName"],
                "PolicyDocument": document(policy["PolicyDocument"]),
            }
            yield Call("iam", f"Put{self.word}Policy", {**self.named(name), **request})

    def drop_inline(self, name: str, policy: str) -> Steps[None]:
        call = Call("iam", f"Delete{self.word}Policy", {**self.named(name), "PolicyName": policy})
        yield from missing_is_fine(call, GONE)

    def hold(self, name: str, properties: Json) -> Steps[None]:
        """What `ManagedPolicyArns` and `Policies` want of a new entity."""
        yield from self.attach(name, properties.get("ManagedPolicyArns") or ())
        yield from self.put_inline(name, properties.get("Policies") or ())

    def change(self, name: str, was: Json, now: Json) -> Steps[None]:
        """The same of one that was made from other properties."""
        before, after = was.get("ManagedPolicyArns") or (), now.get("ManagedPolicyArns") or ()
        for arn in before:
            if arn not in after:
                yield from self.detach(name, arn)
        yield from self.attach(name, (arn for arn in after if arn not in before))
        names = {policy["PolicyName"] for policy in now.get("Policies") or ()}
        for policy in was.get("Policies") or ():
            if policy["PolicyName"] not in names:
                yield from self.drop_inline(name, policy["PolicyName"])
        yield from self.put_inline(name, now.get("Policies") or ())

    def release(self, name: str, properties: Json) -> Steps[None]:
        """Before its delete: every managed policy, whoever attached it, and the template's own inline ones."""
        attached = yield Call("iam", f"ListAttached{self.word}Policies", self.named(name))
        for policy in attached["AttachedPolicies"]:
            yield from self.detach(name, policy["PolicyArn"])
        for policy in properties.get("Policies") or ():
            yield from self.drop_inline(name, policy["PolicyName"])


ROLE, USER, GROUP = Holder("Role"), Holder("User"), Holder("Group")
HOLDERS = (GROUP, ROLE, USER)


def bound(holder: Holder, name: str, was: str | None, boundary: str | None) -> Steps[None]:
    """Put, replace or take away the permissions boundary of a role or user."""
    word = holder.word
    if boundary and boundary != was:
        request = {**holder.named(name), "PermissionsBoundary": boundary}
        yield Call("iam", f"Put{word}PermissionsBoundary", request)
    elif was and not boundary:
        yield Call("iam", f"Delete{word}PermissionsBoundary", holder.named(name))


def retag(word: str, named: Json, was: dict[str, str], now: dict[str, str]) -> Steps[None]:
    """Bring an entity's tags from `was` to `now`."""
    gone = sorted(was.keys() - now.keys())
    if gone:
        yield Call("iam", f"Untag{word}", {**named, "TagKeys": gone})
    if now and now != was:
        tags = [{"Key": key, "Value": value} for key, value in now.items()]
        yield Call("iam", f"Tag{word}", {**named, "Tags": tags})
