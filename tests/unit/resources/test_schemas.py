"""The registry's schemas: what they say of a type, and AWS's words for properties that break them."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neargate.planners.template import UNKNOWN
from neargate.planners.template.patterns import compiled
from neargate.resources import schemas

GROUP, TASK, SERVICE, ROLE = (
    "AWS::Logs::LogGroup",
    "AWS::ECS::TaskDefinition",
    "AWS::ECS::Service",
    "AWS::IAM::Role",
)


def test_what_a_schema_says():
    service = schemas.schema(SERVICE)
    assert service.create_only == ("Cluster", "Role", "SchedulingStrategy", "ServiceName")
    assert service.conditional_create_only == ("LaunchType",)
    assert service.primary_identifier == ("ServiceArn", "Cluster")
    assert "Name" in service.read_only
    assert "ForceNewDeployment" in service.write_only
    assert service.handler_timeout("create") == 2160
    assert service.handler_timeout("delete") == 30
    assert service.handler_timeout("read") is None
    assert "ecs:CreateService" in service.handlers["create"].permissions
    assert not service.system_tags
    assert service.tag_property == "Tags"
    assert schemas.schema(GROUP).system_tags
    assert schemas.schema(ROLE).required == ("AssumeRolePolicyDocument",)
    assert service.replacement_strategy == "create_then_delete"
    assert schemas.schema("AWS::EC2::VPCGatewayAttachment").replacement_strategy == "delete_then_create"


def test_types_that_aws_has_and_has_not():
    assert schemas.exists(SERVICE)
    assert not schemas.exists("AWS::ECS::Servise")
    assert not schemas.exists("Custom::Thing")
    assert len(schemas.names()) > 1500
    with pytest.raises(LookupError):
        schemas.schema("AWS::ECS::Servise")


REPLACEMENTS = [
    (SERVICE, "ServiceName", "Always"),
    (SERVICE, "LaunchType", "Conditionally"),
    (SERVICE, "DesiredCount", "Never"),
    (TASK, "ContainerDefinitions/0/Image", "Always"),
    (TASK, "Tags/0/Value", "Never"),
    (GROUP, "RetentionInDays", "Never"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Scheme", "Always"),
    ("AWS::EC2::SecurityGroup", "SecurityGroupIngress", "Never"),
    ("AWS::EC2::VPC", "InstanceTenancy", "Conditionally"),
    ("AWS::CodeBuild::Project", "Environment", "Never"),
]


@pytest.mark.parametrize(("type_name", "path", "expected"), REPLACEMENTS)
def test_replacement(type_name, path, expected):
    assert schemas.replacement(type_name, path) == expected


ATTRIBUTES = [
    (SERVICE, "Name", True),
    (SERVICE, "DesiredCount", False),
    (ROLE, "Arn", True),
    (ROLE, "RoleNam", False),
    ("AWS::EC2::VPC", "CidrBlock", True),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "DNSName", True),
    ("AWS::CloudFormation::Stack", "Outputs.Url", True),
    ("AWS::CloudFormation::CustomResource", "Anything", True),
    ("Custom::Thing", "Anything", True),
]


@pytest.mark.parametrize(("type_name", "attribute", "expected"), ATTRIBUTES)
def test_attributes(type_name, attribute, expected):
    assert schemas.supports_attribute(type_name, attribute) is expected


FINDINGS = [
    (GROUP, {"LogGroupName": {"a": 1}}, ["#/LogGroupName: expected type: String, found: JSONObject"]),
    (GROUP, {"LogGroupName": ["a"]}, ["#/LogGroupName: expected type: String, found: JSONArray"]),
    (
        GROUP,
        {"LogGroupName": ""},
        ["#/LogGroupName: expected minLength: 1, actual: 0", "pattern:#/LogGroupName"],
    ),
    (GROUP, {"LogGroupName": "a b"}, ["pattern:#/LogGroupName"]),
    (
        GROUP,
        {"LogGroupName": "a" * 513},
        ["#/LogGroupName: expected maxLength: 512, actual: 513", "pattern:#/LogGroupName"],
    ),
    (GROUP, {"Bogus": 1}, ["#: extraneous key [Bogus] is not permitted"]),
    (GROUP, {"Arn": "arn"}, ["#: extraneous key [Arn] is not permitted"]),
    (
        GROUP,
        {"RetentionInDays": 31},
        ["#/RetentionInDays: #: only 1 subschema matches out of 2", "enum:#/RetentionInDays"],
    ),
    (GROUP, {"Tags": [{"Key": "a"}]}, ["#/Tags/0: required key [Value] not found"]),
    (GROUP, {"Tags": {"a": "b"}}, ["#/Tags: expected type: JSONArray, found: JSONObject"]),
    (GROUP, {"Tags": [{"Key": "a", "Value": "b"}] * 2}, ["#/Tags: array items are not unique"]),
    (ROLE, {}, ["#: required key [AssumeRolePolicyDocument] not found"]),
    (SERVICE, {"DesiredCount": "abc"}, ["#/DesiredCount: expected type: Integer, found: String"]),
    (SERVICE, {"DesiredCount": 1.5}, ["#/DesiredCount: expected type: Integer, found: BigDecimal"]),
    (SERVICE, {"DesiredCount": True}, ["#/DesiredCount: expected type: Integer, found: Boolean"]),
    (
        SERVICE,
        {"EnableExecuteCommand": "yes"},
        ["#/EnableExecuteCommand: expected type: Boolean, found: String"],
    ),
    (SERVICE, {"LoadBalancers": "x"}, ["#/LoadBalancers: expected type: JSONArray, found: String"]),
    (
        SERVICE,
        {"LaunchType": "FARGAT"},
        ["#/LaunchType: #: only 1 subschema matches out of 2", "enum:#/LaunchType"],
    ),
    (
        TASK,
        {"ContainerDefinitions": [{"Name": "a"}]},
        ["#/ContainerDefinitions/0: required key [Image] not found"],
    ),
    (
        TASK,
        {"ContainerDefinitions": [{"Name": "a", "Image": "b", "Imag": "c"}]},
        ["#/ContainerDefinitions/0: extraneous key [Imag] is not permitted"],
    ),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {"Port": 0, "HealthCheckTimeoutSeconds": 121},
        ["maximum:#/HealthCheckTimeoutSeconds", "minimum:#/Port"],
    ),
    (GROUP, {"KmsKeyId": "a key"}, ["pattern:#/KmsKeyId"]),
    (
        "AWS::ACMPCA::CertificateAuthority",
        {
            "KeyAlgorithm": "k",
            "SigningAlgorithm": "x",
            "Subject": {},
            "Type": "t",
            "Tags": [{"Key": "ü b"}, {"Key": "*"}],
        },
        ["pattern:#/Tags/1/Key"],
    ),
    (ROLE, {"AssumeRolePolicyDocument": [1]}, None),
]


def _full(finding):
    keyword, _, at = finding.partition(":")
    if keyword in ("pattern", "enum", "minimum", "maximum"):
        return f"{at}: failed validation constraint for keyword [{keyword}]"
    return finding


@pytest.mark.parametrize(("type_name", "properties", "findings"), FINDINGS)
def test_findings(type_name, properties, findings):
    found = schemas.violations(type_name, properties)
    if findings is None:
        assert found == [
            "#/AssumeRolePolicyDocument: #: no subschema matched out of the total 2 subschemas",
            "#/AssumeRolePolicyDocument: expected type: JSONObject, found: JSONArray",
            "#/AssumeRolePolicyDocument: expected type: String, found: JSONArray",
        ]
        return
    assert sorted(found) == sorted(_full(finding) for finding in findings)


FINE = [
    (GROUP, {"RetentionInDays": 14}),
    (GROUP, {"RetentionInDays": "14"}),
    (GROUP, {"LogGroupName": 123}),
    (SERVICE, {"DesiredCount": "2", "EnableExecuteCommand": "true", "ServiceName": 5}),
    (SERVICE, {"TaskDefinition": UNKNOWN, "LoadBalancers": UNKNOWN, "DesiredCount": UNKNOWN}),
    (GROUP, {"LogGroupName": "{{resolve:ssm:/name}}"}),
    (ROLE, {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Anything": [1]}}),
    (
        TASK,
        {
            "Cpu": 256,
            "Memory": "0.5GB",
            "ContainerDefinitions": [{"Name": "a", "Image": "b", "Memory": "512"}],
        },
    ),
    ("AWS::CloudFormation::CustomResource", {"ServiceToken": "arn", "Mine": {"a": 1}}),
]


@pytest.mark.parametrize(("type_name", "properties"), FINE)
def test_what_cloudformation_takes(type_name, properties):
    assert schemas.property_errors(type_name, "X", properties) == []


def test_the_sentence_names_the_resource_and_every_finding():
    assert schemas.property_errors(GROUP, "Log", {"Bogus": 1, "Tags": [{"Key": "a"}]}) == [
        "Properties validation failed for resource Log with message: [#: extraneous key [Bogus] is not permitted, "
        "#/Tags/0: required key [Value] not found]"
    ]


def _patterns(value):
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for item in value.values():
            yield from _patterns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _patterns(item)


def test_every_pattern_of_a_delivery_is_understood():
    services = ("AWS::E", "AWS::S", "AWS::I", "AWS::CodeB", "AWS::CodeP", "AWS::Logs", "AWS::Lambda")
    bodies = [schemas.schema(name).body for name in schemas.names() if name.startswith(services)]
    patterns = {pattern for body in bodies for pattern in _patterns(body)}
    assert len(patterns) > 500
    assert len([pattern for pattern in patterns if compiled(pattern) is None]) < 10


def test_only_one_of_several_shapes_may_match():
    kind = "AWS::S3::Bucket"
    rule = {"ReplicationConfiguration": {"Role": "r", "Rules": "none"}}
    assert schemas.violations(kind, rule) == [
        "#/ReplicationConfiguration/Rules: expected type: JSONArray, found: String"
    ]


json_values = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_gets_a_verdict(data):
    type_name = data.draw(st.sampled_from([GROUP, TASK, SERVICE, ROLE, "AWS::S3::Bucket", "AWS::EC2::VPC"]))
    known = list(schemas.schema(type_name).properties)
    properties = data.draw(st.dictionaries(st.sampled_from([*known, "Bogus"]), json_values, max_size=4))
    for finding in schemas.violations(type_name, properties):
        assert finding.startswith("#")


def test_cfn_lint_itself_is_not_imported():
    code = (
        "import sys, json; from neargate.resources import schemas; schemas.schema('AWS::ECS::Service');"
        "print(json.dumps([m for m in sys.modules if m.startswith('cfnlint')]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
