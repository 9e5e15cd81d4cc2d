"""Errors in each protocol's own form, and as botocore reads them."""

from __future__ import annotations

import json

import cbor2
import pytest

from neargate import wire
from neargate.model.errors import AwsError, not_implemented
from neargate.wire import Target
from tests.unit.wire import clients

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def test_query() -> None:
    target = Target("cloudformation", "DescribeStacks", "query")
    error = AwsError("ValidationError", "Stack with id a<b does not exist")
    response = wire.encode_error(target, error, "request-1")
    assert response.status == 400
    assert response.headers == {
        "Content-Type": "text/xml;charset=UTF-8",
        "x-amzn-RequestId": "request-1",
    }
    assert response.body.decode() == (
        DECLARATION + '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
        "<Error><Type>Sender</Type><Code>ValidationError</Code>"
        "<Message>Stack with id a&lt;b does not exist</Message></Error>"
        "<RequestId>request-1</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize("spelling", ["ChangeSetNotFound", "ChangeSetNotFoundException"])
def test_either_spelling_of_a_modelled_error_gives_the_wire_code(spelling: str) -> None:
    target = Target("cloudformation", "DescribeChangeSet", "query")
    response = wire.encode_error(target, AwsError(spelling, "ChangeSet [c] does not exist"), "request-1")
    assert response.status == 404
    assert b"<Type>Sender</Type><Code>ChangeSetNotFound</Code>" in response.body


def test_a_status_given_on_purpose_stays() -> None:
    target = Target("iam", "GetRole", "query")
    assert wire.encode_error(target, AwsError("NoSuchEntity", "no"), "r").status == 404
    assert wire.encode_error(target, AwsError("NoSuchEntity", "no", status=409), "r").status == 409
    response = wire.encode_error(target, AwsError("ServiceFailure", "oh", status=500), "r")
    assert b"<Type>Receiver</Type>" in response.body


def test_ec2() -> None:
    error = AwsError("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
    response = wire.encode_error(Target("ec2", "DescribeVpcs", "ec2"), error, "request-1")
    assert response.body.decode() == (
        DECLARATION + "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>"
        "<Message>The vpc ID 'vpc-1' does not exist</Message></Error></Errors>"
        "<RequestID>request-1</RequestID></Response>"
    )


def test_json() -> None:
    target = Target("ecs", "DescribeServices", "json")
    response = wire.encode_error(
        target, AwsError("ClusterNotFoundException", "Cluster not found."), "request-1"
    )
    assert response.status == 400
    assert response.headers == {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-RequestId": "request-1",
        "x-amzn-ErrorType": "ClusterNotFoundException",
    }
    assert json.loads(response.body) == {
        "__type": "ClusterNotFoundException",
        "message": "Cluster not found.",
    }


def test_modelled_members_travel() -> None:
    target = Target("ecs", "UpdateService", "json")
    error = AwsError("ClientException", "no", resourceIds=["a"], unheard=1)
    conflict = AwsError("ConflictException", "busy", resourceIds=["a", "b"], status=409)
    assert json.loads(wire.encode_error(target, error, "r").body)["unheard"] == "1"
    response = wire.encode_error(target, conflict, "r")
    shape = clients.botocore_model("ecs").shape_for("ConflictException")
    assert clients.raw("json", response, shape)["resourceIds"] == ["a", "b"]


def test_a_member_of_the_wrong_type_does_not_spoil_the_error() -> None:
    error = AwsError("ConflictException", "busy", resourceIds=7)
    body = json.loads(wire.encode_error(Target("ecs", "UpdateService", "json"), error, "r").body)
    assert (body["message"], body["resourceIds"]) == ("busy", "7")


def test_a_service_that_was_query_once_tells_the_old_code_too() -> None:
    target = Target("cloudwatch", "GetDashboard", "json", "1.0")
    response = wire.encode_error(target, AwsError("ResourceNotFound", "no"), "request-1")
    assert response.headers["x-amzn-query-error"] == "ResourceNotFound;Sender"
    assert response.status == 404
    received = clients.raw("json", response, None)
    assert received["Error"]["Code"] == "ResourceNotFound"


def test_cbor() -> None:
    target = Target("codebuild", "StartBuild", "smithy-rpc-v2-cbor")
    response = wire.encode_error(target, AwsError("ResourceNotFoundException", "gone"), "request-1")
    assert response.headers["Content-Type"] == "application/cbor"
    assert response.headers["smithy-protocol"] == "rpc-v2-cbor"
    assert cbor2.loads(response.body) == {"__type": "ResourceNotFoundException", "message": "gone"}


def test_rest_json_uses_the_models_status_and_spelling() -> None:
    target = Target("lambda", "GetFunction", "rest-json")
    error = AwsError("ResourceNotFoundException", "Function not found", Type="User")
    response = wire.encode_error(target, error, "request-1")
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(response.body)["Type"] == "User"
    received = clients.raw("rest-json", response, None)
    assert received["Error"] == {"Code": "ResourceNotFoundException", "Message": "Function not found"}


def test_s3() -> None:
    target = Target("s3", "GetObject", "rest-xml")
    response = wire.encode_error(target, AwsError("NoSuchKey", "no", Key="a&b", status=404), "request-1")
    assert response.status == 404
    assert response.headers == {
        "Content-Type": "application/xml",
        "x-amz-request-id": "request-1",
        "x-amz-id-2": "request-1",
    }
    assert response.body.decode() == (
        DECLARATION + "<Error><Code>NoSuchKey</Code><Message>no</Message><Key>a&amp;b</Key>"
        "<RequestId>request-1</RequestId><HostId>request-1</HostId></Error>"
    )


def test_s3_says_nothing_more_to_a_head_or_about_something_not_modified() -> None:
    missing = AwsError("NoSuchKey", "no", status=404)
    assert wire.encode_error(Target("s3", "HeadObject", "rest-xml"), missing, "r").body == b""
    unmodified = AwsError("NotModified", "same", status=304)
    assert wire.encode_error(Target("s3", "GetObject", "rest-xml"), unmodified, "r").body == b""


def test_route53_wraps_its_errors() -> None:
    target = Target("route53", "GetHostedZone", "rest-xml")
    response = wire.encode_error(target, AwsError("NoSuchHostedZone", "no"), "request-1")
    assert response.status == 404
    xmlns = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'
    assert f"<ErrorResponse {xmlns}><Error><Type>Sender</Type>" in response.body.decode()
    assert clients.raw("rest-xml", response, None)["Error"]["Code"] == "NoSuchHostedZone"


def test_without_a_target_the_form_is_the_one_most_clients_read() -> None:
    error = AwsError("InvalidClientTokenId", "The security token is invalid.", status=403)
    response = wire.encode_error(None, error, "request-1")
    assert response.status == 403
    for protocol in ["query", "ec2", "rest-xml"]:
        received = clients.raw(protocol, response, None)["Error"]
        assert (received["Code"], received["Message"]) == (error.code, error.message)


def test_what_is_not_implemented_says_so_everywhere() -> None:
    for protocol, service in [("query", "iam"), ("ec2", "ec2"), ("json", "ecs"), ("rest-json", "lambda")]:
        operation = wire.operations(service)[0]
        error = not_implemented(f"{service}:{operation}", service)
        response = wire.encode_error(Target(service, operation, protocol), error, "r")
        assert response.status == 501
        received = clients.raw(protocol, response, None)["Error"]
        assert received["Message"].endswith(
            f"is not implemented by Neargate yet (docs/coverage.md#{service})"
        )


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    error = AwsError("ValidationError", "bad \x00 \x1b text\r\n")
    response = wire.encode_error(Target("iam", "GetRole", "query"), error, "r")
    assert clients.raw("query", response, None)["Error"]["Message"] == "bad \ufffd \ufffd text\r\n"


@pytest.mark.parametrize("protocol", ["query", "json"])
def test_an_error_without_a_message_has_none(protocol: str) -> None:
    target = Target("cloudwatch", "SetAlarmState", protocol, "1.0")
    answer = wire.encode_error(target, AwsError("ResourceNotFound", "", status=404), "r")
    assert b"essage" not in answer.body
    assert answer.status == 404
