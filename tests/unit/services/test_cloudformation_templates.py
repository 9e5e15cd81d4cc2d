"""What ValidateTemplate, GetTemplateSummary and TemplateURL say."""

from __future__ import annotations

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import cloud

PLAIN = """
Metadata: {A: b}
Parameters:
  P: {Type: String, Default: d, AllowedValues: [d, e], NoEcho: true, Description: what}
Resources:
  A: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref P}}
  B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}
  R: {Type: AWS::IAM::Role, Properties: {RoleName: r, AssumeRolePolicyDocument: {}}}
"""
LOOP = """
Transform: [AWS::LanguageExtensions]
Resources:
  'Fn::ForEach::X': [I, [a], {'A${I}': {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}}]
  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
"""


def summary(**request):
    with cloud() as aws:
        return aws.call("cloudformation", "GetTemplateSummary", **request)


def test_a_summary_says_what_a_template_declares():
    assert summary(TemplateBody=PLAIN) == {
        "Parameters": [
            {
                "ParameterKey": "P",
                "ParameterType": "String",
                "DefaultValue": "d",
                "NoEcho": True,
                "Description": "what",
                "ParameterConstraints": {"AllowedValues": ["d", "e"]},
            }
        ],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "CapabilitiesReason": "The following resource(s) require capabilities: [AWS::IAM::Role]",
        "ResourceTypes": ["AWS::SSM::Parameter", "AWS::IAM::Role"],
        "Version": "2010-09-09",
        "Metadata": '{"A": "b"}',
        "ResourceIdentifierSummaries": [
            {
                "ResourceType": "AWS::SSM::Parameter",
                "LogicalResourceIds": ["A", "B"],
                "ResourceIdentifiers": ["Name"],
            },
            {
                "ResourceType": "AWS::IAM::Role",
                "LogicalResourceIds": ["R"],
                "ResourceIdentifiers": ["RoleName"],
            },
        ],
    }


def test_of_a_template_with_transforms_no_resources_are_listed():
    assert summary(TemplateBody=LOOP) == {
        "Parameters": [],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "CapabilitiesReason": "The following resource(s) require capabilities: [AWS::IAM::Role]. The following "
        "transform(s) require capabilities: [AWS::LanguageExtensions]",
        "Version": "2010-09-09",
        "DeclaredTransforms": ["AWS::LanguageExtensions"],
    }


def test_types_that_nobody_knows_are_refused_or_listed():
    body = "Resources: {A: {Type: AWS::No::Such}}"
    with pytest.raises(AwsError, match=r"Unrecognized resource types: \[AWS::No::Such\]"):
        summary(TemplateBody=body)
    lenient = {"TreatUnrecognizedResourceTypesAsWarnings": True}
    found = summary(TemplateBody=body, TemplateSummaryConfig=lenient)
    assert found["Warnings"] == {"UnrecognizedResourceTypes": ["AWS::No::Such"]}
    assert found["ResourceIdentifierSummaries"] == [
        {"ResourceType": "AWS::No::Such", "LogicalResourceIds": ["A"]}
    ]


def test_validate_template_leaves_out_what_is_empty():
    with cloud() as aws:
        assert aws.call(
            "cloudformation", "ValidateTemplate", TemplateBody="Resources: {A: {Type: AWS::SNS::Topic}}"
        ) == {"Parameters": []}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/key.yml", "S3 error: Domain name specified in bucket is not a valid S3 domain"),
        ("https://example.com/key.yml", "TemplateURL must be a supported URL."),
        ("bucket/key.yml", "TemplateURL must be a supported URL."),
        ("https://s3.amazonaws.com/bucket/key.yml", "S3 error: The specified bucket does not exist"),
    ],
)
def test_a_template_url_must_lead_into_s3(url, message):
    with pytest.raises(AwsError) as refused:
        summary(TemplateURL=url)
    assert refused.value.message == message
