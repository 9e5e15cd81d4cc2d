"""What a change set says an update would do. The expected details are those of change sets recorded on AWS."""

import json

import pytest

from neargate.model.errors import AwsError
from neargate.planners.template import UNKNOWN, Scope, evaluate
from neargate.planners.template.difference import After, Before, difference
from neargate.planners.template.functions import references
from neargate.planners.template.values import KNOWN_AFTER_APPLY, changed_paths, same

CREATE_ONLY = {"Name", "Image"}
CONDITIONAL = {"Launch"}


def replacement(type_name, path):
    first = path.split("/")[0]
    return "Always" if first in CREATE_ONLY else "Conditionally" if first in CONDITIONAL else "Never"


def before(properties, **more):
    return Before("T", properties, "id-1", **more)


def after(source, known=None, **more):
    """`known`: what references of resources give, by `Resource` or `Resource.Attribute`."""

    def answer(unknown):
        def reference(name, attribute):
            if name in (unknown or ()):
                return UNKNOWN
            return (known or {}).get(name if attribute is None else f"{name}.{attribute}", UNKNOWN)

        return evaluate(source, Scope(parameters={"Tag": "2"}, references=reference))

    needs = {r.name for r in references(source)} - {"Tag"}
    return After("T", source, answer, needs, **more)


def wire(old, new, parameters=(), values=False):
    found = difference(old, new, replacement, parameters, values=values)
    return [change.to_wire(values=values)["ResourceChange"] for change in found]


def explained(change):
    return [(d["ChangeSource"], d["Evaluation"], d.get("CausingEntity")) for d in change["Details"]]


def test_nothing_changed():
    assert wire({"A": before({"X": 1})}, {"A": after({"X": 1})}) == []


def test_a_number_and_its_text_are_the_same():
    old = {"A": before({"X": 1, "Y": True, "Z": [1.5]})}
    assert wire(old, {"A": after({"X": "1", "Y": "true", "Z": ["1.5"]})}, values=True) == []


def test_add_and_remove_by_logical_id():
    added, removed = wire({"B": before({})}, {"A": after({})})
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


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ("Retain", "Retain"),
        ("RetainExceptOnCreate", "Retain"),
        ("Snapshot", "Snapshot"),
        ("Delete", "Delete"),
    ],
)
def test_what_happens_to_a_removed_resource(policy, action):
    (change,) = wire({"A": before({}, attributes={"DeletionPolicy": policy})}, {})
    assert change["PolicyAction"] == action


def test_a_property_written_anew():
    (change,) = difference({"A": before({"Size": 1})}, {"A": after({"Size": 2})}, replacement)
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


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize(
    ("name", "expected"), [("Name", "True"), ("Launch", "Conditional"), ("Size", "False"), ("Tags", "False")]
)
def test_replacement(name, expected, values):
    (change,) = wire({"A": before({name: "a"})}, {"A": after({name: "b"})}, values=values)
    assert change["Replacement"] == expected


def test_a_replaced_resource_follows_its_policy():
    new = {"A": after({"Name": "b"}, attributes={"UpdateReplacePolicy": "Retain"})}
    (change,) = wire({"A": before({"Name": "a"})}, new)
    assert change["PolicyAction"] == "ReplaceAndRetain"


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("was", ["repo:1", {"Fn::Sub": "repo:${Tag}"}])
def test_a_parameter_is_the_cause(was, values):
    new = {"A": after({"Image": {"Fn::Sub": "repo:${Tag}"}})}
    (change,) = wire({"A": before({"Image": "repo:1"})}, new, ["Tag"], values)
    assert explained(change) == [
        ("ParameterReference", "Static", "Tag"),
        ("DirectModification", "Dynamic", None),
    ]
    assert change["Replacement"] == "True"


def test_a_parameter_that_changes_nothing_is_no_cause():
    assert wire({"A": before({"Size": "2"})}, {"A": after({"Size": {"Ref": "Tag"}})}, ["Tag"]) == []


# -- resources that refer to others -----------------------------------------------------------------------

KNOWN = {"First": "arn:1", "First.Title": "one", "Second.Title": "one"}


def chain(**first):
    """A topic, a second one that has its title, and one that refers to it."""
    old = {
        "First": before({"Name": "a", "Title": "one"}),
        "Second": before({"Title": "one"}),
        "Third": before({"Title": "arn:1"}),
    }
    new = {
        "Third": after({"Title": {"Ref": "First"}}, KNOWN),
        "Second": after({"Title": {"Fn::GetAtt": ["First", "Title"]}}, KNOWN),
        "First": after({"Name": "a", "Title": "one", **first}, KNOWN),
    }
    return old, new


