"""Functions carried out: every one, its nestings, its errors, and values that are not known yet."""

import base64

import attrs
import pytest

from neargate.model.errors import AwsError
from neargate.planners import template as language
from neargate.planners.template import UNKNOWN, Scope, evaluate
from neargate.planners.template.reading import read

MADE = {"Web": {None: "web-1", "Arn": "arn:web", "Port": 80, "Ids": ["i1", "i2"], "Nested.Name": "n"}}


def made(logical_id, attribute):
    if logical_id not in MADE:
        return UNKNOWN
    return MADE[logical_id][attribute]


SCOPE = Scope(
    parameters={
        "Name": "shop",
        "Subnets": ["s1", "s2"],
        "Count": "3",
        "Empty": "",
        "Nothing": "AWS::NoValue",
    },
    account="111122223333",
    region="eu-west-1",
    stack_name="st",
    stack_id="arn:stack",
    notification_arns=("arn:n",),
    zones=lambda region: [f"{region}a", f"{region}b"],
    exports=lambda name: {"vpc": "vpc-1", "list": "a,b"}.get(name),
    references=made,
    mappings={"M": {"eu-west-1": {"Ami": "ami-1", "Azs": ["a", "b"]}, "k": {"n": 5}}},
    conditions={"Live": True, "Gone": False},
)

