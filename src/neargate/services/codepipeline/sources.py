"""Which local git repository stands for a pipeline's source, and what a push to one starts."""

from __future__ import annotations

import attrs

from neargate.model.codepipeline import GitRef, Pipeline, SourceMapping
from neargate.model.operations import Context
from neargate.model.records import Json, Reader
from neargate.services.codepipeline.starting import start

GIT_PROVIDERS = frozenset({"GitHub", "CodeStarSourceConnection", "CodeCommit"})
_STACK_TAG = "aws:cloudformation:stack-name"


@attrs.frozen
class GitSource:
    """A repository that Neargate hosts, the ref to build from, and the project's folder in it."""

    repository: str
    ref: str
    path: str = ""


def named(action: Json) -> tuple[str, str]:
    """(repository, branch) as a git source action names them: `owner/name` or a CodeCommit name."""
    configuration = action.get("configuration") or {}
    provider = action["actionTypeId"]["provider"]
    if provider == "GitHub":
        return f"{configuration['Owner']}/{configuration['Repo']}", configuration["Branch"]
    if provider == "CodeStarSourceConnection":
        return configuration["FullRepositoryId"], configuration["BranchName"]
    return configuration["RepositoryName"], configuration["BranchName"]


def source_of(view: Reader, pipeline: Pipeline, action: Json) -> GitSource | None:
    """What stands for a git source action: an explicit mapping, the project of the pipeline's stack, or a
    repository of that name that somebody pushed here. None where nothing does."""
    repository, branch = named(action)
    place = f"{pipeline.account}/{pipeline.region}"
    subjects = [f"repository:{repository}"]
    if _STACK_TAG in pipeline.tags:
        subjects.append(f"stack:{pipeline.tags[_STACK_TAG]}")
    for subject in subjects:
        mapping = view.get(SourceMapping, f"{place}/{subject}")
        if mapping is not None:
            return GitSource(mapping.repository, mapping.ref, mapping.path)
    ref = f"refs/heads/{branch}"
    if view.get(GitRef, f"{repository}\n{ref}") is not None:
        return GitSource(repository, ref)
    return None


def git_actions(pipeline: Pipeline) -> list[Json]:
    """The git source actions of a pipeline."""
    first = pipeline.structure["stages"][0]
    return [a for a in first["actions"] if a["actionTypeId"]["provider"] in GIT_PROVIDERS]


def pushed(cx: Context, repository: str, ref: str, commit: str) -> list[str]:
    """Record where a branch stands after a push, and start the pipelines that build from it.

    Returns the names of the pipelines. A push that moves nothing starts nothing.
    """
    key = f"{repository}\n{ref}"
    known = cx.tx.get(GitRef, key)
    if known is not None and known.commit == commit:
        return []
    cx.tx.put(GitRef(repository=repository, ref=ref, commit=commit, at=cx.now, by=cx.caller.principal))
    started = []
    for pipeline in cx.tx.scan(Pipeline):
        sources = [source_of(cx.tx, pipeline, action) for action in git_actions(pipeline) if _listens(action)]
        if any(s is not None and (s.repository, s.ref) == (repository, ref) for s in sources):
            start(cx, pipeline, "Webhook", f"git push {repository} {ref}")
            started.append(pipeline.name)
    return started


def _listens(action: Json) -> bool:
    """PollForSourceChanges and DetectChanges both default to true; a push is how either would notice."""
    configuration = action.get("configuration") or {}
    return str(configuration.get("DetectChanges", "true")).lower() != "false"
