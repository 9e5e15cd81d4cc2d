"""The loop that moves executions through their stages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs

from neargate.drivers.pipelines.approval import ApprovalProvider
from neargate.drivers.pipelines.build import CodeBuildProvider
from neargate.drivers.pipelines.cloudformation import CloudFormationProvider
from neargate.drivers.pipelines.job import ActionFailed, Job, Outcome, Provider, caller_of
from neargate.drivers.pipelines.source import GitSourceProvider, S3SourceProvider
from neargate.drivers.workqueue import WorkQueue
from neargate.model.codepipeline import HISTORY, ActionRun, Execution, Pipeline, StageRun
from neargate.model.errors import AwsError
from neargate.model.ports import Clock, Ids, Store
from neargate.model.records import Json, Reader, Tx
from neargate.planners import pipeline as planner
from neargate.planners import pipeline_structure
from neargate.runtimes.git import GitRepositories
from neargate.services.dispatch import Dispatcher

LOOK_AGAIN = 5.0  # seconds; a safety net below the wake-ups
_WAKES = frozenset({"cloudformation.stack", "codebuild.build"})


class PipelineDriver:
    """Runs what StartPipelineExecution and its kin recorded."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, clock: Clock, ids: Ids, repositories: GitRepositories
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._ids = ids
        self._queue = WorkQueue("pipelines", self.reconcile, clock)
        self._active: set[str] = set()
        git = GitSourceProvider(store, repositories, dispatcher.settings, dispatcher.blobs)
        self._providers: Mapping[str, Provider] = {
            "GitHub": git,
            "CodeStarSourceConnection": git,
            "CodeCommit": git,
            "S3": S3SourceProvider(),
            "CodeBuild": CodeBuildProvider(),
            "CloudFormation": CloudFormationProvider(),
            "Manual": ApprovalProvider(),
        }

    async def run(self) -> None:
        """Work until cancelled."""
        unfinished = self._store.read(lambda view: {e.pipeline for e in view.scan(Execution) if e.active})
        self._active.update(unfinished)
        unsubscribe = self._store.subscribe(None, self._notice)
        try:
            self._queue.wake_all(sorted(unfinished))
            await asyncio.get_running_loop().create_future()
        finally:
            unsubscribe()
            await self._queue.close()

    def _notice(self, kind: str, key: str) -> None:
        if kind == Execution.KIND:
            self._queue.wake(key.rsplit("/", 1)[0])
        elif kind == Pipeline.KIND:
            self._queue.wake(key)
        elif kind in _WAKES:
            self._queue.wake_all(tuple(self._active))

    async def reconcile(self, key: str) -> float | None:
        while True:
            pipeline, executions = self._store.read(lambda view: _load(view, key))
            if pipeline is None or not any(e.active for e in executions):
                self._active.discard(key)
                return None
            self._active.add(key)
            steps = planner.plan(executions, pipeline.disabled)
            by_number = {e.number: e for e in executions}
            moved = await asyncio.gather(*(self._do(pipeline, by_number[s.execution], s) for s in steps))
            if not any(moved):
                return self._clock.now() + LOOK_AGAIN

    async def _do(self, pipeline: Pipeline, execution: Execution, step: planner.Action) -> bool:
        match step:
            case planner.Enter():
                return await self._change(execution, _enter(self._clock.now()))
            case planner.Supersede(by=by):
                return await self._change(
                    execution, lambda e: attrs.evolve(e, status="Superseded", summary=by)
                )
            case planner.Wait(reason=reason):
                return await self._change(execution, lambda e: attrs.evolve(e, waiting_for=reason))
            case planner.EndStage(status=status):
                return await self._change(execution, lambda e: _end_stage(e, status))
            case planner.StartAction(action=name):
                return await self._start(pipeline, execution, name)
            case planner.LookAtAction(action=name):
                return await self._look(pipeline, execution, name)

    async def _change(self, execution: Execution, change: object) -> bool:
        def write(tx: Tx) -> bool:
            now = tx.get(Execution, execution.key)
            if (
                now is None
                or not now.active
                or not _is_where(now, execution)
                or now.stages != execution.stages
            ):
                return True
            assert callable(change)
            changed = attrs.evolve(change(now), updated=now.updated)
            if changed == now:
                return False
            _keep(tx, now, attrs.evolve(changed, updated=self._clock.now()))
            return True

        return await self._store.write(write)

    # -- actions -------------------------------------------------------------------------------------------

    async def _start(self, pipeline: Pipeline, execution: Execution, name: str) -> bool:
        declared = next(a for a in planner.declared_actions(execution) if a["name"] == name)
        provider = self._providers[declared["actionTypeId"]["provider"]]
        stage = planner.current_stage(execution).name
        run = ActionRun(
            name=name,
            id=self._ids.uuid(),
            status="InProgress",
            started=self._clock.now(),
            updated=self._clock.now(),
            configuration=dict(declared.get("configuration") or {}),
        )
        try:
            configuration = _resolved(pipeline, execution, declared)
            run = attrs.evolve(run, configuration=configuration)
            job = Job(
                pipeline=pipeline,
                execution=execution,
                stage=stage,
                declared=declared,
                configuration=configuration,
            )
            prepared = await provider.prepare(job)

            def begin(tx: Tx) -> None:
                now = tx.get(Execution, execution.key)
                if now is None or not now.inside or not _is_where(now, execution):
                    return  # deleted meanwhile: nothing is begun that nobody would look after
                cx = self._dispatcher.context(tx, caller_of(pipeline))
                self._record(tx, execution, _after(run, provider.begin(cx, job, prepared), cx.now))

            await self._store.write(begin)
        except (ActionFailed, AwsError) as error:
            await self._record_failure(execution, run, error)
        return True

    async def _look(self, pipeline: Pipeline, execution: Execution, name: str) -> bool:
        declared = next(a for a in planner.declared_actions(execution) if a["name"] == name)
        provider = self._providers[declared["actionTypeId"]["provider"]]
        stage = planner.current_stage(execution)
        run = next(r for r in stage.actions if r.name == name)
        job = Job(
            pipeline=pipeline,
            execution=execution,
            stage=stage.name,
            declared=declared,
            configuration=run.configuration,
            run=run,
        )

        def look(tx: Tx) -> bool:
            cx = self._dispatcher.context(tx, caller_of(pipeline))
            if execution.abandon:
                provider.abandon(cx, job)
                self._record(tx, execution, attrs.evolve(run, status="Abandoned", updated=cx.now))
                return True
            outcome = provider.look(cx, job)
            if outcome is None:
                return False
            self._record(tx, execution, _after(run, outcome, cx.now))
            return True

        try:
            return await self._store.write(look)
        except (ActionFailed, AwsError) as error:
            await self._record_failure(execution, run, error)
            return True

    async def _record_failure(
        self, execution: Execution, run: ActionRun, error: ActionFailed | AwsError
    ) -> None:
        now = self._clock.now()
        code = error.code if isinstance(error, ActionFailed) else "JobFailed"
        failed = attrs.evolve(
            run, status="Failed", updated=now, summary=None, error_code=code, error_message=error.message
        )
        await self._store.write(lambda tx: self._record(tx, execution, failed))

    def _record(self, tx: Tx, execution: Execution, run: ActionRun) -> None:
        """Put a run into its stage, unless the execution has moved on without it."""
        now = tx.get(Execution, execution.key)
        if now is None or not now.inside or not _is_where(now, execution):
            return
        stage = now.stages[-1]
        others = [r for r in stage.actions if r.name != run.name]
        known = next((r for r in stage.actions if r.name == run.name), None)
        if known is not None and known.status != "InProgress":
            return
        changed = attrs.evolve(stage, actions=sorted([*others, run], key=lambda r: r.started))
        _keep(tx, now, attrs.evolve(now, stages=[*now.stages[:-1], changed], updated=self._clock.now()))
        body: Json = {"execution": now.id, "stage": stage.name, "action": run.name, "event": run.status}
        if run.error_message:
            body["error"] = run.error_message
        tx.append(HISTORY, now.pipeline, body)


