"""The forms that values have on the wire, and what happens to values that are none."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate import wire
from neargate.model.errors import AwsError
from neargate.wire import Target, timestamps
from tests.unit.wire import requests

CREATE_SERVICE = Target("ecs", "CreateService", "json")
ECS = "AmazonEC2ContainerServiceV20141113"


def decoded(operation: str, body: Any) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.decode(Target("ecs", operation, "json"), requests.json(f"{ECS}.{operation}", raw))


def refused(operation: str, body: Any) -> str:
    with pytest.raises(AwsError) as raised:
        decoded(operation, body)
    assert raised.value.code == "SerializationException"
    return raised.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"desiredCount": "2"}, "STRING_VALUE can not be converted to an Integer"),
        ({"desiredCount": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"desiredCount": 2.5}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"desiredCount": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"serviceName": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"serviceName": {}}, "Start of structure or map found where not expected."),
        ({"serviceName": []}, "Start of list found where not expected."),
        ({"enableECSManagedTags": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"loadBalancers": "x"}, "Expected list or null"),
        ({"loadBalancers": {}}, "Start of structure or map found where not expected."),
        ({"networkConfiguration": "x"}, "Expected null"),
        ({"networkConfiguration": []}, "Start of list found where not expected."),
        ({"serviceName": "\ud800"}, "A string in the request is not valid Unicode."),
        ([], "Start of list found where not expected."),
        (b"{", "The request body is not valid JSON."),
        (b'{"desiredCount": NaN}', "The request body is not valid JSON."),
        (b"\xff", "The request body is not valid JSON."),
        (b"[" * 100_000, "The request body is not valid JSON."),
    ],
)
def test_json_of_the_wrong_type(body: Any, message: str) -> None:
    assert refused("CreateService", body) == message


def test_json_drops_what_it_does_not_know_and_nulls() -> None:
    body = {"serviceName": "s", "unheard": 1, "cluster": None, "desiredCount": 2.0}
    assert decoded("CreateService", body) == {"serviceName": "s", "desiredCount": 2}
    assert decoded("ListClusters", b"") == {}


def test_a_form_of_the_wrong_type() -> None:
    target = Target("cloudformation", "CreateStack", "query")
    with pytest.raises(AwsError) as raised:
        wire.decode(target, requests.form("TimeoutInMinutes=soon"))
    assert raised.value.code == "MalformedInput"
    assert raised.value.message == "Value 'soon' at 'TimeoutInMinutes' is not of type Integer"
    with pytest.raises(AwsError, match="'x' is not an index of the list 'Parameters'"):
        wire.decode(target, requests.form("Parameters.member.x.ParameterKey=k"))


def test_lists_in_forms_close_their_gaps_in_order() -> None:
    target = Target("cloudformation", "CreateStack", "query")
    body = "Capabilities.member.10=c&Capabilities.member.2=b&Capabilities.member.1=a"
    assert wire.decode(target, requests.form(body)) == {"Capabilities": ["a", "b", "c"]}
    assert wire.decode(target, requests.form("Capabilities=")) == {"Capabilities": []}


def test_ec2_refuses_parameters_that_it_does_not_have() -> None:
    target = Target("ec2", "DescribeVpcs", "ec2")
    with pytest.raises(AwsError, match="The parameter Vpc is not recognized") as raised:
        wire.decode(target, requests.form("Action=DescribeVpcs&Version=2016-11-15&Vpc.1=x"))
    assert raised.value.code == "UnknownParameter"
    with pytest.raises(AwsError) as raised:
        wire.decode(target, requests.form("MaxResults=many"))
    assert raised.value.code == "InvalidParameterValue"


def test_ec2_answers_operations_without_output() -> None:
    response = wire.encode(Target("ec2", "DeleteVpc", "ec2"), {}, "request-1")
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<DeleteVpcResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        "<requestId>request-1</requestId><return>true</return></DeleteVpcResponse>"
    )


def test_query_wraps_its_results() -> None:
    response = wire.encode(Target("sts", "GetCallerIdentity", "query"), {"Account": "1" * 12}, "request-1")
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<GetCallerIdentityResult><Account>111111111111</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


def test_json_writes_whole_seconds_plainly_and_keeps_milliseconds() -> None:
    target = Target("ecs", "DescribeServices", "json")
    services = [{"createdAt": 1700000000.0, "serviceName": None}, {"createdAt": 1700000000.1239}]
    response = wire.encode(target, {"services": services, "failures": None}, "r")
    assert response.body == b'{"services":[{"createdAt":1700000000},{"createdAt":1700000000.124}]}'
    assert response.headers == {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "r"}


def test_cbor_timestamps_are_tagged() -> None:
    target = Target("codebuild", "BatchGetBuilds", "smithy-rpc-v2-cbor")
    response = wire.encode(target, {"builds": [{"startTime": 1700000000.5, "buildNumber": 1}]}, "r")
    decoder = cbor2.loads(response.body)
    assert decoder["builds"][0]["startTime"].timestamp() == 1700000000.5


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            {"clusterz": []},
            "ecs:DescribeClusters returned result: DescribeClustersResponse has no member clusterz",
        ),
        ({"clusters": [{"nam": "x"}]}, "ecs:DescribeClusters returned clusters.0: Cluster has no member nam"),
        (
            {"clusters": [{"status": 1}]},
            "ecs:DescribeClusters returned clusters.0.status: string wanted, not 1",
        ),
        (
            {"clusters": [{"runningTasksCount": "1"}]},
            "ecs:DescribeClusters returned clusters.0.runningTasksCount: integer wanted, not '1'",
        ),
        ({"clusters": "x"}, "ecs:DescribeClusters returned clusters: list wanted, not str"),
        (
            {"clusters": ["x"]},
            "ecs:DescribeClusters returned clusters.0: structure wanted, not str",
        ),
    ],
)
def test_a_result_that_the_model_does_not_have_is_a_bug(result: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as raised:
        wire.encode(Target("ecs", "DescribeClusters", "json"), result, "r")
    assert str(raised.value) == said


def test_a_result_where_there_is_none_is_a_bug() -> None:
    with pytest.raises(TypeError, match="ec2:DeleteVpc has no output, but returned"):
        wire.encode(Target("ec2", "DeleteVpc", "ec2"), {"Return": True}, "r")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (1700000000, 1700000000.0),
        (1700000000.5, 1700000000.5),
        ("1700000000.5", 1700000000.5),
        ("1.7e9", 1700000000.0),
        ("2023-11-14T22:13:20Z", 1700000000.0),
        ("2023-11-14T22:13:20.500Z", 1700000000.5),
        ("2023-11-14T22:13:20.123456789Z", 1700000000.123456),
        ("2023-11-15T00:13:20+02:00", 1700000000.0),
        ("2023-11-14T22:13:20", 1700000000.0),
        ("2023-11-14", 1699920000.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1700000000.0),
    ],
)
def test_every_form_of_a_timestamp_is_read(text: object, seconds: float) -> None:
    assert timestamps.parse(text) == pytest.approx(seconds, abs=1e-6)


@given(st.text() | st.floats() | st.integers() | st.booleans() | st.none() | st.binary() | st.datetimes())
def test_anything_else_is_no_timestamp(value: object) -> None:
    try:
        seconds = timestamps.parse(value)
    except ValueError:
        return
    assert timestamps.parse(timestamps.iso8601(seconds)) == pytest.approx(seconds, abs=0.001)
    if seconds > -30_000_000_000:  # RFC 822 writes earlier years as if they were abbreviated
        assert timestamps.parse(timestamps.rfc822(seconds)) <= seconds


@given(st.floats(-2_000_000_000, 4_000_000_000))
def test_timestamps_survive_each_form(seconds: float) -> None:
    assert timestamps.parse(timestamps.iso8601(seconds)) == pytest.approx(seconds, abs=0.001)
    assert timestamps.parse(timestamps.rfc822(seconds)) == pytest.approx(seconds, abs=1)
    assert timestamps.parse(timestamps.number(seconds)) == pytest.approx(seconds, abs=0.001)
