"""The nouns of StackSets: one template, made a stack of in many accounts and regions. Times are epoch seconds."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

Action = Literal["CREATE", "UPDATE", "DELETE"]


@attrs.frozen
class StackSet:
    KIND: ClassVar[str] = "cloudformation.stack-set"

    account: str
    region: str
    name: str
    uuid: str
    template: str
    created: float
    parameters: dict[str, str] = attrs.field(factory=dict)
    capabilities: list[str] = attrs.field(factory=list)
    tags: Tags = attrs.field(factory=dict)
    description: str | None = None
    administration_role: str | None = None
    execution_role: str = "AWSCloudFormationStackSetExecutionRole"
    managed_execution: bool = False

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def id(self) -> str:
        return f"{self.name}:{self.uuid}"


@attrs.frozen
class StackInstance:
    """The set's stack in one account and region; `operation` is the last that touched it."""

    KIND: ClassVar[str] = "cloudformation.stack-instance"

    stack_set: str  # the set's key
    account: str
    region: str
    operation: str
    stack_id: str | None = None
    overrides: dict[str, str] = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.stack_set}/{self.account}/{self.region}"


@attrs.frozen
class StackSetResult:
    """One instance's part in an operation: the stack's operation that does it, or why there is none.

    `stack_operation` is None where there was nothing to do; `refusal` says why nothing could be done.
    """

    account: str
    region: str
    stack_id: str | None = None
    stack_operation: str | None = None
    refusal: str | None = None


@attrs.frozen
class StackSetOperation:
    KIND: ClassVar[str] = "cloudformation.stack-set-operation"

    stack_set: str  # the set's key
    stack_set_id: str
    id: str
    action: Action
    created: float
    results: list[StackSetResult] = attrs.field(factory=list)
    preferences: Json = attrs.field(factory=dict)
    retain: bool | None = None

    @property
    def key(self) -> str:
        return f"{self.stack_set}/{self.id}"
