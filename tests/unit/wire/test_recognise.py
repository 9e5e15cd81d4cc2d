"""Which operation a request is for, and what is said where it is for none."""

from __future__ import annotations

import pytest

from neargate import wire
from neargate.wire import Target
from tests.unit.wire import clients, requests

ECS = "AmazonEC2ContainerServiceV20141113"
SCOPE = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def refusal(request: wire.HttpRequest, signing_name: str | None = None) -> wire.Unrecognised:
    with pytest.raises(wire.Unrecognised) as raised:
        wire.recognise(request, signing_name)
    return raised.value


def test_the_target_header_names_service_and_operation() -> None:
    assert wire.recognise(requests.json(f"{ECS}.ListClusters"), "ecs") == Target(
        "ecs", "ListClusters", "json"
    )
    dynamodb = requests.json("DynamoDB_20120810.ListTables", version="1.0")
    assert wire.recognise(dynamodb, None) == Target("dynamodb", "ListTables", "json", "1.0")
    connections = "com.amazonaws.codestar.connections.CodeStar_connections_20191201.ListConnections"
    assert wire.recognise(requests.json(connections), None).service == "codestar-connections"


def test_a_service_outside_the_table_is_found_by_its_signing_name() -> None:
    found = wire.recognise(requests.json("Kinesis_20131202.ListStreams"), "kinesis")
    assert found == Target("kinesis", "ListStreams", "json")


def test_the_smithy_header_means_cbor() -> None:
    found = wire.recognise(requests.cbor("/service/CodeBuild_20161006/operation/ListBuilds"), "codebuild")
    assert found == Target("codebuild", "ListBuilds", "smithy-rpc-v2-cbor")


@pytest.mark.parametrize(
    ("body", "signing_name", "expected"),
    [
        ("Action=ListStacks&Version=2010-05-15", None, Target("cloudformation", "ListStacks", "query")),
        ("Action=DescribeVpcs&Version=2016-11-15", "ec2", Target("ec2", "DescribeVpcs", "ec2")),
        ("Action=DescribeVpcs&Version=2014-10-01", "ec2", Target("ec2", "DescribeVpcs", "ec2")),
        ("Version=2011-06-15&Action=GetCallerIdentity", "sts", Target("sts", "GetCallerIdentity", "query")),
        ("Action=GetCallerIdentity", "sts", Target("sts", "GetCallerIdentity", "query")),
        (
            "Action=DescribeLoadBalancers&Version=2015-12-01",
            "elasticloadbalancing",
            Target("elbv2", "DescribeLoadBalancers", "query"),
        ),
        (
            "Action=DescribeLoadBalancers&Version=2012-06-01",
            "elasticloadbalancing",
            Target("elb", "DescribeLoadBalancers", "query"),
        ),
        ("Action=ListMetrics&Version=2010-08-01", "monitoring", Target("cloudwatch", "ListMetrics", "query")),
    ],
)
def test_a_form_names_version_and_action(body: str, signing_name: str | None, expected: Target) -> None:
    assert wire.recognise(requests.form(body), signing_name) == expected


def test_a_form_may_be_the_query_string() -> None:
    request = requests.rest("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15")
    assert wire.recognise(request, None) == Target("sts", "GetCallerIdentity", "query")


def test_the_request_itself_may_say_what_it_is_signed_for() -> None:
    signed = requests.rest("GET", "/2015-03-31/functions/", authorization=SCOPE.format("lambda"))
    assert wire.recognise(signed, None).operation == "ListFunctions"
    credential = "X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&Action=x"
    presigned = requests.rest("GET", "/bucket/key", credential)
    assert wire.recognise(presigned, None) == Target("s3", "GetObject", "rest-xml")


def test_an_unsigned_request_without_action_is_s3s() -> None:
    assert wire.recognise(requests.rest("GET", "/bucket/key"), None).operation == "GetObject"


def test_rest_services_are_told_apart_by_their_signing_name() -> None:
    assert wire.recognise(requests.rest("GET", "/schedules/one"), "scheduler").operation == "GetSchedule"
    zone = requests.rest("GET", "/2013-04-01/hostedzone/Z1")
    assert wire.recognise(zone, "route53") == Target("route53", "GetHostedZone", "rest-xml")
    systems = requests.rest("GET", "/2015-02-01/file-systems")
    assert wire.recognise(systems, "elasticfilesystem").operation == "DescribeFileSystems"


def test_unknown_operations_are_refused_in_aws_words() -> None:
    error = refusal(requests.json(f"{ECS}.Fly"), "ecs")
    assert (error.code, error.target.service) == ("UnknownOperationException", "ecs")
    assert str(error) == "The operation 'Fly' is unknown to ecs"
    error = refusal(requests.json("Nobody.Fly"))
    assert str(error) == "No service has the target 'Nobody'"
    error = refusal(requests.form("Action=Fly&Version=2010-05-15"), "cloudformation")
    assert (error.code, error.message) == (
        "InvalidAction",
        "Could not find operation Fly for version 2010-05-15",
    )
    error = refusal(requests.form("Action=ListStacks&Version=1999-01-01"), "cloudformation")
    assert error.message == "Could not find operation ListStacks for version 1999-01-01"
    error = refusal(requests.form("Action=Fly&Version=2016-11-15"), "ec2")
    assert (error.code, error.message) == (
        "InvalidAction",
        "The action Fly is not valid for this web service.",
    )
    error = refusal(requests.cbor("/service/CodeBuild_20161006/operation/Fly"))
    assert (error.code, error.target.protocol) == ("UnknownOperationException", "smithy-rpc-v2-cbor")
    error = refusal(requests.cbor("/elsewhere"))
    assert error.code == "UnknownOperationException"
    error = refusal(requests.rest("PATCH", "/bucket"))
    assert (error.code, error.status) == ("MethodNotAllowed", 405)
    error = refusal(requests.rest("GET", "/nowhere"), "lambda")
    assert (error.code, error.status) == ("UnknownOperationException", 404)
    error = refusal(requests.rest("GET", "/"), "ecs")
    assert error.message == "The request names no operation of ecs"
    error = refusal(requests.rest("POST", "/"), "iam")
    assert error.code == "MissingAction"


def test_the_refusal_of_an_unknown_operation_speaks_the_clients_protocol() -> None:
    for request, signing_name, protocol, code in [
        (requests.json(f"{ECS}.Fly"), "ecs", "json", "UnknownOperationException"),
        (requests.form("Action=Fly&Version=2010-05-08"), "iam", "query", "InvalidAction"),
        (requests.form("Action=Fly"), "ec2", "ec2", "InvalidAction"),
        (
            requests.cbor("/service/CodeBuild_20161006/operation/Fly"),
            None,
            "smithy-rpc-v2-cbor",
            "UnknownOperationException",
        ),
        (requests.rest("PATCH", "/bucket"), "s3", "rest-xml", "MethodNotAllowed"),
        (requests.rest("GET", "/nowhere"), "efs", "rest-json", "UnknownOperationException"),
    ]:
        error = refusal(request, signing_name)
        response = wire.encode_error(None, error, "request-1")
        received = clients.raw(protocol, response, None)
        assert received["Error"]["Code"] == code
        assert received["Error"]["Message"] == error.message
