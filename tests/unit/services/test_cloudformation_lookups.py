"""Templates that need Parameter Store or Secrets Manager are refused, not taken at their word."""

from __future__ import annotations

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import cloud

SSM = """
Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /x}}
Resources: {L: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: !Ref P}}}
"""
DYNAMIC = """
Resources: {L: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: '{{resolve:ssm:/x:1}}'}}}  # {{resolve:y}}
"""
COMMENT = """
# {{resolve:ssm:/x}} would not do here
Resources: {L: {Type: 'AWS::Logs::LogGroup'}}
"""


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (SSM, "cloudformation: parameter P of type AWS::SSM::Parameter::Value<String> is not implemented"),
        (DYNAMIC, "cloudformation: the dynamic reference {{resolve:ssm:/x:1}} is not implemented"),
    ],
)
def test_what_would_be_looked_up_is_refused(template: str, said: str) -> None:
    with cloud() as aws:
        with pytest.raises(AwsError) as caught:
            aws.call("cloudformation", "CreateStack", StackName="s", TemplateBody=template)
        assert said in caught.value.message
        assert aws.call("cloudformation", "DescribeStacks")["Stacks"] == []


def test_a_comment_is_no_reference() -> None:
    with cloud() as aws:
        assert aws.call("cloudformation", "CreateStack", StackName="s", TemplateBody=COMMENT)["StackId"]
