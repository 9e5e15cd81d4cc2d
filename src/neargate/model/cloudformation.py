"""The nouns of CloudFormation: stacks, their resources, change sets.

Times are epoch seconds. A stack that was deleted keeps its record; it is found by its id only.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

EVENTS = "cloudformation.stack-event"  # the journal topic; the subject is the stack's key
NOTIFICATIONS = "cloudformation.notification"  # the events that SNS topics are to hear of

Phase = Literal["validate", "apply", "cleanup", "revert", "revert-cleanup", "rollback", "delete"]

DELETED = "DELETE_COMPLETE"
REVERTED = "reverted:"  # before the operation's id in a resource's `operation`: a failed update took it back
UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
UPDATABLE_WITHOUT_ROLLBACK = frozenset({"CREATE_FAILED", "UPDATE_FAILED"})
REVERTED = "reverted:"  # in a resource's `operation`, before the id: that operation took it back, or tried to
REMEMBERED = 90 * 24 * 3600.0  # seconds for which a deleted stack is found by its id


@attrs.frozen
class StackInput:
    """What a create or update is made from: the template's text, and what was given for it.

    `parameters` are the values as given or defaulted; `resolved` those that a name stands for (SSM). `template` is
    what the transforms made of `original`, which is "" where there were none; `failure` says why they made nothing
    of it: then `template` is as given too.
    """

    template: str
    parameters: dict[str, str] = attrs.field(factory=dict)
    tags: Tags = attrs.field(factory=dict)
    capabilities: list[str] = attrs.field(factory=list)
    resolved: dict[str, str] = attrs.field(factory=dict)
    original: str = ""
    failure: str = ""

    @property
    def as_written(self) -> str:
        """The template's text as it was given."""
        return self.original or self.template


@attrs.frozen
class Shown:
    """What a stack shows to others: its description, its outputs, and what it exports and imports."""

    description: str | None = None
    outputs: list[Json] = attrs.field(factory=list)
    exports: dict[str, str] = attrs.field(factory=dict)
    imports: list[str] = attrs.field(factory=list)


@attrs.frozen
class StackOperation:
    """What is going on with a stack: one create, update or delete with its rollback.

    `wanted` is what is to become true (None for a delete), `before` what was true when the stack was last stable (None
    where it never was). `base` is the operation that left that state: this one, or the first of several without
    rollback. `type` is the operation as DescribeEvents names it. `skip` are resources that a rollback leaves as they
    are. `policy` is the stack policy that holds during an update, `new_policy` the one that holds after it.
    `express`: configured is complete. `force`: what cannot be deleted is left behind. A `led` one is an update that a
    parent stack started: it cleans up when the parent does, and until then the parent may take it back, to what the
    stack showed before (`shown`). `change_set` is the key of the change set that is being executed.
    `adopts` are the identifiers of existing resources that it takes over, by logical id; one that is `importing` does
    nothing else.
    """

    id: str
    kind: Literal["CREATE", "UPDATE", "DELETE"]
    phase: Phase
    started: float
    wanted: StackInput | None = None
    before: StackInput | None = None
    disable_rollback: bool = False
    on_failure: Literal["ROLLBACK", "DELETE", "DO_NOTHING"] = "ROLLBACK"
    token: str | None = None
    failed: list[str] = attrs.field(factory=list)
    retain: list[str] = attrs.field(factory=list)
    cancelled: bool = False
    led: bool = False
    shown: Shown | None = None
    type: str = ""
    base: str = ""
    skip: list[str] = attrs.field(factory=list)
    policy: str | None = None
    new_policy: str | None = None
    retain_except_on_create: bool = False
    express: bool = False
    force: bool = False
    change_set: str | None = None
    adopts: dict[str, dict[str, str]] = attrs.field(factory=dict)
    importing: bool = False


@attrs.frozen
class Stack:
    """`deleted` is when its removal began, by a rollback too. `stable` is the input of the last stable state while the
    stack has failed without rollback, or failed to roll back; `base` the operation that left that state. `tokens` are
    the client request tokens used so far, with the operation's type and id. `policy` is the stack policy's text.
    """

    KIND: ClassVar[str] = "cloudformation.stack"
    SHARED: ClassVar[bool] = True  # it holds its templates, and is read at each step of each resource

    account: str
    region: str
    name: str
    uuid: str
    status: str
    created: float
    input: StackInput
    principal: str
    reason: str | None = None
    updated: float | None = None
    deleted: float | None = None
    description: str | None = None
    role_arn: str | None = None
    disable_rollback: bool = False
    timeout_minutes: int | None = None
    notification_arns: list[str] = attrs.field(factory=list)
    termination_protection: bool = False
    change_set_id: str | None = None
    outputs: list[Json] = attrs.field(factory=list)
    exports: dict[str, str] = attrs.field(factory=dict)
    imports: list[str] = attrs.field(factory=list)
    operation: StackOperation | None = None
    waiting_for: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    stable: StackInput | None = None
    base: str = ""
    tokens: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    policy: str | None = None
    rollback_configuration: Json = attrs.field(factory=dict)
    retain_except_on_create: bool = False
    deployment_config: Json | None = None
    deletion_mode: str | None = None
    last_operations: list[tuple[str, str]] = attrs.field(factory=list)
    drift: str = "NOT_CHECKED"
    drift_checked: float | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}/{self.uuid}"

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{self.name}/{self.uuid}"


def key_of(stack_id: str) -> str:
    """The key of the stack that has this ARN: `arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID`."""
    _, _, _, region, account, path = stack_id.split(":", 5)
    return f"{account}/{region}/{path.removeprefix('stack/')}"


