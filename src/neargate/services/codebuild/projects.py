"""Build projects: declare, change, show, forget."""

from __future__ import annotations

import copy
from collections.abc import Callable

import attrs

from neargate.model.codebuild import Project
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import from_list, lower
from neargate.services.codebuild.checks import check_settings, role_arn
from neargate.services.codebuild.paging import page

_DECIDED = (
    *("description", "source", "secondarySources", "sourceVersion", "secondarySourceVersions", "artifacts"),
    *("secondaryArtifacts", "cache", "environment", "serviceRole", "timeoutInMinutes"),
    *("queuedTimeoutInMinutes", "encryptionKey", "logsConfig", "concurrentBuildLimit", "badgeEnabled"),
)

_SORT: dict[str, Callable[[Project], str | float]] = {
    "NAME": lambda project: project.name,
    "CREATED_TIME": lambda project: project.created,
    "LAST_MODIFIED_TIME": lambda project: project.modified,
}


def required(cx: Context, name_or_arn: str) -> Project:
    """The project of this name or ARN. Raises ResourceNotFoundException."""
    name = name_or_arn.rpartition("/")[2]
    found = cx.tx.get(Project, cx.caller.scope(name))
    if found is None:
        arn = cx.caller.arn("codebuild", f"project/{name}")
        raise AwsError("ResourceNotFoundException", f"Project cannot be found: {arn}")
    return found


@operation("codebuild", "CreateProject")
def create_project(cx: Context, request: Json) -> Json:
    name = request["name"]
    project = Project(
        account=cx.account,
        region=cx.region,
        name=name,
        created=cx.now,
        modified=cx.now,
        declared=_declared(cx, request, {}, "CreateProject", name),
        tags=from_list(request.get("tags")),
    )
    if cx.tx.get(Project, project.key) is not None:
        raise AwsError("ResourceAlreadyExistsException", f"Project already exists: {project.arn}")
    cx.tx.put(project)
    return {"project": described(project)}


@operation("codebuild", "UpdateProject")
def update_project(cx: Context, request: Json) -> Json:
    """Replaces each member that is given, whole; the others stay."""
    project = required(cx, request["name"])
    project = attrs.evolve(
        project,
        modified=cx.now,
        declared=_declared(cx, request, project.declared, "UpdateProject", project.name),
        tags=from_list(request["tags"]) if request.get("tags") is not None else project.tags,
    )
    cx.tx.put(project)
    return {"project": described(project)}


@operation("codebuild", "DeleteProject")
def delete_project(cx: Context, request: Json) -> Json:
    """Its builds stay. Deleting what is not there is fine."""
    cx.tx.delete(Project, cx.caller.scope(request["name"].rpartition("/")[2]))
    return {}


@operation("codebuild", "BatchGetProjects", reads=True)
def batch_get_projects(cx: Context, request: Json) -> Json:
    names = list(dict.fromkeys(request["names"]))
    found = {name: cx.tx.get(Project, cx.caller.scope(name.rpartition("/")[2])) for name in names}
    return {
        "projects": [described(project) for project in found.values() if project is not None],
        "projectsNotFound": [name for name, project in found.items() if project is None],
    }


@operation("codebuild", "ListProjects", reads=True)
def list_projects(cx: Context, request: Json) -> Json:
    projects = cx.tx.scan(Project, cx.caller.scope(""))
    projects.sort(key=_SORT[request.get("sortBy") or "NAME"])
    if request.get("sortOrder") == "DESCENDING":
        projects.reverse()
    return page(request, "projects", [project.name for project in projects])


def _declared(cx: Context, request: Json, old: Json, operation_name: str, name: str) -> Json:
    """What is in force after the request, checked and with AWS's defaults."""
    given = {member: request[member] for member in _DECIDED if request.get(member) is not None}
    declared: Json = copy.deepcopy({**_defaults(cx), **old, **given})
    check_settings(operation_name, {**declared, **{k: v for k, v in request.items() if k not in _DECIDED}})
    declared["serviceRole"] = role_arn(cx, declared["serviceRole"])
    environment = declared["environment"]
    environment.setdefault("environmentVariables", [])
    environment.setdefault("privilegedMode", False)
    environment.setdefault("imagePullCredentialsType", "CODEBUILD")
    for variable in environment["environmentVariables"]:
        variable.setdefault("type", "PLAINTEXT")
    declared["source"].setdefault("insecureSsl", False)
    complete_artifacts(declared["artifacts"], name)
    for artifacts in declared.get("secondaryArtifacts") or ():
        complete_artifacts(artifacts, name)
    return declared


def complete_artifacts(artifacts: Json, project: str) -> None:
    """Fill in what AWS takes for granted of a ProjectArtifacts."""
    artifacts.setdefault("encryptionDisabled", False)
    if artifacts["type"] == "S3":
        artifacts.setdefault("name", project)
        artifacts.setdefault("namespaceType", "NONE")
        artifacts.setdefault("packaging", "NONE")


def _defaults(cx: Context) -> Json:
    return {
        "cache": {"type": "NO_CACHE"},
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": cx.caller.arn("kms", "alias/aws/s3"),
        "badgeEnabled": False,
    }


def described(project: Project) -> Json:
    """A `Project` shape."""
    shape = {member: value for member, value in project.declared.items() if member != "badgeEnabled"}
    return {
        **shape,
        "name": project.name,
        "arn": project.arn,
        "tags": lower(project.tags),
        "created": project.created,
        "lastModified": project.modified,
        "badge": {"badgeEnabled": bool(project.declared.get("badgeEnabled"))},
        "projectVisibility": "PRIVATE",
    }