def _load(view: Reader, key: str) -> tuple[Pipeline | None, list[Execution]]:
    return view.get(Pipeline, key), view.scan(Execution, key + "/")


def _is_where(now: Execution, execution: Execution) -> bool:
    """Whether it is the same execution at the same stage. Numbers, and so keys, begin again where a pipeline is deleted
    and made anew."""
    return (now.id, now.position) == (execution.id, execution.position)


def _keep(tx: Tx, before: Execution, after: Execution) -> None:
    tx.put(after)
    if before.status != after.status:
        body: Json = {"execution": after.id, "event": after.status}
        tx.append(HISTORY, after.pipeline, body)


def _enter(now: float) -> object:
    def enter(execution: Execution) -> Execution:
        name = execution.structure["stages"][execution.position]["name"]
        stage = StageRun(name=name, status="InProgress", entered=now)
        return attrs.evolve(execution, inside=True, stages=[*execution.stages, stage], waiting_for=None)

    return enter


def _end_stage(execution: Execution, status: str) -> Execution:
    """Close the stage the execution is in; on success go to the next, or end."""
    if not execution.inside:
        return attrs.evolve(execution, status="Stopped", waiting_for=None)
    closed = attrs.evolve(execution.stages[-1], status=status)
    ended = attrs.evolve(execution, stages=[*execution.stages[:-1], closed], inside=False, waiting_for=None)
    if status == "Succeeded":
        if execution.stop_requested:
            return attrs.evolve(ended, status="Stopped")
        if execution.position + 1 == len(execution.structure["stages"]):
            return attrs.evolve(ended, status="Succeeded")
        return attrs.evolve(ended, position=execution.position + 1)
    return attrs.evolve(ended, status=status)


def _after(run: ActionRun, outcome: Outcome, now: float) -> ActionRun:
    given = {
        name: value
        for name, value in attrs.asdict(outcome, recurse=False).items()
        if value is not None and name != "status"
    }
    return attrs.evolve(run, status=outcome.status, updated=now, **given)


def _resolved(pipeline: Pipeline, execution: Execution, declared: Json) -> dict[str, str]:
    """The configuration with output variables filled in. Raises ActionFailed for one that nobody set."""
    values: dict[str, dict[str, str]] = {"codepipeline": {"PipelineExecutionId": execution.id}}
    for stage in execution.stages:
        actions = next(s["actions"] for s in execution.structure["stages"] if s["name"] == stage.name)
        namespaces = {a["name"]: a.get("namespace") for a in actions}
        for run in stage.actions:
            namespace = namespaces.get(run.name)
            if namespace:
                values[namespace] = run.variables
    configuration = declared.get("configuration") or {}
    try:
        return {name: pipeline_structure.resolve(str(value), values) for name, value in configuration.items()}
    except LookupError as missing:
        raise ActionFailed(
            f"An action configuration refers to the variable {missing.args[0]}, which does not exist.",
            "ConfigurationError",
        ) from None
