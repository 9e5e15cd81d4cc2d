"""What a change set says an update would do."""

import pytest

from neargate.model.errors import AwsError
from neargate.planners.template import UNKNOWN
from neargate.planners.template.difference import ResourceState, changed_paths, difference

CREATE_ONLY = {"Name", "Image"}
CONDITIONAL = {"Launch"}


def replacement(type_name, path):
    first = path.split("/")[0]
    return "Always" if first in CREATE_ONLY else "Conditionally" if first in CONDITIONAL else "Never"


def state(properties, source=None, **more):
    return ResourceState("T", properties, properties if source is None else source, "id-1", **more)


def wire(old, new, parameters=()):
    return [change.to_wire()["ResourceChange"] for change in difference(old, new, replacement, parameters)]


def test_nothing_changed():
    assert wire({"A": state({"X": 1})}, {"A": state({"X": 1})}) == []


def test_add_and_remove():
    added, removed = wire({"B": state({})}, {"A": state({})})
    assert added == {
        "Action": "Add",
        "LogicalResourceId": "A",
        "ResourceType": "T",
        "Scope": [],
        "Details": [],
    }
    assert (removed["Action"], removed["PhysicalResourceId"], removed["PolicyAction"]) == (
        "Remove",
        "id-1",
        "Delete",
    )


def test_a_property_written_anew():
    (change,) = difference({"A": state({"Size": 1})}, {"A": state({"Size": 2})}, replacement)
    assert change.to_wire() == {
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": "A",
            "PhysicalResourceId": "id-1",
            "ResourceType": "T",
            "Replacement": "False",
            "Scope": ["Properties"],
            "Details": [
                {
                    "Target": {"Attribute": "Properties", "Name": "Size", "RequiresRecreation": "Never"},
                    "Evaluation": "Static",
                    "ChangeSource": "DirectModification",
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("name", "expected"), [("Name", "True"), ("Launch", "Conditional"), ("Size", "False"), ("Tags", "False")]
)
def test_replacement(name, expected):
    (change,) = wire({"A": state({name: "a"})}, {"A": state({name: "b"})})
    assert change["Replacement"] == expected


def test_a_replaced_resource_follows_its_policy():
    (change,) = wire({"A": state({"Name": "a"})}, {"A": state({"Name": "b"}, update_replace_policy="Retain")})
    assert change["PolicyAction"] == "ReplaceAndRetain"


def test_a_parameter_is_the_cause():
    source = {"Image": {"Fn::Sub": "repo:${Tag}"}}
    (change,) = wire(
        {"A": state({"Image": "repo:1"}, source)}, {"A": state({"Image": "repo:2"}, source)}, ["Tag"]
    )
    assert [(d["Evaluation"], d["ChangeSource"], d.get("CausingEntity")) for d in change["Details"]] == [
        ("Static", "ParameterReference", "Tag"),
        ("Dynamic", "DirectModification", None),
    ]
    assert change["Replacement"] == "True"


def test_a_replacement_spreads_to_those_that_refer_to_it():
    task = {"Image": "a"}
    service = {"Task": {"Ref": "Task"}, "Count": 1}
    alarm = {"Name": {"Fn::GetAtt": ["Service", "Name"]}}
    old = {
        "Task": state(task),
        "Service": state({"Task": "arn:1", "Count": 1}, service),
        "Alarm": state({"Name": "s"}, alarm),
        "Other": state({"Name": "x"}),
    }
    new = {**old, "Task": state({"Image": "b"})}
    by_name = {change["LogicalResourceId"]: change for change in wire(old, new)}
    assert list(by_name) == ["Task", "Service", "Alarm"]
    assert by_name["Task"]["Replacement"] == "True"
    assert by_name["Service"]["Replacement"] == "False"
    assert by_name["Service"]["Details"] == [
        {
            "Target": {"Attribute": "Properties", "Name": "Task", "RequiresRecreation": "Never"},
            "Evaluation": "Dynamic",
            "ChangeSource": "ResourceReference",
            "CausingEntity": "Task",
        }
    ]
    assert by_name["Alarm"]["Replacement"] == "Conditional"
    assert by_name["Alarm"]["Details"][0]["CausingEntity"] == "Service.Name"
    assert by_name["Alarm"]["Details"][0]["ChangeSource"] == "ResourceAttribute"


def test_a_value_that_is_not_known_yet_is_dynamic():
    (change,) = wire({"A": state({"Size": "a"})}, {"A": state({"Size": UNKNOWN}, {"Size": "b"})})
    assert change["Details"][0]["Evaluation"] == "Dynamic"


def test_metadata_and_effective_tags():
    old = {"A": state({"Tags": [1]}, tags={"a": "1"}, metadata={"v": 1})}
    new = {"A": state({"Tags": [2]}, tags={"a": "2"}, metadata={"v": 2}, deletion_policy="Retain")}
    (change,) = wire(old, new)
    assert change["Scope"] == ["Metadata", "DeletionPolicy", "Tags"]
    assert [detail["Target"] for detail in change["Details"]] == [
        {"Attribute": "Tags", "RequiresRecreation": "Never"},
        {"Attribute": "Metadata", "RequiresRecreation": "Never"},
        {"Attribute": "DeletionPolicy", "RequiresRecreation": "Never"},
    ]


def test_a_policy_alone_is_no_update():
    assert wire({"A": state({})}, {"A": state({}, deletion_policy="Retain")}) == []


def test_another_type_is_refused():
    with pytest.raises(AwsError) as refused:
        difference({"A": state({})}, {"A": ResourceState("U", {})}, replacement)
    assert refused.value.message == (
        "Update of resource type is not permitted. The new template modifies resource type of the following "
        "resources: [A]"
    )


def test_paths_go_down_to_what_differs():
    old = {"L": [{"P": 1, "Q": 1}], "M": [1], "N": 1}
    new = {"L": [{"P": 2, "Q": 1}], "M": [1, 2], "O": 1}
    assert list(changed_paths("X", old, new)) == ["X/L/0/P", "X/M", "X/N", "X/O"]
