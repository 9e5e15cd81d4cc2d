"""Dynamic references while a stack is carried out.

A resource's record, its events and its change sets keep secret references as written; what they stand for is put in
only for the handler's calls. So a secret that changes is no change of the resource, as on AWS.
"""

from __future__ import annotations

import attrs

from neargate.drivers.stacks.handlers import HandlerFailed
from neargate.model.cloudformation import Made
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.planners.template.references import Reference, replaced
from neargate.resources import evaluation, lookups
from neargate.resources.declaration import Desired


def looking_up(cx: Context, place: evaluation.Place, role: str | None) -> evaluation.Place:
    """The place, with Parameter Store behind its plain references."""
    return attrs.evolve(place, plain=lambda reference: lookups.plain_value(cx.invoke, reference, role))


def revealed(cx: Context, want: Desired, role: str | None) -> Desired:
    """The wish as a handler needs it, secrets put in. Raises HandlerFailed where one cannot be read."""

    def resolve(reference: Reference) -> str | None:
        try:
            return lookups.secret_value(cx.invoke, reference, role)
        except AwsError as error:
            raise HandlerFailed(error.message, "InvalidRequest") from error

    return attrs.evolve(
        want,
        properties=replaced(want.properties, resolve),
        name=replaced(want.name, resolve),
        tags=replaced(want.tags, resolve),
    )


def concealed(made: Made, want: Desired) -> Made:
    """What was made from a revealed wish, to be recorded as the wish was written."""
    return attrs.evolve(made, properties=want.properties, name=want.name, tags=want.tags)
