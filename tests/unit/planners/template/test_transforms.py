"""Transforms: where they may stand, in which order they are carried out, and what AWS::Include does."""

from __future__ import annotations

import pytest

from neargate.model.errors import AwsError
from neargate.planners import template as language

TRANSFORMED = {
    "Transform": ["First", {"Name": "Second", "Parameters": {"A": "b"}}],
    "Resources": {
        "R": {
            "Type": "T",
            "Properties": {
                "Fn::Transform": [{"Name": "Outer"}, "Next"],
                "Deep": {"Fn::Transform": {"Name": "Inner", "Parameters": {"X": {"Ref": "P"}}}, "beside": 1},
            },
        }
    },
}


def test_the_deepest_transforms_come_first_and_the_section_s_last():
    seen = []

    def apply(transform, fragment, whole):
        seen.append((transform.name, sorted(fragment), whole))
        return {**fragment, transform.name: dict(transform.parameters)}

    processed = language.process(TRANSFORMED, apply)
    assert seen == [
        ("Inner", ["beside"], False),
        ("Outer", ["Deep"], False),
        ("Next", ["Deep", "Outer"], False),
        ("First", ["Resources"], True),
        ("Second", ["First", "Resources"], True),
    ]
    assert processed["Second"] == {"A": "b"}
    assert processed["Resources"]["R"]["Properties"]["Deep"] == {"beside": 1, "Inner": {"X": {"Ref": "P"}}}
    assert "Transform" not in processed
    assert language.transform_names(TRANSFORMED) == ("First", "Second", "Outer", "Next", "Inner")


def test_a_transform_may_put_a_text_in_its_place_but_not_in_that_of_the_template():
    value = {"Resources": {"R": {"Type": "T", "Properties": {"P": {"Fn::Transform": "M"}}}}}
    made = language.process(value, lambda transform, fragment, whole: "text")
    assert made["Resources"]["R"]["Properties"] == {"P": "text"}
    with pytest.raises(language.TransformFailed, match=r"^Template format error: unsupported structure\.$"):
        language.process({"Transform": "M"}, lambda transform, fragment, whole: "text")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"Name": {"Ref": "P"}}, "Key Name of transform definition must be a string."),
        ({}, "Key Name of transform definition must be a string."),
        ({"Name": "M", "Parameters": []}, "Key Parameters of transform definition must be a map."),
        (7, "Template format error: unsupported structure."),
    ],
)
def test_malformed_uses_are_refused(section, message):
    for data in ({"Transform": section}, {"Resources": {"Fn::Transform": [section]}}):
        with pytest.raises(AwsError) as refused:
            language.transform_names(data)
        assert refused.value.message == message


def test_parameters_of_a_transform_are_scalars_when_they_are_evaluated():
    transform = language.Transform("M", {"A": {"Ref": "P"}, "B": ["x", 1]})
    assert language.settled_parameters(transform, lambda v: "p" if v == {"Ref": "P"} else v) == {
        "A": "p",
        "B": ["x", 1],
    }
    with pytest.raises(language.TransformFailed) as failed:
        language.settled_parameters(transform, lambda v: language.UNKNOWN)
    assert failed.value.reason == (
        "The value of parameter A under transform M must resolve to a string, number, boolean or a list of any of "
        "these."
    )


# -- AWS::Include ---------------------------------------------------------------------------------------------


def test_include_reads_from_s3_and_nowhere_else():
    assert language.include_location({"Location": "s3://b/dir/file.yml"}) == ("b", "dir/file.yml")
    for place in ("https://b/file", "s3://", "s3://b", "s3:///k", "../api.yaml", 7, None):
        with pytest.raises(language.TransformFailed) as failed:
            language.include_location({"Location": place})
        assert (
            failed.value.reason
            == "Transform AWS::Include failed with: The location parameter is not a valid S3 uri."
        )


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "{", "A: !Ref B", "A: {'Fn::Transform': {Name: AWS::Include}}", "A: {'Fn::Transform': 7}", ""],
)
def test_a_snippet_is_plain_yaml_or_json(text):
    with pytest.raises(language.TransformFailed) as failed:
        language.include_snippet(text)
    assert failed.value.reason == (
        "Transform AWS::Include failed with: The specified S3 object's content should be valid Yaml/JSON"
    )


def test_a_snippet_wins_over_what_stands_beside_it():
    assert language.merged_include({"A": 1, "B": {"x": 1}}, {"B": {"y": 2}, "C": 3}, False) == {
        "A": 1,
        "B": {"y": 2},
        "C": 3,
    }


def test_at_the_top_sections_are_joined():
    template = {"Resources": {"A": 1, "B": 2}, "Description": "old"}
    snippet = {"Resources": {"B": 3, "C": 4}, "Outputs": {}, "Description": "new"}
    assert language.merged_include(template, snippet, True) == {
        "Resources": {"A": 1, "B": 3, "C": 4},
        "Outputs": {},
        "Description": "new",
    }
