"""What the agent answers a task on 169.254.170.2, over the records: metadata, measurements, its own protection.

Paths and errors as in the public sources of the agent (`agent/handlers`, `ecs-agent/tmds`).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from neargate.drivers.ecs.network import TaskIdentity, vpc_of
from neargate.drivers.ecs.task_rights import TaskRights
from neargate.model.ec2 import dns_domain
from neargate.model.ecs import Task, TaskContainer, TaskDefinition, definition_key_of
from neargate.model.errors import AwsError
from neargate.model.ports import Clock, Store
from neargate.model.records import Json, Reader
from neargate.model.runtime import EngineUnavailable, NoSuchContainer, Runtime
from neargate.model.zones import zones
from neargate.planners.private_names import resolver_of
from neargate.planners.task_metadata import Surroundings, container_document, task_document, with_previous
from neargate.runtimes.host_clock import clock_state
from neargate.services.dispatch import Dispatcher

Answer = tuple[int, Any]
"""An HTTP status and what its body says, as JSON."""

_PATH = re.compile(r"/v(?P<version>[34])/(?P<id>[^/]+)(?P<rest>|/task|/taskWithTags|/stats|/task/stats)/?")
_SECOND = re.compile(r"/v2/(?P<what>metadata|stats)(?:/(?P<id>[^/]+))?/?")
_AGENT = re.compile(r"/api/(?P<id>[^/]+)/(?P<rest>.+)")
_PROTECTION = "task-protection/v1/state"
_DOES_NOT_RUN = "Unable to get container stats for: {}"


class TaskMetadata:
    """Answers a task about itself."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock, runtime: Runtime) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._runtime = runtime
        self._rights = TaskRights(dispatcher)
        self._last: dict[str, tuple[float, Json]] = {}

    async def __call__(self, identity: object, method: str, path: str, body: bytes) -> Answer:
        """The answer at a path below `/v2`, `/v3`, `/v4` or `/api`."""
        if not isinstance(identity, TaskIdentity):
            return 404, "404 page not found"
        found = self._store.read(lambda view: _task(view, identity.key))
        if found is None:
            return 404, "404 page not found"
        task, definition = found
        if (agent := _AGENT.fullmatch(path)) is not None:
            return await self._agent(task, agent["id"], agent["rest"], method, body)
        if method != "GET":
            return 405, "Method not allowed"
        if (second := _SECOND.fullmatch(path)) is not None:
            return await self._version_2(task, definition, second["what"], second["id"])
        match = _PATH.fullmatch(path)
        if match is None:
            return 404, "404 page not found"
        return await self._later(task, definition, int(match["version"]), match["id"], match["rest"])

    async def _later(
        self, task: Task, definition: TaskDefinition, version: int, docker_id: str, rest: str
    ) -> Answer:
        """Versions 3 and 4, where the path names a container."""
        container = _container(task, docker_id)
        if container is None:
            return _unknown(version, docker_id, rest)
        around = self._store.read(lambda view: self._around(view, task))
        match rest:
            case "":
                return 200, container_document(task, definition, container, version, around)
            case "/task" | "/taskWithTags":
                tags = rest == "/taskWithTags"
                return 200, task_document(task, definition, version, around, tags=tags)
            case "/task/stats":
                return 200, await self._all_stats(task)
        stats = await self._stats(container)
        if stats is None:
            return (500 if version == 4 else 400), _DOES_NOT_RUN.format(docker_id)
        return 200, stats

    async def _version_2(
        self, task: Task, definition: TaskDefinition, what: str, docker_id: str | None
    ) -> Answer:
        if docker_id is None:
            if what == "stats":
                return 200, await self._all_stats(task)
            return 200, task_document(task, definition, 2, Surroundings())
        container = _container(task, docker_id)
        if what == "stats":
            stats = None if container is None else await self._stats(container)
            return (400, _DOES_NOT_RUN.format(docker_id)) if stats is None else (200, stats)
        if container is None:
            return 400, f"Unable to generate metadata for container '{docker_id}'"
        return 200, container_document(task, definition, container, 2, Surroundings())

    def _around(self, view: Reader, task: Task) -> Surroundings:
        vpc = vpc_of(view, task)
        zone = next((zone.id for zone in zones(task.region) if zone.name == task.zone), "")
        return Surroundings(
            zone_id=zone,
            name_servers=(resolver_of(vpc.cidr),) if vpc is not None else (),
            search=(dns_domain(task.region),) if vpc is not None else (),
            clock=self._clock_drift(),
        )

    def _clock_drift(self) -> Json | None:
        state = clock_state()
        if state is None:
            return None
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        return {
            "ClockErrorBound": state.error_bound,
            "ReferenceTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ClockSynchronizationStatus": "SYNCHRONIZED" if state.synchronised else "NOT_SYNCHRONIZED",
        }

    # -- measurements --------------------------------------------------------------------------------------

    async def _all_stats(self, task: Task) -> Json:
        """By Fargate's id; null for a container that does not run."""
        return {container.docker_id: await self._stats(container) for container in task.containers}

    async def _stats(self, container: TaskContainer) -> Json | None:
        """Docker's document, with the reading of the last request as the one before; None where it does not run."""
        if container.status != "RUNNING":
            self._last.pop(container.docker_id, None)
            return None
        try:
            found = await self._runtime.detailed_stats(await self._runtime.inspect(container.runtime_id))
        except (NoSuchContainer, EngineUnavailable):
            return None
        if found is None:
            return None
        now = self._clock.now()
        found = {**found, "name": f"/{container.name}", "id": container.docker_id}
        at, before = self._last.get(container.docker_id, (now, None))
        self._last[container.docker_id] = (now, found)
        return with_previous(found, before, now - at)

    # -- the agent's own API -------------------------------------------------------------------------------

    async def _agent(self, task: Task, docker_id: str, rest: str, method: str, body: bytes) -> Answer:
        if rest != _PROTECTION or method not in ("GET", "PUT"):
            return 404, "404 page not found"
        request: Json = {}
        if method == "PUT":
            read = _protection_request(body)
            if read is None:
                message = "UpdateTaskProtection: failed to decode request"
                return 400, _failure("", "InvalidParameterException", message)
            request = read
        if _container(task, docker_id) is None:
            message = "Failed to find a task for the request"
            return 404, _failure("", "ResourceNotFoundException", message)
        if method == "PUT" and request.get("ProtectionEnabled") is None:
            message = "Invalid request: does not contain 'ProtectionEnabled' field"
            return 400, _failure(task.arn, "InvalidParameterException", message)
        if task.task_role is None:
            message = "Invalid Request: no task IAM role credentials available for task"
            return 403, _failure(task.arn, "AccessDeniedException", message)
        return await self._protect(
            task, "UpdateTaskProtection" if method == "PUT" else "GetTaskProtection", request
        )

    async def _protect(self, task: Task, operation: str, given: Json) -> Answer:
        """As the agent does: the call under the task's role, its one protection or failure as the answer."""
        request: Json = {"cluster": task.cluster_arn, "tasks": [task.arn]}
        if given:
            request["protectionEnabled"] = given["ProtectionEnabled"]
            if given.get("ExpiresInMinutes") is not None:
                request["expiresInMinutes"] = given["ExpiresInMinutes"]
        try:
            caller = await self._rights.require(task, f"ecs:{operation}", task.arn)
            answer = await self._dispatcher.call(caller, "ecs", operation, request)
        except AwsError as error:
            request_id = error.request_id or self._dispatcher.ids.uuid()
            refused = _failure(task.arn, error.code, error.message)
            return error.status, {"requestID": request_id, **refused}
        if answer.get("failures"):
            failure = answer["failures"][0]
            return 200, {"failure": {name.capitalize(): value for name, value in failure.items()}}
        protection = answer["protectedTasks"][0]
        expires = protection.get("expirationDate")
        return 200, {
            "protection": {
                "ExpirationDate": None if expires is None else _rfc3339(expires),
                "ProtectionEnabled": bool(protection.get("protectionEnabled")),
                "TaskArn": task.arn,
            }
        }