def test_without_values_an_attribute_of_an_updated_resource_may_change():
    first, second = wire(*chain(Title="two"))
    assert explained(first) == [("DirectModification", "Static", None)]
    assert second["LogicalResourceId"] == "Second"
    assert explained(second) == [("ResourceAttribute", "Dynamic", "First.Title")]


def test_with_values_an_attribute_of_an_updated_resource_is_what_it_is_now():
    (first,) = wire(*chain(Title="two"), values=True)
    assert first["LogicalResourceId"] == "First"


def test_without_values_what_refers_to_a_replaced_resource_changes():
    _, second, third = wire(*chain(Name="b"))
    assert explained(second) == [("ResourceAttribute", "Static", "First.Title")]
    assert explained(third) == [("ResourceReference", "Static", "First")]


def test_with_values_what_refers_to_a_replaced_resource_is_known_after_apply():
    _, second, third = wire(*chain(Name="b"), values=True)
    assert explained(second) == [
        ("ResourceAttribute", "Static", "First.Title"),
        ("DirectModification", "Dynamic", None),
    ]
    assert third["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "RequiresRecreation": "Never",
        "Name": "Title",
        "Path": "/Properties/Title",
        "BeforeValue": "arn:1",
        "AfterValue": KNOWN_AFTER_APPLY,
        "AttributeChangeType": "Modify",
    }
    assert json.loads(third["AfterContext"]) == {"Properties": {"Title": KNOWN_AFTER_APPLY}}


def test_a_change_that_only_may_come_makes_a_replacement_conditional():
    old = {"First": before({"Title": "one"}), "Alarm": before({"Name": "one"}), "Last": before({"X": "a"})}
    new = {
        "First": after({"Title": "two"}, KNOWN),
        "Alarm": after({"Name": {"Fn::GetAtt": ["First", "Title"]}}, KNOWN),
        "Last": after({"X": {"Ref": "Alarm"}}, {"Alarm": "a"}),
    }
    alarm, _, last = wire(old, new)
    assert (alarm["Replacement"], alarm["PolicyAction"]) == ("Conditional", "ReplaceAndDelete")
    assert explained(last) == [("ResourceReference", "Dynamic", "Alarm")]


def test_a_reference_to_a_new_resource():
    new = {"A": after({"X": {"Ref": "New"}}), "New": after({})}
    change, added = wire({"A": before({"X": "old"})}, new, values=True)
    assert added["Action"] == "Add"
    assert explained(change) == [
        ("ResourceReference", "Static", "New"),
        ("DirectModification", "Dynamic", None),
    ]


@pytest.mark.parametrize("values", [False, True])
def test_a_nested_stack_is_always_updated(values):
    source = {"TemplateURL": "u"}
    known = {"Child.Outputs.Name": "a"}
    old = {"Child": before(source), "User": before({"X": "a"})}
    new = {
        "Child": after(source, nested=True),
        "User": after({"X": {"Fn::GetAtt": ["Child", "Outputs.Name"]}}, known),
    }
    child, user = wire(old, new, values=values)
    assert child["Replacement"] == "False"
    assert child["Details"] == [
        {
            "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
            "Evaluation": "Dynamic",
            "ChangeSource": "Automatic",
        }
    ]
    assert ("ResourceAttribute", "Dynamic", "Child.Outputs.Name") in explained(user)
    assert ("DirectModification" in str(explained(user))) is values


def test_a_removed_resource_is_shown_as_its_template_had_it():
    old = {"A": before({"X": "arn:1"}, written={"X": UNKNOWN})}
    (change,) = wire(old, {}, values=True)
    assert json.loads(change["BeforeContext"]) == {"Properties": {"X": KNOWN_AFTER_APPLY}}
    assert "AfterContext" not in change


# -- values ------------------------------------------------------------------------------------------------


