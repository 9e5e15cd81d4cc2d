"""How a CloudFormation resource type is declared: which API calls make, read, change and remove it.

Handlers are generators of `Call`s: pure code that a driver runs inside one store transaction together with the
record of their outcome, so that a crash can neither lose a resource nor make it twice.

    def create(want: Desired) -> Steps[Identity]:
        answer = yield Call("ecs", "CreateCluster", {...})
        return Identity(answer["cluster"]["clusterName"])

An `AwsError` from a call is raised at the `yield`; a handler lets it through unless it means success.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Literal, TypeVar

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import Tags

T = TypeVar("T")


@attrs.frozen
class Call:
    """One API call: botocore's service and operation names and request shape. `region` is the stack's where None."""

    service: str
    operation: str
    request: Json
    region: str | None = None


Steps = Generator[Call, Json, T]


@attrs.frozen
class Desired:
    """What the template wants, evaluated: `properties` hold no intrinsic any more.

    `name` is the physical name: the one the template gives, or the one CloudFormation forms (None where the
    type has no name property). `creation_policy` is the resource's attribute of that name. `tags` are the
    template's tags for this resource merged over the stack's, `system_tags` the aws:cloudformation:* ones (empty
    for types whose schema says so). `token` is the same for every try of the same change.
    """

    logical_id: str
    properties: Json
    name: str | None
    stack_name: str
    stack_id: str
    account: str
    region: str
    token: str
    tags: Tags = attrs.field(factory=dict)
    system_tags: Tags = attrs.field(factory=dict)
    creation_policy: Json | None = None

    @property
    def all_tags(self) -> Tags:
        return {**self.tags, **self.system_tags}


@attrs.frozen
class Existing:
    """A resource that was made: its physical id and the wish it was made from (its last applied one).

    `reverting`: a failed update takes it back to that.
    """

    id: str
    desired: Desired
    reverting: bool = False


@attrs.frozen
class Identity:
    """What a create returns: the physical id (primary identifier parts joined by `|`, or the legacy value).

    `attributes` are those that only the create's answer tells, such as an access key's secret; `read` adds the rest.
    """

    id: str
    attributes: Json = attrs.field(factory=dict)


@attrs.frozen
class Ready:
    """It has stabilised (or, after a delete, is gone)."""


@attrs.frozen
class Waiting:
    """Not yet; `reason` is a sentence for the live view: `waiting for 1 of 1 tasks to be running`."""

    reason: str


@attrs.frozen
class Failed:
    """It will never stabilise. `message` and `code` become the handler's message and HandlerErrorCode."""

    message: str
    code: str = "NotStabilized"


Readiness = Ready | Waiting | Failed


@attrs.frozen
class Naming:
    """How CloudFormation forms the physical name where the template gives none (facts 1.12).

    `property` is the template's name property. Style `registry` is stack-logical-12 mixed-case characters,
    `legacy` stack-logical-12 upper-case, `lower` all lower-case; `short` cuts stack and logical id to 5.
    `stackless` leaves the stack's name out, `parameter` has `CFN` in its place. `unique` is False for a name that
    several may share (a family).
    `taken` says how AWS words that the name exists already: quoting it as the `identifier`, as a `map`
    (`{"/properties/LogGroupName":"…"}`), or in the `service`'s own words. `ending` gives what a formed name ends in,
    from the properties: `.fifo`.
    """

    property: str
    max_length: int = 255
    style: Literal["registry", "legacy", "lower", "short", "stackless", "parameter"] = "registry"
    unique: bool = True
    taken: Literal["identifier", "map", "service"] = "identifier"
    ending: Callable[[Mapping[str, Any]], str] | None = None


def ref_is_id(existing: Existing, attributes: Mapping[str, Any]) -> str:
    """The default Ref: the physical id."""
    return existing.id


def sdk_error(service: str, error: AwsError) -> str:
    """An API error as handlers on the AWS SDK for Java 2 word it."""
    named = f"Service: {service}, " if service else ""
    return f"{error.message} ({named}Status Code: {error.status}, Request ID: {error.request_id})"


def plain_error(verb: str, error: AwsError) -> tuple[str, str]:
    """(handler message, HandlerErrorCode) in the registry handlers' usual form."""
    return sdk_error("", error), handler_code(error)


def handler_code(error: AwsError) -> str:
    """The registry's HandlerErrorCode for an API error."""
    code = error.code
    if "AlreadyExists" in code or code in {
        "EntityAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "BucketAlreadyExists",
    }:
        return "AlreadyExists"
    if "NotFound" in code or code.startswith("NoSuch"):
        return "NotFound"
    if "AccessDenied" in code or "Unauthorized" in code:
        return "AccessDenied"
    if "LimitExceeded" in code:
        return "ServiceLimitExceeded"
    if code in {"NotImplemented"} or error.status >= 500:
        return "GeneralServiceException"
    return "InvalidRequest"


@attrs.frozen(kw_only=True)
class ResourceType:
    """The declaration of one type. What needs replacement comes from the registry schema, not from here.

    `honoured` lists the top-level properties that have effect; another one in a template is refused before
    anything is created. `read` returns every attribute that GetAtt offers. `watches` names the record kinds
    (or `journal:TOPIC`) whose change may make it ready or gone. A `nested` one is a stack: every update of its
    parent updates it, its own waits bound it. The failures of one that is `handlerless` are not worded by a handler:
    the message is all that an event says. An EXPRESS deployment waits even so for one that `waits_always`, because
    waiting is all it does. One with `signals` may have a CreationPolicy. `replaces` says, from the
    properties before and after, whether a change of what the schema calls conditionally create-only replaces it.
    `alters` names the types whose attributes are others once one of this type stands on them (a VPC's CIDR blocks):
    they are read again then.
    """

    type: str
    honoured: frozenset[str]
    create: Callable[[Desired], Steps[Identity]]
    read: Callable[[Existing], Steps[Json]]
    delete: Callable[[Existing], Steps[None]]
    update: Callable[[Existing, Desired], Steps[None]] | None = None
    ready: Callable[[Existing], Steps[Readiness]] | None = None
    gone: Callable[[Existing], Steps[Readiness]] | None = None
    ref: Callable[[Existing, Mapping[str, Any]], str] = ref_is_id
    naming: Naming | None = None
    watches: frozenset[str] = frozenset()
    error: Callable[[str, AwsError], tuple[str, str]] = plain_error
    unhonoured: Mapping[str, str] = attrs.field(factory=dict)
    nested: bool = False
    handlerless: bool = False
    waits_always: bool = False
    signals: bool = False
    replaces: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] | None = None
    alters: frozenset[str] = frozenset()
