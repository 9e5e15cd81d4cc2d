"""ListActionTypes: what a pipeline here may use."""

from __future__ import annotations

from typing import Any

from neargate import wire
from tests.unit.services.cloud import cloud


def listed(**request: Any) -> list[dict[str, Any]]:
    with cloud() as aws:
        answer = aws.call("codepipeline", "ListActionTypes", **request)
    target = wire.Target("codepipeline", "ListActionTypes", "json", json_version="1.1")
    assert wire.encode(target, answer, "id").status == 200
    return list(answer["actionTypes"])


def name(each: dict[str, Any]) -> str:
    return "/".join((each["id"]["category"], each["id"]["owner"], each["id"]["provider"]))


def test_every_listed_type_is_accepted_in_a_pipeline_and_no_other_is_listed() -> None:
    names = {name(each) for each in listed()}
    assert {"Source/ThirdParty/GitHub", "Build/AWS/CodeBuild", "Deploy/AWS/CloudFormation"} <= names
    assert "Deploy/AWS/CodeDeploy" not in names  # nothing here would run it


def test_artifact_counts_are_those_that_a_pipeline_is_checked_against() -> None:
    build = next(each for each in listed() if name(each) == "Build/AWS/CodeBuild")
    assert build["inputArtifactDetails"] == {"minimumCount": 1, "maximumCount": 5}
    assert build["outputArtifactDetails"] == {"minimumCount": 0, "maximumCount": 5}
    assert build["id"]["version"] == "1"


def test_the_owner_filters() -> None:
    assert [name(each) for each in listed(actionOwnerFilter="ThirdParty")] == ["Source/ThirdParty/GitHub"]
    assert listed(actionOwnerFilter="Custom") == []
