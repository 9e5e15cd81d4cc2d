"""Starting an execution: the one way, whoever asks."""

from __future__ import annotations

import attrs

from neargate.model.codepipeline import HISTORY, Execution, Pipeline
from neargate.model.operations import Context


def start(cx: Context, pipeline: Pipeline, trigger: str, detail: str, token: str | None = None) -> Execution:
    """Record a new execution; the driver runs it."""
    number = pipeline.executions + 1
    execution = Execution(
        pipeline=pipeline.key,
        id=cx.ids.uuid(),
        number=number,
        version=pipeline.version,
        structure=pipeline.structure,
        status="InProgress",
        started=cx.now,
        updated=cx.now,
        trigger=trigger,
        trigger_detail=detail,
        token=token,
    )
    cx.tx.put(attrs.evolve(pipeline, executions=number))
    cx.tx.put(execution)
    cx.tx.append(HISTORY, pipeline.key, {"execution": execution.id, "event": "started", "trigger": trigger})
    return execution
