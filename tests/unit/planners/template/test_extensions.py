"""AWS::LanguageExtensions: loops written out, known functions carried out, AWS's reasons for what it refuses."""

from __future__ import annotations

import pytest

from neargate.planners import template as language

SCOPE = language.Scope(
    parameters={
        "Names": ["a", "b-1"],
        "Env": "prod",
        "Key": "k1",
        "Keep": "Retain",
        "Secret": language.UNKNOWN,
    },
    account="111111111111",
    region="eu-west-1",
    stack_name="web",
)
MAPPINGS = """
Mappings:
  Sizes: {prod: {cpu: '512', zones: [x, y]}}
Conditions: {IsProd: !Equals [!Ref Env, prod]}
"""


def extended(body, scope=SCOPE):
    return language.extended(language.read(body), scope)


def value_of(expression, scope=SCOPE):
    body = f"{MAPPINGS}Resources:\n  R: {{Type: T, Properties: {{P: {expression}}}}}"
    return extended(body, scope)["Resources"]["R"]["Properties"]["P"]


def refused(body):
    with pytest.raises(language.TransformFailed) as failed:
        extended(body)
    return failed.value.reason


KNOWN = {
    "length of a list parameter": ("{'Fn::Length': !Ref Names}", 2),
    "length of a list": ("{'Fn::Length': [a, !GetAtt X.Y, c]}", None),
    "length of a split": ("{'Fn::Length': !Split [',', 'a,b,c']}", 3),
    "length of a mapping": ("{'Fn::Length': !FindInMap [Sizes, !Ref Env, zones]}", 2),
    "json of a map": (
        "{'Fn::ToJsonString': {a: foo, b: [1, true, !Ref Env]}}",
        '{"a":"foo","b":[1,true,"prod"]}',
    ),
    "json of a list parameter": ("{'Fn::ToJsonString': !Ref Names}", '["a","b-1"]'),
    "json without a value": ("{'Fn::ToJsonString': {a: 1, b: !Ref AWS::NoValue}}", '{"a":1}'),
    "default of a lookup": ("!FindInMap [Sizes, dev, cpu, {DefaultValue: '256'}]", "256"),
    "default of an unknown map": ("!FindInMap [!Sub 'Map${Env}', a, b, {DefaultValue: !Ref Env}]", "prod"),
    "lookup with functions": (
        "!FindInMap [Sizes, !Select [0, !Split ['-', 'prod-x']], !Join ['', [c, pu]]]",
        "512",
    ),
    "pseudo parameters": ("!Sub '${AWS::StackName}_api-${AWS::Region}'", "web_api-eu-west-1"),
    "a name in a name": ("!Ref {'Fn::Join': ['', [E, nv]]}", "prod"),
    "a context": ("!Sub ['${A}-${B}', {A: !Ref Env, B: 1}]", "prod-1"),
}


@pytest.mark.parametrize("name", [n for n, (_, expected) in KNOWN.items() if expected is not None])
def test_what_is_known_before_deployment_is_carried_out(name):
    expression, expected = KNOWN[name]
    assert value_of(expression) == expected


