"""Step Functions: the revision that an update gives; an execution is refused, as nothing would run it."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Addition, Asked, Correction


def _machine(asked: Asked) -> Any:
    from moto.stepfunctions.models import stepfunctions_backends

    backend = stepfunctions_backends[asked.account][asked.region]
    return backend.describe_state_machine(asked.request["stateMachineArn"])


def _updated(asked: Asked, answer: Json) -> Json:
    """Each update has an id of its own, the same after a restart."""
    machine = _machine(asked)
    machine.neargate_updates = getattr(machine, "neargate_updates", 0) + 1
    return {**answer, "revisionId": _revision(machine)}


def _revision(machine: Any) -> str | None:
    updates = getattr(machine, "neargate_updates", 0)
    return str(uuid5(NAMESPACE_URL, f"{machine.arn}/{updates}")) if updates else None


def _described(asked: Asked, answer: Json) -> Json:
    logging = {"includeExecutionData": False, **answer["loggingConfiguration"]}
    revision = _revision(_machine(asked))
    return {**answer, "loggingConfiguration": logging, **({"revisionId": revision} if revision else {})}


def _not_run(asked: Asked) -> Json:
    """moto would say that it succeeded, without a step."""
    raise not_implemented("stepfunctions: the execution of a state machine", "stepfunctions")


ADDITIONS: dict[str, Addition] = {"StartExecution": _not_run, "StartSyncExecution": _not_run}
CORRECTIONS: dict[str, Correction] = {
    "DescribeStateMachine": _described,
    "UpdateStateMachine": _updated,
}