def _task(view: Reader, key: str) -> tuple[Task, TaskDefinition] | None:
    """None before the task has its address, and once it is forgotten."""
    task = view.get(Task, key)
    if task is None or not task.attachment.ip:
        return None
    definition = view.get(TaskDefinition, definition_key_of(task.task_definition))
    return None if definition is None else (task, definition)


def _container(task: Task, docker_id: str) -> TaskContainer | None:
    return next((container for container in task.containers if container.docker_id == docker_id), None)


def _unknown(version: int, docker_id: str, rest: str) -> Answer:
    """The agent's sentence for an id that is no container's of this task."""
    what = {"": "container metadata", "/stats": "container stats", "/task/stats": "task stats"}.get(
        rest, "task metadata"
    )
    missing = "task arn from request: unable to get task Arn"
    if what == "container metadata":
        missing = "container ID from request: unable to get docker ID"
    status = 404 if version == 4 else 400
    return status, f"V{version} {what} handler: unable to get {missing} from v3 endpoint ID: {docker_id}"


def _protection_request(body: bytes) -> Json | None:
    """None for what the agent's decoder refuses: other members, other types."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    if not isinstance(said, dict) or not said.keys() <= {"ProtectionEnabled", "ExpiresInMinutes"}:
        return None
    enabled, minutes = said.get("ProtectionEnabled"), said.get("ExpiresInMinutes")
    if (
        not isinstance(enabled, bool | None)
        or isinstance(minutes, bool)
        or not isinstance(minutes, int | None)
    ):
        return None
    return said


def _failure(arn: str, code: str, message: str) -> Json:
    error: Json = {"Arn": arn} if arn else {}
    return {"error": error | {"Code": code, "Message": message}}


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