OPEN = {
    "a resource": ("!Ref Bucket", {"Ref": "Bucket"}),
    "an attribute": (
        "!GetAtt [!Sub 'Bucket${Key}', !Join ['', [A, rn]]]",
        {"Fn::GetAtt": ["Bucketk1", "Arn"]},
    ),
    "a computed reference": ("!Ref {'Fn::Sub': 'Bucket${Key}'}", {"Ref": "Bucketk1"}),
    "a choice": (
        "!If [IsProd, !Ref Env, !Ref AWS::NoValue]",
        {"Fn::If": ["IsProd", "prod", {"Ref": "AWS::NoValue"}]},
    ),
    "an import": ("!ImportValue {'Fn::Sub': '${Env}-vpc'}", {"Fn::ImportValue": "prod-vpc"}),
    "part of a text": ("!Sub '${Env}/${Bucket.Arn}/${!x}'", {"Fn::Sub": "prod/${Bucket.Arn}/${!x}"}),
    "a text with a context": (
        "!Sub ['${A}/${B}/${Env}', {A: !GetAtt X.Arn, B: b}]",
        {"Fn::Sub": ["${A}/b/prod", {"A": {"Fn::GetAtt": ["X", "Arn"]}}]},
    ),
    "json of an attribute": (
        "{'Fn::ToJsonString': {a: !GetAtt X.Arn, b: !Ref Env}}",
        {"Fn::ToJsonString": {"a": {"Fn::GetAtt": ["X", "Arn"]}, "b": "prod"}},
    ),
    "a secret": ("!Sub 'x-${Secret}'", {"Fn::Sub": "x-${Secret}"}),
    "a plain text": ("'${Env}'", "${Env}"),
    "no value": ("!Ref AWS::NoValue", {"Ref": "AWS::NoValue"}),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_only_deployment_knows_stays_a_function(name):
    expression, expected = OPEN[name]
    assert value_of(expression) == expected


def test_a_value_that_looks_like_a_variable_stays_a_text():
    scope = language.Scope(parameters={"Env": "${Bucket}"})
    left = value_of("!Sub '${Env}/${Other}'", scope)
    assert left == {"Fn::Sub": "${!Bucket}/${Other}"}
    known = language.Scope(parameters={}, references=lambda name, attribute: "other")
    assert language.evaluate(left, known) == "${Bucket}/other"


def test_a_loop_over_resources_outputs_and_conditions():
    made = extended("""
Conditions:
  'Fn::ForEach::C':
    - Name
    - [a, b]
    - 'Is${Name}': !Equals [!Ref Env, !Ref Name]
Resources:
  'Fn::ForEach::R':
    - Name
    - !Ref Names
    - 'Topic&{Name}':
        Type: T
        Condition: !Sub 'Isa'
        DependsOn: [First]
        Properties:
          Name: !Ref Name
          Text: !Sub '${Name}-&{Name}-${Env}'
          Plain: '${Name}'
          '${Name}': key
  First: {Type: T}
Outputs:
  'Fn::ForEach::O':
    - Id
    - [x, y]
    - 'Fn::ForEach::P':
        - Attribute
        - [Arn, Name]
        - 'Out${Id}${Attribute}':
            Value: !GetAtt [!Sub 'Bucket${Id}', !Ref Attribute]
""")
    assert made["Conditions"] == {
        "Isa": {"Fn::Equals": ["prod", "a"]},
        "Isb": {"Fn::Equals": ["prod", "b"]},
    }
    assert list(made["Resources"]) == ["Topica", "Topicb1", "First"]
    assert made["Resources"]["Topicb1"] == {
        "Type": "T",
        "Condition": "Isa",
        "DependsOn": "First",
        "Properties": {
            "Name": "b-1",
            "Text": "b-1-&{Name}-prod",
            "Plain": "${Name}",
            "${Name}": "key",
        },
    }
    assert made["Outputs"] == {
        f"Out{name}{attribute}": {"Value": {"Fn::GetAtt": [f"Bucket{name}", attribute]}}
        for name in ("x", "y")
        for attribute in ("Arn", "Name")
    }


def test_loops_stand_beside_members_and_within_properties():
    made = extended("""
Resources:
  'Fn::ForEach::Top':
    - Prefix
    - [Foo, Bar]
    - 'My${Prefix}': {Type: T, Properties: {V: !Sub 'my ${Prefix}'}}
      'Fn::ForEach::Low':
        - Suffix
        - [A, B]
        - 'My${Prefix}${Suffix}': {Type: T, Properties: {V: !Sub '${Prefix} ${Suffix}'}}
  R:
    Type: T
    Properties:
      Fixed: 1
      'Fn::ForEach::Tags': [Tag, [a, b], {'VAR_${Tag}': !Ref Tag}]
""")
    assert list(made["Resources"]) == ["MyFoo", "MyFooA", "MyFooB", "MyBar", "MyBarA", "MyBarB", "R"]
    assert made["Resources"]["MyBarB"]["Properties"] == {"V": "Bar B"}
    assert made["Resources"]["R"]["Properties"] == {"Fixed": 1, "VAR_a": "a", "VAR_b": "b"}


def test_collections_come_from_functions_too():
    body = MAPPINGS + "Resources: {'Fn::ForEach::X': [I, COLLECTION, {'R${I}': {Type: T}}]}"
    for collection, names in (
        ("!FindInMap [Sizes, !Ref Env, zones]", ["Rx", "Ry"]),
        ("!Split [',', 'a,b']", ["Ra", "Rb"]),
        ("[!Ref Env, 1]", ["Rprod", "R1"]),
        ("[]", []),
    ):
        assert list(extended(body.replace("COLLECTION", collection))["Resources"]) == names


def test_policies_become_texts():
    made = extended(f"""{MAPPINGS}
Resources:
  R:
    Type: T
    DeletionPolicy: !Ref Keep
    UpdateReplacePolicy: !If [IsProd, Retain, Delete]
""")
    resource = made["Resources"]["R"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


LOOP = "Resources: {'Fn::ForEach::X': "
PREFIX = "Transform AWS::LanguageExtensions failed with: "
REFUSED = {
    "too short": (LOOP + "[I, [a]]}", "Fn::ForEach layout is incorrect"),
    "no list": (LOOP + "{I: a}}", "Fn::ForEach layout is incorrect"),
    "a text as collection": (LOOP + "[I, a, {'R${I}': {Type: T}}]}", "Fn::ForEach layout is incorrect"),
    "no fragment": (LOOP + "[I, [a], {}]}", "Fn::ForEach layout is incorrect"),
    "a collection nobody knows": (
        LOOP + "[I, !GetAtt A.B, {'R${I}': {Type: T}}]}",
        "Could not find a collection or could not be resolved for Fn::ForEach",
    ),
    "a collection of maps": (
        LOOP + "[I, [{a: b}], {'R${I}': {Type: T}}]}",
        "Could not find a collection or could not be resolved for Fn::ForEach",
    ),
    "a conditional collection": (
        LOOP + "[I, !If [C, [a], [b]], {'R${I}': {Type: T}}]}",
        "Condition layout is incorrect",
    ),
    "the same key twice": (
        LOOP + "[I, [a, b], {'R': {Type: T}}]}",
        "Duplicate key 'R' when merging keys to parent object in Fn::ForEach",
    ),
    "a name with a hyphen": (
        LOOP + "[I, [a-b], {'R${I}': {Type: T}}]}",
        "LogicalId 'Ra-b' should be alphanumeric",
    ),
    "an output with a hyphen": (
        "Resources: {A: {Type: T}}\nOutputs: {'Fn::ForEach::X': [I, [a-b], {'R${I}': {Value: x}}]}",
        "OutputKey 'Ra-b' should be alphanumeric",
    ),
    "the length of an attribute": (
        "Resources: {A: {Type: T, Properties: {P: {'Fn::Length': !GetAtt B.C}}}}",
        "The Fn::Length value could not be resolved for properties",
    ),
    "an unknown condition": ("Resources: {A: {Type: T, Condition: C}}", "Key C is missing in the map."),
    "a selection of nothing": (
        "Resources: {A: {Type: T, Condition: C, Properties: {P: !Select [1, !Split [',', a]]}}}\n"
        "Conditions: {C: !Equals [a, b]}",
        "Fn::Select cannot select nonexistent value at index 1",
    ),
    "a condition in a text": (
        "Outputs: {'Fn::ForEach::X': [N, [A], {'O${N}': {Value: {'Fn::ToJsonString': {Condition: x}}}}]}",
        "Fn::ToJsonString does not support Condition intrinsic function for resource Fn::ForEach::X",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_aws_refuses_and_how_it_says_so(name):
    body, reason = REFUSED[name]
    assert refused(body) == PREFIX + reason


def test_a_variable_in_a_variable_is_refused_as_everywhere():
    body = LOOP + "[I, [a], {'R${I}': {Type: T, Properties: {P: !Sub '${A${I}}'}}}]}"
    assert refused(body).startswith("Template error: variable names in Fn::Sub syntax must contain only")
