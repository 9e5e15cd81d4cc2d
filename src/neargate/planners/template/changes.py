"""The nouns of a change set's Changes, and how DescribeChangeSet shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from neargate.planners.template.values import ABSENT, Leaf, shown, shown_text

Recreation = Literal["Always", "Conditionally", "Never"]
Evaluation = Literal["Static", "Dynamic"]
Replaced = Literal["True", "False", "Conditional"]
Source = Literal[
    "ParameterReference", "ResourceReference", "ResourceAttribute", "DirectModification", "Automatic"
]

_SCOPES = "Properties Metadata CreationPolicy UpdatePolicy DeletionPolicy UpdateReplacePolicy Tags".split()


@attrs.frozen
class Cause:
    """Why a value changes: `entity` is the parameter, the resource, or `Resource.Attribute`.

    Dynamic: only the execution will show whether it does.
    """

    source: Source
    entity: str | None = None
    evaluation: Evaluation = "Static"


@attrs.frozen
class Detail:
    """One cause of one changed attribute. `name` is the top-level property; None for other attributes.

    `leaf` is the value itself, with the whole path from the resource on, in the view with property values.
    """

    attribute: str
    name: str | None
    recreation: Recreation
    cause: Cause
    leaf: Leaf | None = None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "Target": self._target(),
            "Evaluation": self.cause.evaluation,
            "ChangeSource": self.cause.source,
        }
        if self.cause.entity is not None:
            wire["CausingEntity"] = self.cause.entity
        return wire

    def _target(self) -> dict[str, str]:
        target: dict[str, str] = {"Attribute": self.attribute, "RequiresRecreation": self.recreation}
        if self.name is not None:
            target["Name"] = self.name
        if self.leaf is not None:
            target["Path"] = "/" + "/".join(map(str, self.leaf.keys))
            if self.leaf.before is not ABSENT:
                target["BeforeValue"] = shown_text(self.leaf.before)
            if self.leaf.after is not ABSENT:
                target["AfterValue"] = shown_text(self.leaf.after)
            target["AttributeChangeType"] = self.leaf.kind
        return target


@attrs.frozen
class Change:
    """One resource's change. `replacement` is None unless it is modified.

    `before` and `after` are the resource's Properties, evaluated, and its other attributes as far as it has them.
    """

    action: Literal["Add", "Modify", "Remove"]
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: Replaced | None = None
    policy_action: str | None = None
    details: tuple[Detail, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def scope(self) -> list[str]:
        return [scope for scope in _SCOPES if any(d.attribute == scope for d in self.details)]

    def to_wire(self, *, values: bool = False) -> dict[str, Any]:
        """A member of DescribeChangeSet's Changes. `values`: with the contexts before and after, as JSON texts."""
        body: dict[str, Any] = {"Action": self.action, "LogicalResourceId": self.logical_id}
        if self.policy_action is not None:
            body["PolicyAction"] = self.policy_action
        if self.physical_id:
            body["PhysicalResourceId"] = self.physical_id
        body["ResourceType"] = self.type
        if self.replacement is not None:
            body["Replacement"] = self.replacement
        body["Scope"] = self.scope
        body["Details"] = [detail.to_wire() for detail in self.details]
        if values:
            body |= {
                member: json.dumps(shown(context), separators=(",", ":"), ensure_ascii=False)
                for member, context in (("BeforeContext", self.before), ("AfterContext", self.after))
                if context is not None
            }
        return {"Type": "Resource", "ResourceChange": body}
