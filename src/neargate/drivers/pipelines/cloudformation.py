"""The CloudFormation deploy action in its five modes (facts 2.1)."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import attrs

from neargate.drivers.pipelines.job import ActionFailed, Job, Outcome, artifact_file, sdk_text
from neargate.model.codepipeline import Artifact
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json

# Facts 0.9: the guides disagree on ROLLBACK_COMPLETE; it can only be deleted, so it counts as failed.
REPLACEABLE = frozenset(
    {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"}
)
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_NO_CHANGE = ("No updates are to be performed", "didn't contain changes")


@attrs.frozen
class _Wanted:
    """What an action puts into CreateStack, UpdateStack or CreateChangeSet."""

    request: Json


class CloudFormationProvider:
    async def prepare(self, job: Job) -> None:
        return None

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        mode = job.configuration["ActionMode"]
        try:
            if mode == "DELETE_ONLY":
                return self._delete(cx, job)
            if mode == "CHANGE_SET_REPLACE":
                return self._replace_change_set(cx, job)
            if mode == "CHANGE_SET_EXECUTE":
                return self._execute_change_set(cx, job)
            return self._deploy(cx, job)
        except AwsError as error:
            raise ActionFailed(sdk_text(error, "AmazonCloudFormation")) from error

    # -- starting ------------------------------------------------------------------------------------------

    def _deploy(self, cx: Context, job: Job) -> Outcome:
        status = _status(cx, job)
        if status == "DELETE_IN_PROGRESS":
            return Outcome("InProgress", summary="waiting for the stack's deletion", state={"then": "create"})
        replace = job.configuration["ActionMode"] == "REPLACE_ON_FAILURE"
        if replace and status in REPLACEABLE:
            cx.invoke("cloudformation", "DeleteStack", {"StackName": _name(job)}, role=job.role)
            return Outcome(
                "InProgress", summary=f"replacing the stack: it is {status}", state={"then": "create"}
            )
        if status is not None and status.endswith("_CLEANUP_IN_PROGRESS"):
            return Outcome("InProgress", summary=f"waiting: the stack is {status}", state={"then": "deploy"})
        return self._create_or_update(cx, job, status)

    def _create_or_update(self, cx: Context, job: Job, status: str | None) -> Outcome:
        wanted = _wanted(cx, job).request
        if status is None or status == "REVIEW_IN_PROGRESS":
            answer = cx.invoke("cloudformation", "CreateStack", wanted, role=job.role)
            return _under_way(answer["StackId"], "Creating")
        try:
            answer = cx.invoke("cloudformation", "UpdateStack", wanted, role=job.role)
        except AwsError as error:
            if any(text in error.message for text in _NO_CHANGE):
                return self._succeeded(cx, job, f"Stack {_name(job)} is up to date")
            raise
        return _under_way(answer["StackId"], "Updating")

    def _delete(self, cx: Context, job: Job) -> Outcome:
        stack = _describe(cx, _name(job))
        if stack is None:
            return Outcome("Succeeded", summary="The stack does not exist")
        cx.invoke("cloudformation", "DeleteStack", {"StackName": stack["StackId"]}, role=job.role)
        return Outcome(
            "InProgress", external_id=stack["StackId"], state={"then": "gone", "stack": stack["StackId"]}
        )

    def _replace_change_set(self, cx: Context, job: Job) -> Outcome:
        name, change_set = _name(job), job.configuration["ChangeSetName"]
        status = _status(cx, job)
        if status is not None:
            cx.invoke(
                "cloudformation",
                "DeleteChangeSet",
                {"StackName": name, "ChangeSetName": change_set},
                role=job.role,
            )
        fresh = status in (None, "REVIEW_IN_PROGRESS")
        wanted = {
            **_wanted(cx, job).request,
            "ChangeSetName": change_set,
            "ChangeSetType": "CREATE" if fresh else "UPDATE",
        }
        answer = cx.invoke("cloudformation", "CreateChangeSet", wanted, role=job.role)
        shown = cx.invoke(
            "cloudformation", "DescribeChangeSet", {"ChangeSetName": answer["Id"]}, role=job.role
        )
        if shown["Status"] == "FAILED" and not any(
            text in shown.get("StatusReason", "") for text in _NO_CHANGE
        ):
            raise ActionFailed(f"Failed to create change set. Reason: {shown.get('StatusReason')}")
        return Outcome("Succeeded", summary=f"Change set {change_set} was created", external_id=answer["Id"])

    def _execute_change_set(self, cx: Context, job: Job) -> Outcome:
        name, change_set = _name(job), job.configuration["ChangeSetName"]
        request = {"StackName": name, "ChangeSetName": change_set}
        shown = cx.invoke("cloudformation", "DescribeChangeSet", request, role=job.role)
        if shown["Status"] == "FAILED" and any(text in shown.get("StatusReason", "") for text in _NO_CHANGE):
            return self._succeeded(cx, job, f"Stack {name} is up to date")
        cx.invoke("cloudformation", "ExecuteChangeSet", request, role=job.role)
        return _under_way(shown["StackId"], "Executing the change set of")

    # -- looking -------------------------------------------------------------------------------------------

    def look(self, cx: Context, job: Job) -> Outcome | None:
        run = job.run
        assert run is not None
        then = run.state.get("then", "done")
        try:
            if then in {"create", "deploy"}:
                return self._look_before(cx, job, then)
        except AwsError as error:
            raise ActionFailed(sdk_text(error, "AmazonCloudFormation")) from error
        stack = _describe(cx, run.state["stack"])
        status = stack["StackStatus"] if stack is not None else "DELETE_COMPLETE"
        if then == "gone":
            if status == "DELETE_COMPLETE":
                return Outcome("Succeeded", summary=f"Stack {_name(job)} was deleted")
            if status.endswith("_FAILED"):
                raise ActionFailed(_failure(cx, stack, status))
            return None
        if status in _GOOD:
            return self._succeeded(cx, job, f"Stack {_name(job)}: {status}")
        if status.endswith("_IN_PROGRESS"):
            summary = f"{status}"
            return Outcome("InProgress", summary=summary) if summary != run.summary else None
        raise ActionFailed(_failure(cx, stack, status))

    def _look_before(self, cx: Context, job: Job, then: str) -> Outcome | None:
        status = _status(cx, job)
        if status is not None and status.endswith("_IN_PROGRESS"):
            return None
        if then == "create" and status == "DELETE_FAILED":
            raise ActionFailed(_failure(cx, _describe(cx, _name(job)), status))
        if then == "deploy":
            return self._deploy(cx, job)
        return self._create_or_update(cx, job, status)

    def _succeeded(self, cx: Context, job: Job, summary: str) -> Outcome:
        stack = _describe(cx, _name(job))
        outputs = {o["OutputKey"]: o["OutputValue"] for o in (stack or {}).get("Outputs") or ()}
        artifacts = None
        file_name = job.configuration.get("OutputFileName")
        if file_name and job.output_names:
            name = job.output_names[0]
            key = job.artifact_key(name, cx.ids.letters(7))
            body = _zip(file_name, json.dumps(outputs))
            cx.invoke("s3", "PutObject", {"Bucket": job.bucket, "Key": key, "Body": body}, role=job.role)
            artifacts = [Artifact(name=name, bucket=job.bucket, object_key=key)]
        identity = stack["StackId"] if stack else None
        return Outcome(
            "Succeeded", summary=summary, external_id=identity, outputs=artifacts, variables=outputs
        )

    def abandon(self, cx: Context, job: Job) -> None:
        return None  # as on AWS: the stack goes on


def _under_way(stack_id: str, verb: str) -> Outcome:
    return Outcome(
        "InProgress",
        summary=f"{verb} the stack",
        external_id=stack_id,
        state={"then": "done", "stack": stack_id},
    )


def _name(job: Job) -> str:
    return job.configuration["StackName"]


def _describe(cx: Context, name: str) -> Json | None:
    try:
        answer = cx.invoke("cloudformation", "DescribeStacks", {"StackName": name})
    except AwsError as error:
        if "does not exist" in error.message:
            return None
        raise
    return dict(answer["Stacks"][0])


def _status(cx: Context, job: Job) -> str | None:
    stack = _describe(cx, _name(job))
    return None if stack is None else str(stack["StackStatus"])


def _failure(cx: Context, stack: Json | None, status: str) -> str:
    """CodePipeline's sentence, with the first resource that failed."""
    reason = "No reason was provided."
    if stack is not None:
        reason = stack.get("StackStatusReason") or reason
        events = cx.invoke("cloudformation", "DescribeStackEvents", {"StackName": stack["StackId"]})[
            "StackEvents"
        ]
        operation = events[0].get("OperationId") if events else None
        failed = [
            e
            for e in events
            if e["ResourceStatus"].endswith("_FAILED")
            and e["LogicalResourceId"] != stack["StackName"]
            and e.get("OperationId") == operation
        ]
        if failed:
            first = failed[-1]
            reason = f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', reason)}"
    return f"Failed to deploy the stack. Current stack status: {status}. Reason: {reason}"


