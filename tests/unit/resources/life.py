"""One resource, taken through its life by its declaration: as a stack of its own would, without a stack driver.

topic = Life(aws, "AWS::SNS::Topic")
topic.create(DisplayName="News")
topic.update(DisplayName="Old news")
topic.delete()
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from neargate.drivers.stacks import handlers
from neargate.model.cloudformation import Made, StackInput
from neargate.model.records import Json, Tx
from neargate.resources import drift, evaluation, registry, schemas, states
from neargate.resources.declaration import Desired, Existing
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud

STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/1"


class Life:
    """What is wanted is checked as CloudFormation does: the schema, what is honoured, what would replace."""

    def __init__(self, aws: Cloud, type_name: str, logical_id: str = "Res") -> None:
        self.aws = aws
        self.declared = registry.find(type_name)
        self.logical_id = logical_id
        self.made: Made | None = None
        self._changes = 0

    @property
    def id(self) -> str:
        assert self.made is not None
        return self.made.physical_id

    @property
    def ref(self) -> str:
        assert self.made is not None
        return self.made.ref

    @property
    def attributes(self) -> Json:
        assert self.made is not None
        return self.made.attributes

    def create(self, stack_tags: dict[str, str] | None = None, **properties: Any) -> None:
        want = self._desired(properties, stack_tags or {})

        def work(tx: Tx) -> Made:
            return handlers.make(self.declared, want, [], self._context(tx), None)

        self.made = self.aws.write(work)
        self._has_every_attribute()
        self._is_as_wanted()

    def update(self, stack_tags: dict[str, str] | None = None, **properties: Any) -> None:
        """Change it in place; a change that would replace it is a mistake of the test."""
        made = self.made
        assert made is not None
        assert self.declared.update is not None
        update, want = self.declared.update, self._desired(properties, stack_tags or {})
        changed = evaluation.change(self.declared.type, made, want)
        assert changed, "nothing differs"
        assert not evaluation.needs_replacement(self.declared.type, made, want, changed)
        before = attrs.evolve(want, properties=made.properties, name=made.name, tags=made.tags)

        def work(tx: Tx) -> Made:
            cx = self._context(tx)
            handlers.carry_out(update(Existing(made.physical_id, before), want), cx, None)
            fresh = Made(made.physical_id, want.properties, want.name, want.tags, want.system_tags)
            return handlers.read(self.declared, fresh, Existing(made.physical_id, want), cx, None)

        self.made = self.aws.write(work)
        self._has_every_attribute()
        self._is_as_wanted()

    def replaced_by(self, **properties: Any) -> bool:
        """Whether this change would replace it."""
        assert self.made is not None
        want = self._desired(properties, {})
        changed = evaluation.change(self.declared.type, self.made, want)
        return evaluation.needs_replacement(self.declared.type, self.made, want, changed)

    def delete(self) -> None:
        made = self.made
        assert made is not None

        def work(tx: Tx) -> None:
            existing = evaluation.existing(made, self.logical_id, self._place())
            handlers.carry_out(self.declared.delete(existing), self._context(tx), None)

        self.aws.write(work)

    def drift(self) -> list[str]:
        """The paths in which it differs from what was last wanted; nothing for a type that is not read."""
        made, read = self.made, states.reader(self.declared.type)
        assert made is not None
        if read is None:
            return []
        existing = evaluation.existing(made, self.logical_id, self._place())

        def work(tx: Tx) -> Json:
            state: Json = handlers.carry_out(read(existing), self._context(tx), None)
            return state

        found = drift.compare(self.declared.type, existing, self.aws.write(work))
        return [difference.path for difference in found.differences]

    def _is_as_wanted(self) -> None:
        """What was made has what was wanted of it."""
        differing = self.drift()
        assert not differing, f"wanted and not there: {differing}"

    def _context(self, tx: Tx) -> Any:
        acting = attrs.evolve(self.aws.caller, via="cloudformation.amazonaws.com")
        return self.aws.dispatcher.context(tx, acting)

    def _place(self) -> evaluation.Place:
        return evaluation.Place(
            ACCOUNT, REGION, "shop", STACK, lambda region: (f"{region}a", f"{region}b"), lambda name: None
        )

    def _desired(self, properties: Json, stack_tags: dict[str, str]) -> Desired:
        kind = self.declared.type
        assert properties.keys() <= self.declared.honoured, "what is not honoured is refused earlier"
        assert not schemas.violations(kind, properties)
        resource = {"Type": kind, "Properties": properties}
        template = json.dumps({"Resources": {self.logical_id: resource}})
        opened = evaluation.open_stack(StackInput(template), self._place(), {})
        self._changes += 1
        return evaluation.desired(
            opened,
            self.logical_id,
            self._place(),
            stack_tags,
            seed=f"{kind}/{self.logical_id}",
            token=f"{kind}/{self.logical_id}/{self._changes}",
            kept_name=self.made.name if self.made else None,
        )

    def _has_every_attribute(self) -> None:
        """GetAtt finds what the schema says that it returns: top-level ones that this resource has."""
        known = schemas.schema(self.declared.type)
        missing = {name for name in known.read_only if "/" not in name} - self.attributes.keys()
        assert missing <= OPTIONAL.get(self.declared.type, frozenset()), f"no attribute {missing}"


# Attributes that a resource has only with certain properties.
OPTIONAL = {
    "AWS::DynamoDB::Table": frozenset({"StreamArn"}),
    "AWS::DynamoDB::GlobalTable": frozenset({"StreamArn"}),
    "AWS::Kinesis::Stream": frozenset({"WarmThroughputObject"}),
}
