"""Change sets over the services alone: pages, executions that fail, and the work of a large template."""

import json

import pytest

from neargate.model.cloudformation import ChangeSet
from neargate.model.errors import AwsError
from tests.unit.services.cloud import cloud

GROUP = json.dumps({"Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}}})


def create(aws, name, **request):
    given = {"StackName": "x", "ChangeSetType": "CREATE", "TemplateBody": GROUP, **request}
    return aws.call("cloudformation", "CreateChangeSet", ChangeSetName=name, **given)["Id"]


def test_a_large_change_set_comes_in_pages_of_a_megabyte():
    with cloud() as aws:
        large = {
            "Type": "AWS::Logs::LogGroup",
            "Metadata": {"Text": {"Fn::FindInMap": ["Long", "Text", "Value"]}},
        }
        resources = {f"G{n:02}": large for n in range(50)}
        mappings = {"Long": {"Text": {"Value": "x" * 30_000}}}
        template = json.dumps({"Resources": resources, "Mappings": mappings})
        name = create(aws, "c", TemplateBody=template)
        seen, token, pages = [], None, 0
        while pages == 0 or token is not None:
            request = {"ChangeSetName": name, "IncludePropertyValues": True, "NextToken": token}
            answer = aws.call("cloudformation", "DescribeChangeSet", **request)
            token, pages = answer.get("NextToken"), pages + 1
            seen += [change["ResourceChange"]["LogicalResourceId"] for change in answer["Changes"]]
        assert pages == 2
        assert seen == [f"G{n:02}" for n in range(50)]
        assert "NextToken" not in aws.call("cloudformation", "DescribeChangeSet", ChangeSetName=name)


def test_a_token_that_was_not_given_is_refused():
    with cloud() as aws, pytest.raises(AwsError, match="NextToken is not valid"):
        aws.call("cloudformation", "DescribeChangeSet", ChangeSetName=create(aws, "c"), NextToken="next")


def test_lists_come_in_pages():
    with cloud() as aws:
        for number in range(101):
            create(aws, f"c{number:03}")
        first = aws.call("cloudformation", "ListChangeSets", StackName="x")
        second = aws.call("cloudformation", "ListChangeSets", StackName="x", NextToken=first["NextToken"])
        assert [len(page["Summaries"]) for page in (first, second)] == [100, 1]
        assert "NextToken" not in second


def test_a_failed_change_set_holds_its_name_but_for_a_second():
    """AWS takes longer than a second for each, and the AWS CLI names its change sets by the second."""
    with cloud() as aws:
        transform = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://nowhere/t"}}}
        broken = json.dumps({"Resources": {"A": {"Type": "AWS::Logs::LogGroup", "Properties": transform}}})
        first = create(aws, "c", TemplateBody=broken)
        assert aws.call("cloudformation", "DescribeChangeSet", ChangeSetName=first)["Status"] == "FAILED"
        aws.clock.advance(0.5)
        assert create(aws, "c", TemplateBody=broken) != first
        aws.clock.advance(2)
        with pytest.raises(AwsError) as refused:
            create(aws, "c")
        assert refused.value.code == "AlreadyExistsException"


def test_deleting_a_stack_in_review_takes_its_change_sets_along():
    with cloud() as aws:
        identity = create(aws, "c")
        aws.call("cloudformation", "DeleteStack", StackName="x")
        with pytest.raises(AwsError) as refused:
            aws.call("cloudformation", "DescribeChangeSet", ChangeSetName=identity)
        assert refused.value.code == "ChangeSetNotFound"
        assert aws.store.read(lambda view: view.scan(ChangeSet)) == []


def test_a_stack_of_that_id_must_exist():
    with cloud() as aws, pytest.raises(AwsError, match=r"Stack \[arn:aws:.*\] does not exist"):
        create(aws, "c", StackName="arn:aws:cloudformation:us-east-1:000000000000:stack/x/1")


def test_a_call_that_is_refused_leaves_no_stack_in_review():
    with cloud() as aws:
        with pytest.raises(AwsError, match="At least one Resources member must be defined"):
            create(aws, "c", TemplateBody="{}")
        with pytest.raises(AwsError, match="Stack with id x does not exist"):
            aws.call("cloudformation", "DescribeStacks", StackName="x")