# -- the request -------------------------------------------------------------------------------------------


def _wanted(cx: Context, job: Job) -> _Wanted:
    configuration = job.configuration
    template = _file(cx, job, configuration["TemplatePath"]).decode("utf-8", "replace")
    parameters: dict[str, str] = {}
    tags: dict[str, str] = {}
    if configuration.get("TemplateConfiguration"):
        given = _template_configuration(cx, job, configuration["TemplateConfiguration"])
        parameters.update(given.get("Parameters") or {})
        tags.update(given.get("Tags") or {})
        if given.get("StackPolicy"):
            raise ActionFailed(
                "Neargate does not apply the StackPolicy of a template configuration yet "
                "(docs/coverage.md#cloudformation).",
                "ConfigurationError",
            )
    if configuration.get("ParameterOverrides"):
        parameters.update(_overrides(cx, job, configuration["ParameterOverrides"]))
    capabilities = [c.strip() for c in (configuration.get("Capabilities") or "").split(",") if c.strip()]
    request: Json = {
        "StackName": _name(job),
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": _text(v)} for k, v in parameters.items()],
        "Capabilities": capabilities,
        "RoleARN": configuration.get("RoleArn"),
    }
    if tags:
        request["Tags"] = [{"Key": k, "Value": str(v)} for k, v in tags.items()]
    return _Wanted({name: value for name, value in request.items() if value is not None})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _template_configuration(cx: Context, job: Job, path: str) -> Json:
    try:
        given = json.loads(_file(cx, job, path))
    except ValueError as error:
        raise ActionFailed(
            f"Invalid TemplateConfiguration file format: {path.split('::')[-1]}. Please use a valid JSON object of the "
            f'following format: {{"Parameters": {{}}, "Tags": {{}}, "StackPolicy": {{}}}}: {error}',
            "ConfigurationError",
        ) from error
    if not isinstance(given, dict):
        raise ActionFailed(f"Invalid TemplateConfiguration file format: {path}", "ConfigurationError")
    return given