@attrs.frozen
class Made:
    """A real resource as a handler made it: its physical id, and the wish it was made from.

    `masked` are the properties as others may see them, None where nothing of them is secret.
    """

    physical_id: str
    properties: Json
    name: str | None
    tags: Tags = attrs.field(factory=dict)
    system_tags: Tags = attrs.field(factory=dict)
    attributes: Json = attrs.field(factory=dict)
    needs: list[str] = attrs.field(factory=list)
    ref: str = ""
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    metadata: Json | None = None
    masked: Json | None = None

    @property
    def shown(self) -> Json:
        """What events may show."""
        return self.properties if self.masked is None else self.masked


@attrs.frozen
class StackResource:
    """One logical resource of a stack.

    `made` is what stands now; `before` what stood (and `existed` whether anything did) when the stack was last stable,
    if an operation since then, the chain that began with `base`, has touched it. `leftover` is what the operation must
    still remove: the old one after a replacement, the new one after a revert. `last_id` is the physical id of what
    stood here once.
    `followed` is the operation in whose cleanup a nested stack has finished its own.
    """

    KIND: ClassVar[str] = "cloudformation.resource"

    stack: str  # the stack's key
    logical_id: str
    type: str
    status: str
    at: float
    reason: str | None = None
    detailed: str | None = None
    made: Made | None = None
    before: Made | None = None
    leftover: Made | None = None
    leftover_status: str = ""
    operation: str = ""
    existed: bool = False
    waiting_for: str | None = None
    started: float = 0.0
    followed: str = ""
    base: str = ""
    last_id: str = ""

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.logical_id}"

    def touched(self, operation: StackOperation, now: float) -> StackResource:
        """As `operation` begins to work on it: what stood in the last stable state is kept in mind."""
        begun = attrs.evolve(self, operation=operation.id, started=now)
        if self.base == operation.base:
            return begun
        return attrs.evolve(begun, base=operation.base, before=self.made, existed=self.made is not None)


@attrs.frozen
class Signal:
    """What somebody sent to a wait condition."""

    status: Literal["SUCCESS", "FAILURE"]
    reason: str = ""
    data: str = ""


@attrs.frozen
class WaitHandle:
    """Where signals arrive, by their unique ids; the first one of an id counts. Whoever knows `token` may signal."""

    KIND: ClassVar[str] = "cloudformation.wait-handle"

    stack: str  # the stack's key
    logical_id: str
    token: str
    signals: dict[str, Signal] = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.logical_id}/{self.token}"


@attrs.frozen
class Wait:
    """A resource that waits for `count` successes at `handle` (its key) for `timeout` seconds since `opened`.

    `by_policy`: a CreationPolicy made it wait, and SignalResource signals it.
    """

    KIND: ClassVar[str] = "cloudformation.wait"

    stack: str  # the stack's key
    logical_id: str
    handle: str
    count: int
    timeout: float
    opened: float
    by_policy: bool = False

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.logical_id}"


@attrs.frozen
class Notified:
    """How far the notifications have been sent: the last one's place in the journal."""

    KIND: ClassVar[str] = "cloudformation.notified"

    seq: int
    key: str = "all"


@attrs.frozen
class ChangeSet:
    """A create or update that is shown before it is done. It is found by its id even after its stack has gone.

    `changes` are the Changes of DescribeChangeSet without property values, `property_changes` those with them;
    `warning` says what the latter lack. An `empty` one failed because nothing would change. One of a nested stack
    stands below its parent's (`parent_id`) and the root's, for the parent's resource `logical_id`.
    """

    KIND: ClassVar[str] = "cloudformation.change-set"

    stack: str  # the stack's key
    stack_name: str
    stack_id: str
    name: str
    uuid: str
    type: str
    status: str
    execution_status: str
    created: float
    input: StackInput
    account: str
    region: str
    reason: str | None = None
    description: str | None = None
    changes: list[Json] = attrs.field(factory=list)
    property_changes: list[Json] = attrs.field(factory=list)
    warning: str | None = None
    role_arn: str | None = None
    notification_arns: list[str] = attrs.field(factory=list)
    rollback_configuration: Json = attrs.field(factory=dict)
    deployment_config: Json | None = None
    include_nested: bool = False
    on_stack_failure: str | None = None
    client_token: str | None = None
    empty: bool = False
    parent_id: str | None = None
    root_id: str | None = None
    logical_id: str = ""
    import_existing: bool = False
    adopts: dict[str, dict[str, str]] = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}/{self.uuid}"

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:changeSet/{self.name}/{self.uuid}"


@attrs.frozen
class ChangeSetName:
    """Which change set a stack's change set name stands for: the latest of that name. `key_of_set` is its key."""

    KIND: ClassVar[str] = "cloudformation.change-set-name"

    stack: str  # the stack's key
    name: str
    key_of_set: str

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.name}"


@attrs.frozen
class ResourceDrift:
    """What drift detection last found of a resource. `differences` are members of PropertyDifferences."""

    KIND: ClassVar[str] = "cloudformation.resource-drift"

    stack: str  # the stack's key
    stack_id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    at: float
    expected: Json = attrs.field(factory=dict)
    actual: Json = attrs.field(factory=dict)
    differences: list[Json] = attrs.field(factory=list)
    reason: str | None = None

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.logical_id}"


@attrs.frozen
class DriftDetection:
    """One call of DetectStackDrift with its result."""

    KIND: ClassVar[str] = "cloudformation.drift-detection"

    account: str
    region: str
    id: str
    stack_id: str
    status: str
    drifted: int
    at: float

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"