VALUES = [
    ("!Ref Name", "shop"),
    ("!Ref Subnets", ["s1", "s2"]),
    ("!Ref Web", "web-1"),
    ("!Ref AWS::Region", "eu-west-1"),
    ("!Ref AWS::AccountId", "111122223333"),
    ("!Ref AWS::Partition", "aws"),
    ("!Ref AWS::URLSuffix", "amazonaws.com"),
    ("!Ref AWS::StackName", "st"),
    ("!Ref AWS::StackId", "arn:stack"),
    ("!Ref AWS::NotificationARNs", ["arn:n"]),
    ("!Ref AWS::NoValue", None),
    ("!Ref Nothing", None),
    ("{A: !Ref Nothing, B: 1}", {"B": 1}),
    ("!GetAtt Web.Arn", "arn:web"),
    ("!GetAtt Web.Nested.Name", "n"),
    ("{'Fn::GetAtt': [Web, Port]}", 80),
    ("{'Fn::GetAtt': Web.Arn}", "arn:web"),
    ("!Sub 'a-${Name}-${AWS::Region}-${Web}-${Web.Port}'", "a-shop-eu-west-1-web-1-80"),
    ("!Sub 'a${!Name}-${!VAR:-x}-$x-${Count}'", "a${Name}-${VAR:-x}-$x-3"),
    ("!Sub ['${A}/${Name}/${B}', {A: !ImportValue vpc, B: 2}]", "vpc-1/shop/2"),
    ("!Sub ['${Name}', {Name: mine}]", "mine"),
    ("!Sub '${ Name }/${ Web.Port}/${ ! x }'", "shop/80/${ x }"),
    ("!Join [',', [a, 1, 0.5, true, !Ref Name]]", "a,1,0.5,true,shop"),
    ("!Join ['', !Ref Subnets]", "s1s2"),
    ("!Join ['-', [a, !Ref AWS::NoValue, b]]", "a-b"),
    ("!Join [',', !GetAtt Web.Ids]", "i1,i2"),
    ("!Split [',', !ImportValue list]", ["a", "b"]),
    ("!Split ['|', 'a|b||c']", ["a", "b", "", "c"]),
    ("!Select [1, !Ref Subnets]", "s2"),
    ("!Select ['0', !GetAZs '']", "eu-west-1a"),
    ("!Select [0, !Split [',', !ImportValue list]]", "a"),
    ("!GetAZs us-east-1", ["us-east-1a", "us-east-1b"]),
    ("{'Fn::GetAZs': !Ref AWS::Region}", ["eu-west-1a", "eu-west-1b"]),
    ("!If [Live, a, b]", "a"),
    ("!If [Gone, a, {B: [!Ref Name]}]", {"B": ["shop"]}),
    ("!If [Gone, a, !Ref AWS::NoValue]", None),
    ("{A: !If [Gone, a, !Ref AWS::NoValue], B: 1}", {"B": 1}),
    ("[a, !If [Gone, a, !Ref AWS::NoValue], b]", ["a", "b"]),
    ("!FindInMap [M, !Ref AWS::Region, Ami]", "ami-1"),
    ("!FindInMap [M, !Ref AWS::Region, Azs]", ["a", "b"]),
    ("!FindInMap [M, k, n]", 5),
    ("{'Fn::FindInMap': [M, k, z, {DefaultValue: d}]}", "d"),
    ("!ImportValue vpc", "vpc-1"),
    ("{'Fn::Base64': !Sub 'hi ${Name}'}", base64.b64encode(b"hi shop").decode()),
    ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
    ("!Select [5, !Cidr [10.0.0.0/16, 6, '8']]", "10.0.5.0/24"),
    ("!Cidr ['2001:db8::/56', 2, 64]", ["2001:db8::/64", "2001:db8:0:1::/64"]),
    ("{'Fn::Length': !Ref Subnets}", 2),
    ("{'Fn::ToJsonString': {A: [1, !Ref Name]}}", '{"A":[1,"shop"]}'),
    ("{Condition: {StringEquals: {a: !Ref Name}}}", {"Condition": {"StringEquals": {"a": "shop"}}}),
    ("{Condition: Live}", {"Condition": "Live"}),
    (
        "{Version: 2012-10-17, Memory: 0.5GB, Cpu: 256}",
        {"Version": "2012-10-17", "Memory": "0.5GB", "Cpu": 256},
    ),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_values(text, expected):
    assert evaluate(read(f"A: {text}")["A"], SCOPE) == expected


UNKNOWNS = [
    ("!Ref Db", UNKNOWN),
    ("!GetAtt Db.Endpoint", UNKNOWN),
    ("!Sub 'x-${Db}'", UNKNOWN),
    ("!Sub 'x-${Db.Endpoint.Port}'", UNKNOWN),
    ("!Join ['', [a, !Ref Db]]", UNKNOWN),
    ("!Join ['', !GetAtt Db.List]", UNKNOWN),
    ("!Split [',', !Ref Db]", UNKNOWN),
    ("!Select [0, !GetAtt Db.List]", UNKNOWN),
    ("!Select [0, [a, !Ref Db]]", "a"),
    ("{'Fn::Base64': !Ref Db}", UNKNOWN),
    ("!Cidr [!GetAtt Db.Block, 1, 8]", UNKNOWN),
    ("{'Fn::ToJsonString': {A: !Ref Db}}", UNKNOWN),
    ("{A: [!Ref Db], B: 1}", {"A": [UNKNOWN], "B": 1}),
    ("!If [Live, !Ref Db, x]", UNKNOWN),
]


@pytest.mark.parametrize(("text", "expected"), UNKNOWNS)
def test_what_is_not_made_yet_is_unknown(text, expected):
    assert evaluate(read(f"A: {text}")["A"], SCOPE) == expected
    assert repr(UNKNOWN) == "UNKNOWN"


JOIN = (
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings "
    "to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)
SPLIT = (
    "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be "
    "split or a function that returns a string to be split."
)
SUB = (
    "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as "
    "first argument, and an optional second argument to specify a mapping of values to replace in the string"
)
SUB_NAMES = (
    "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, "
    "and colons"
)
SELECT = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
INDEX = "Template error: Fn::Select requires a list argument with a valid index value as its first element"
GETATT = (
    "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
    "attribute"
)
MAP = (
    "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for "
    "return value"
)

ERRORS = [
    ("!Ref [a]", "Template error: All References must be of type string"),
    ("!GetAtt Web", GETATT),
    ("{'Fn::GetAtt': [Web, '']}", GETATT),
    ("{'Fn::GetAtt': [Web, A, B]}", GETATT),
    ("!Sub [a]", SUB),
    ("!Sub {a: b}", SUB),
    ("!Sub '${a b}'", SUB_NAMES),
    ("!Sub '${VAR:-x}'", SUB_NAMES),
    ("!Sub '${}'", SUB_NAMES),
    (
        "!Sub ['${A}', {'A.B': c}]",
        "Template error: every key of the context object of every Fn::Sub object must contain only alphanumeric "
        "characters and underscores",
    ),
    (
        "!Sub ['${A}', {A: [c]}]",
        "Template error: every value of the context object of every Fn::Sub object must be a string or a function that "
        "returns a string",
    ),
    ("!Sub '${Subnets}'", "Template error: every variable in an Fn::sub object must reference a string"),
    ("!Join [a]", JOIN),
    ("!Join [[a], [b]]", JOIN),
    ("!Join [',', a]", JOIN),
    ("!Join [',', [a, [b]]]", JOIN),
    ("!Join [',', !Ref Name]", JOIN),
    ("!Split [',']", SPLIT),
    ("!Split ['', a]", SPLIT),
    ("!Split [',', [a]]", SPLIT),
    ("!Split [',', !Ref Subnets]", SPLIT),
    ("!Select [0]", SELECT),
    ("!Select [0, a]", SELECT),
    ("!Select [0, !Ref Name]", SELECT),
    ("!Select [a, [b]]", SELECT),
    ("!Select [-1, [b]]", SELECT),
    ("!Select [!Ref Name, [b]]", INDEX),
    ("!Select [2, !Ref Subnets]", "Template error: Fn::Select cannot select nonexistent value at index 2"),
    ("!If [Maybe, a, b]", "Template error: unresolved condition dependency Maybe in Fn::If"),
    ("!If [Live, a]", "Template error: Fn::If requires a list argument with three elements"),
    (
        "!If [{a: b}, a, b]",
        "Template error: Fn::If requires a list argument with the first element being a condition",
    ),
    ("!FindInMap [M, k]", MAP),
    (
        "!FindInMap [N, k, a]",
        "Template error: Mapping named 'N' is not present in the 'Mappings' section of template.",
    ),
    ("!FindInMap [M, k, a]", "Template error: Unable to get mapping for M::k::a"),
    ("{'Fn::Base64': [a]}", "Template error: every Fn::Base64 object must have a String-typed value."),
    ("!GetAZs [a]", "Template error: every Fn::GetAZs object must have a String-typed value."),
    ("!ImportValue nothing", "No export named nothing found."),
    ("!Cidr [10.0.0.0/16, 300, 8]", "Template error: invalid Fn::Cidr arguments [10.0.0.0/16, 300, 8]"),
    ("!Cidr [10.0.0.0/24, 5, 7]", "Template error: invalid Fn::Cidr arguments [10.0.0.0/24, 5, 7]"),
    ("!Cidr [here, 1, 8]", "Template error: invalid Fn::Cidr arguments [here, 1, 8]"),
    (
        "{'Fn::sub': a}",
        "Template error: Encountered unsupported function: Fn::sub Supported functions are: [Fn::Base64, Fn::GetAtt, "
        "Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, Fn::Equals, Fn::If, "
        "Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, Fn::ValueOf, "
        "Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr]",
    ),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_what_cannot_be_evaluated(text, message):
    with pytest.raises(AwsError) as refused:
        evaluate(read(f"A: {text}")["A"], SCOPE)
    assert (refused.value.code, refused.value.message) == ("ValidationError", message)


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("us-east-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_partition_and_url_suffix_follow_the_region(region, partition, suffix):
    scope = attrs.evolve(SCOPE, region=region)
    assert (scope.partition, scope.url_suffix) == (partition, suffix)


def test_a_transform_that_nobody_carried_out_is_no_function():
    with pytest.raises(AwsError, match="Encountered unsupported function: Fn::Transform"):
        evaluate({"Fn::Transform": {"Name": "AWS::Include"}}, SCOPE)


OUTPUTS = """
Resources: {Web: {Type: T}}
Conditions: {Live: !Equals [a, a], Gone: !Equals [a, b]}
Outputs:
  A: {Value: !Ref Web, Description: the web, Export: {Name: !Sub '${AWS::StackName}-Web'}}
  B: {Value: 5}
  C: {Value: true, Condition: Live}
  D: {Value: gone, Condition: Gone}
  E: {Value: !GetAtt Db.Arn}
"""


def test_outputs_are_texts():
    template = language.parse(OUTPUTS)
    outputs = language.evaluate_outputs(template, SCOPE, {"Live": True, "Gone": False})
    assert [(o.key, o.value, o.description, o.export_name) for o in outputs] == [
        ("A", "web-1", "the web", "st-Web"),
        ("B", "5", None, None),
        ("C", "true", None, None),
        ("E", UNKNOWN, None, None),
    ]


def test_an_output_that_is_a_list_is_refused():
    template = language.parse("Resources: {Web: {Type: T}}\nOutputs: {A: {Value: !Ref Subnets}}")
    with pytest.raises(AwsError) as refused:
        language.evaluate_outputs(template, SCOPE, {})
    assert refused.value.message == (
        "Template format error: The Value field of every Outputs member must evaluate to a String and not a List."
    )


def test_properties_of_a_resource():
    template = language.parse(
        """
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Memory: 0.5GB
      Cpu: 256
      TaskRoleArn: !If [Gone, arn, !Ref AWS::NoValue]
      ContainerDefinitions: [{Name: !Ref Name, Essential: true}]
"""
    )
    assert language.evaluate_resource(template.resources["Task"], SCOPE) == {
        "Memory": "0.5GB",
        "Cpu": 256,
        "ContainerDefinitions": [{"Name": "shop", "Essential": True}],
    }


def test_a_text_with_something_unknown_can_be_shown():
    scope = Scope(unknown_text="?", stack_name="x")
    assert evaluate({"Fn::Sub": "${AWS::StackName}/${Topic.Name}/${Topic}"}, scope) == "x/?/?"
    assert evaluate({"Fn::Sub": ["${A}/b", {"A": {"Ref": "Topic"}}]}, scope) is UNKNOWN
    assert evaluate({"Fn::Sub": "${Topic}"}, Scope()) is UNKNOWN