def _file(cx: Context, job: Job, path: str) -> bytes:
    """`Artifact::file` of one of the action's inputs."""
    artifact_name, _, file_name = path.partition("::")
    for artifact in job.inputs:
        if artifact.name == artifact_name:
            return artifact_file(cx, artifact, file_name, job.role)
    raise ActionFailed(
        f"Invalid action configuration: {path} names the artifact [{artifact_name}], which is not an input of the "
        "action.",
        "ConfigurationError",
    )


def _overrides(cx: Context, job: Job, text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ActionFailed(f"ParameterOverrides is not valid JSON: {error}", "ConfigurationError") from error
    if not isinstance(given, dict):
        raise ActionFailed(
            "ParameterOverrides is not a JSON object of names and values.", "ConfigurationError"
        )
    return {name: _override(cx, job, value) for name, value in given.items()}


def _override(cx: Context, job: Job, value: Any) -> Any:
    match value:
        case {"Fn::GetArtifactAtt": [str(name), ("BucketName" | "ObjectKey" | "URL") as attribute]}:
            return _artifact_attribute(job, name, attribute)
        case {"Fn::GetParam": [str(name), str(file_name), str(key)]}:
            return _artifact_parameter(cx, job, name, file_name, key)
        case {"Fn::GetArtifactAtt": _} | {"Fn::GetParam": _}:
            raise ActionFailed(
                f"ParameterOverrides: {json.dumps(value)} is neither "
                '{"Fn::GetArtifactAtt": [artifact, "BucketName" | "ObjectKey" | "URL"]} nor '
                '{"Fn::GetParam": [artifact, file, key]}.',
                "ConfigurationError",
            )
    return value


def _artifact_attribute(job: Job, name: str, attribute: str) -> str:
    artifact = next((a for a in job.inputs if a.name == name), None)
    if artifact is None:
        raise ActionFailed(f"Artifact [{name}] is not an input of the action.", "ConfigurationError")
    url = f"https://{artifact.bucket}.s3.{job.pipeline.region}.amazonaws.com/{artifact.object_key}"
    return {"BucketName": artifact.bucket, "ObjectKey": artifact.object_key, "URL": url}[attribute]


def _artifact_parameter(cx: Context, job: Job, name: str, file_name: str, key: str) -> Any:
    try:
        content = json.loads(_file(cx, job, f"{name}::{file_name}"))
    except ValueError as error:
        raise ActionFailed(
            f"File [{file_name}] of artifact [{name}] is not valid JSON: {error}", "ConfigurationError"
        ) from error
    if not isinstance(content, dict) or key not in content:
        raise ActionFailed(f"Key [{key}] does not exist in file [{file_name}] of artifact [{name}]")
    return content[key]


def _zip(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()
