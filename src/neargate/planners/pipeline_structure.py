"""Whether a pipeline declaration is one that CodePipeline accepts (facts 2.3), and whether Neargate can run it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from neargate.model.errors import AwsError, not_implemented
from neargate.model.records import Json
from neargate.planners.pipeline import run_order

# (category, owner, provider) -> (inputs at least, at most, outputs at least, at most)
PROVIDERS: dict[tuple[str, str, str], tuple[int, int, int, int]] = {
    ("Source", "ThirdParty", "GitHub"): (0, 0, 1, 1),
    ("Source", "AWS", "CodeStarSourceConnection"): (0, 0, 1, 1),
    ("Source", "AWS", "CodeCommit"): (0, 0, 1, 1),
    ("Source", "AWS", "S3"): (0, 0, 1, 1),
    ("Build", "AWS", "CodeBuild"): (1, 5, 0, 5),
    ("Test", "AWS", "CodeBuild"): (1, 5, 0, 5),
    ("Deploy", "AWS", "CloudFormation"): (0, 10, 0, 1),
    ("Approval", "AWS", "Manual"): (0, 0, 0, 0),
}

_REQUIRED: dict[str, tuple[str, ...]] = {
    "GitHub": ("Owner", "Repo", "Branch", "OAuthToken"),
    "CodeStarSourceConnection": ("ConnectionArn", "FullRepositoryId", "BranchName"),
    "CodeCommit": ("RepositoryName", "BranchName"),
    "S3": ("S3Bucket", "S3ObjectKey"),
    "CodeBuild": ("ProjectName",),
    "CloudFormation": ("ActionMode", "StackName"),
    "Manual": (),
}
_MODES = {
    "CREATE_UPDATE": ("TemplatePath", "RoleArn"),
    "REPLACE_ON_FAILURE": ("TemplatePath", "RoleArn"),
    "DELETE_ONLY": ("RoleArn",),
    "CHANGE_SET_REPLACE": ("ChangeSetName", "TemplatePath", "RoleArn"),
    "CHANGE_SET_EXECUTE": ("ChangeSetName",),
}


def check(structure: Json) -> None:
    """Raises AwsError with CodePipeline's code for whatever is wrong first."""
    stages = structure.get("stages") or []
    if len(stages) < 2:
        raise _structure_error("Pipeline should contain at least two stages")
    if ("artifactStore" in structure) == ("artifactStores" in structure):
        raise _structure_error("Pipeline must have exactly one of artifactStore or artifactStores")
    names = [stage["name"] for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise _structure_error(
                f"Stage name must be unique within a pipeline, but {name} is used more than once"
            )
    _check_actions(stages)
    _check_artifacts(stages)
    if structure.get("executionMode") not in (None, "SUPERSEDED"):
        raise not_implemented(f"codepipeline: executionMode {structure['executionMode']}", "codepipeline")
    for member in ("triggers", "variables"):
        if structure.get(member):
            raise not_implemented(f"codepipeline: {member}", "codepipeline")


def _structure_error(text: str) -> AwsError:
    return AwsError("InvalidStructureException", text)


def _check_actions(stages: list[Json]) -> None:
    for index, stage in enumerate(stages):
        actions = stage.get("actions") or []
        if not actions:
            raise AwsError(
                "InvalidStageDeclarationException", f"Stage {stage['name']} must have at least one action"
            )
        names = [action["name"] for action in actions]
        for action in actions:
            if names.count(action["name"]) > 1:
                raise _structure_error(
                    f"Action name must be unique within a stage, but {action['name']} is used more than once in stage "
                    f"{stage['name']}"
                )
            _check_action(stage["name"], action, first=index == 0)
        for member in ("onFailure", "onSuccess", "beforeEntry"):
            if stage.get(member):
                raise not_implemented(f"codepipeline: stage {member}", "codepipeline")


def _check_action(stage: str, action: Json, *, first: bool) -> None:
    kind = action["actionTypeId"]
    category = kind["category"]
    if first and category != "Source":
        raise _structure_error(
            f"Pipeline first stage must only contain source actions, but {action['name']} is a {category} action"
        )
    if not first and category == "Source":
        raise _structure_error(
            f"Source action {action['name']} is only allowed in the first stage of a pipeline"
        )
    limits = PROVIDERS.get((category, kind["owner"], kind["provider"]))
    if limits is None:
        raise not_implemented(
            f"codepipeline: action type {category}/{kind['owner']}/{kind['provider']}", "codepipeline"
        )
    configuration = action.get("configuration") or {}
    required = list(_REQUIRED[kind["provider"]])
    if kind["provider"] == "CloudFormation":
        mode = configuration.get("ActionMode")
        if mode is not None and mode not in _MODES:
            raise _action_error(f"ActionMode {mode} is not one of {', '.join(sorted(_MODES))}")
        required += _MODES.get(mode or "", ())
    missing = [name for name in required if not configuration.get(name)]
    if missing:
        raise _action_error(
            f"Action configuration for action '{action['name']}' is missing required configuration '{missing[0]}'"
        )
    low_in, high_in, low_out, high_out = limits
    _check_count(action, "input", len(action.get("inputArtifacts") or ()), low_in, high_in)
    _check_count(action, "output", len(action.get("outputArtifacts") or ()), low_out, high_out)
    if action.get("region"):
        raise not_implemented("codepipeline: actions in another region", "codepipeline")


def _action_error(text: str) -> AwsError:
    return AwsError("InvalidActionDeclarationException", text)


def _check_count(action: Json, what: str, count: int, low: int, high: int) -> None:
    if count < low:
        raise _action_error(
            f"Action {action['name']} has {count} {what} artifacts which is less than the minimum count {low}"
        )
    if count > high:
        raise _action_error(
            f"Action {action['name']} has {count} {what} artifacts which exceeds the maximum count {high}"
        )


def _check_artifacts(stages: list[Json]) -> None:
    made: set[str] = set()
    for stage in stages:
        for action in sorted(stage["actions"], key=run_order):
            for artifact in action.get("inputArtifacts") or ():
                if artifact["name"] not in made:
                    raise _structure_error(
                        f"Input Artifact Bundle {artifact['name']} in action {action['name']} is not declared as "
                        "Output Artifact Bundle in any of the preceding actions"
                    )
            for artifact in action.get("outputArtifacts") or ():
                if artifact["name"] in made:
                    raise _structure_error(
                        f"Output Artifact Bundle name must be unique within the pipeline. {artifact['name']} has been "
                        "used more than once."
                    )
                made.add(artifact["name"])


_VARIABLE = re.compile(r"#\{([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_-]+)\}")


def variables_in(text: str) -> Iterator[tuple[str, str]]:
    """The (namespace, name) pairs that a configuration value refers to."""
    for match in _VARIABLE.finditer(text):
        yield match.group(1), match.group(2)


def resolve(text: str, values: dict[str, dict[str, str]]) -> str:
    """Put output variables into a configuration value. Raises LookupError naming one that nobody set."""

    def value(match: re.Match[str]) -> str:
        namespace, name = match.group(1), match.group(2)
        if namespace not in values or name not in values[namespace]:
            raise LookupError(f"#{{{namespace}.{name}}}")
        return values[namespace][name]

    return _VARIABLE.sub(value, text)