def test_values_as_aws_documents_them():
    """The example of AWS's guide: a property removed, one modified, a tag added; scalars are texts."""
    attributes = {"DeletionPolicy": "Retain"}
    old = {"A": before({"Prefixes": [], "Text": "", "Count": 0, "Tags": []}, attributes=attributes)}
    new = {
        "A": after(
            {"Text": "Description", "Count": 0, "Tags": [{"Key": "Test", "Value": True}]},
            attributes=attributes,
        )
    }
    (change,) = wire(old, new, values=True)
    assert change["Scope"] == ["Properties", "Tags"]
    assert [detail["Target"] for detail in change["Details"]] == [
        {
            "Attribute": "Properties",
            "RequiresRecreation": "Never",
            "Name": "Prefixes",
            "Path": "/Properties/Prefixes",
            "BeforeValue": "[]",
            "AttributeChangeType": "Remove",
        },
        {
            "Attribute": "Properties",
            "RequiresRecreation": "Never",
            "Name": "Text",
            "Path": "/Properties/Text",
            "BeforeValue": "",
            "AfterValue": "Description",
            "AttributeChangeType": "Modify",
        },
        {
            "Attribute": "Tags",
            "RequiresRecreation": "Never",
            "Path": "/Properties/Tags/0",
            "AfterValue": '{"Key":"Test","Value":"true"}',
            "AttributeChangeType": "Add",
        },
    ]
    assert json.loads(change["AfterContext"]) == {
        "Properties": {
            "Text": "Description",
            "Count": "0",
            "Tags": [{"Key": "Test", "Value": "true"}],
        },
        "DeletionPolicy": "Retain",
    }


def test_a_cause_belongs_to_the_place_that_it_changes():
    old = {"A": before({"Env": {"A": "1", "B": "1", "L": ["1", "x"]}})}
    new = {"A": after({"Env": {"A": {"Ref": "Tag"}, "B": "2", "L": [{"Ref": "Tag"}, "y"]}})}
    (change,) = wire(old, new, ["Tag"], values=True)
    assert [(d["Target"]["Path"], d.get("CausingEntity"), d["Evaluation"]) for d in change["Details"]] == [
        ("/Properties/Env/A", "Tag", "Static"),
        ("/Properties/Env/A", None, "Dynamic"),
        ("/Properties/Env/B", None, "Static"),
        ("/Properties/Env/L/0", "Tag", "Static"),
        ("/Properties/Env/L/0", None, "Dynamic"),
        ("/Properties/Env/L/1", None, "Static"),
    ]


def test_metadata_and_the_tags_of_the_stack():
    old = {"A": before({}, tags={"a": "1"}, attributes={"Metadata": {"v": 1}})}
    new = {"A": after({}, tags={"a": "2"}, attributes={"Metadata": {"v": 2}, "DeletionPolicy": "Retain"})}
    (change,) = wire(old, new)
    assert change["Scope"] == ["Metadata", "DeletionPolicy", "Tags"]
    assert [detail["Target"] for detail in change["Details"]] == [
        {"Attribute": "Tags", "RequiresRecreation": "Never"},
        {"Attribute": "Metadata", "RequiresRecreation": "Never"},
        {"Attribute": "DeletionPolicy", "RequiresRecreation": "Never"},
    ]
    (change,) = wire(old, new, values=True)
    assert change["Details"][1]["Target"]["Path"] == "/Metadata/v"


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
@pytest.mark.parametrize("value", ["Retain", "Delete"])
def test_a_policy_that_is_written_is_an_update_even_if_it_says_what_holds_without_it(policy, value):
    (change,) = wire({"A": before({})}, {"A": after({}, attributes={policy: value})})
    assert (change["Scope"], change["Replacement"]) == ([policy], "False")
    assert (
        wire({"A": before({}, attributes={policy: value})}, {"A": after({}, attributes={policy: value})})
        == []
    )


def test_how_an_update_is_carried_out_is_no_update():
    attributes = {"UpdatePolicy": {"A": 1}, "CreationPolicy": {"B": 1}}
    assert wire({"A": before({})}, {"A": after({}, attributes=attributes)}) == []
    (change,) = wire({"A": before({"X": 1})}, {"A": after({"X": 2}, attributes=attributes)})
    assert change["Scope"] == ["Properties", "CreationPolicy", "UpdatePolicy"]


def test_another_type_is_refused():
    with pytest.raises(AwsError) as refused:
        difference({"A": before({})}, {"A": After("U", {}, lambda unknown: {})}, replacement)
    assert refused.value.message == (
        "Update of resource type is not permitted. The new template modifies resource type of the following "
        "resources: [A]"
    )


def test_paths_go_down_to_what_differs():
    old = {"L": [{"P": 1, "Q": 1}], "M": [1], "N": 1}
    new = {"L": [{"P": 2, "Q": 1}], "M": [1, 2], "O": 1}
    assert list(changed_paths("X", old, new)) == ["X/L/0/P", "X/M", "X/N", "X/O"]


def test_what_is_not_known_yet_is_the_same_as_nothing_but_itself():
    assert same({"A": UNKNOWN}, {"A": UNKNOWN})
    assert not same("a", UNKNOWN)
    assert not same([], {})
    assert not same(["a"], ["a", "b"])
