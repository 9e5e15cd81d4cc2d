"""Services that moto answers: reached as any other, and what was made comes back after a start."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
from pathlib import Path

import attrs
import pytest

from neargate.model.errors import AwsError
from neargate.model.moto import SERVICES, MotoRequest
from neargate.resources import registry
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from tests.unit.services.cloud import Cloud, cloud

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None, reason="the moto extra is not installed"
)


def test_a_request_is_answered_in_plain_data() -> None:
    with cloud() as aws:
        arn = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
        assert arn == "arn:aws:sns:us-east-1:000000000000:news"
        assert aws.call("sns", "ListTopics")["Topics"] == [{"TopicArn": arn}]
        key = aws.call("kms", "CreateKey")["KeyMetadata"]
        assert isinstance(key["CreationDate"], float)


def test_a_server_started_where_clients_are_sent_to_it_does_not_ask_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after `eval "$(neargate env)"`. It would wait for its own answer for ever."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with cloud() as aws:
        assert aws.call("sns", "ListTopics")["Topics"] == []


def test_a_refusal_is_an_error_of_the_service() -> None:
    with cloud() as aws:
        with pytest.raises(AwsError) as refused:
            aws.call("sns", "GetTopicAttributes", TopicArn="arn:aws:sns:us-east-1:000000000000:none")
        assert (refused.value.code, refused.value.status) == ("NotFound", 404)


@pytest.mark.parametrize("region", ["mars", "arn:aws:sns:us-east-1:000000000000:news", "us-east-1a"])
def test_a_region_that_cannot_be_is_refused(region: str) -> None:
    """As an error of the service: anything else would have a stack tried again for ever."""
    with cloud() as aws:
        with pytest.raises(AwsError) as refused:
            aws.call_in(region, "sns", "ListTopics")
        assert (refused.value.code, refused.value.status) == ("SignatureDoesNotMatch", 403)
        assert refused.value.message == "Credential should be scoped to a valid region."


def test_bytes_go_both_ways() -> None:
    with cloud() as aws:
        key = aws.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
        sealed = aws.call("kms", "Encrypt", KeyId=key, Plaintext=b"\x00secret")["CiphertextBlob"]
        assert aws.call("kms", "Decrypt", CiphertextBlob=sealed)["Plaintext"] == b"\x00secret"


def test_queue_urls_lead_back_to_neargate() -> None:
    with cloud() as aws:
        url = aws.call("sqs", "CreateQueue", QueueName="jobs")["QueueUrl"]
        assert url == "http://127.0.0.1:4566/000000000000/jobs"
        aws.call("sqs", "SendMessage", QueueUrl=url, MessageBody="hello")
        got = aws.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        assert [message["Body"] for message in got] == ["hello"]
        assert aws.call("sqs", "ListQueues")["QueueUrls"] == [url]


def test_what_was_made_comes_back_with_the_same_ids(tmp_path: Path) -> None:
    first = Cloud(tmp_path)
    key = first.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    topic = first.call("sns", "CreateTopic", Name="news")["TopicArn"]
    gone = first.call("sns", "CreateTopic", Name="gone")["TopicArn"]
    subscription = first.call(
        "sns",
        "Subscribe",
        TopicArn=topic,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:000000000000:jobs",
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    first.call("sns", "DeleteTopic", TopicArn=gone)
    first.store.close()

    second = Cloud(tmp_path)
    assert second.call("sns", "ListTopics")["Topics"] == [{"TopicArn": topic}]
    found = second.call("sns", "ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
    assert [s["SubscriptionArn"] for s in found] == [subscription]
    assert second.call("kms", "DescribeKey", KeyId=key)["KeyMetadata"]["Arn"] == key
    second.store.close()


def test_it_can_be_made_again_before_somebody_asks(tmp_path: Path) -> None:
    first = Cloud(tmp_path)
    topic = first.call("sns", "CreateTopic", Name="news")["TopicArn"]
    first.store.close()

    second = Cloud(tmp_path)
    moto = MotoServices()
    moto.warm(second.store)
    aws = Dispatcher(second.store, second.clock, second.ids, second.blobs, second.dispatcher.settings, moto)
    another = asyncio.run(aws.call(second.caller, "sns", "CreateTopic", {"Name": "more"}))["TopicArn"]
    found = asyncio.run(aws.call(second.caller, "sns", "ListTopics", {}))["Topics"]
    assert sorted(t["TopicArn"] for t in found) == sorted([topic, another])
    assert [record.number for record in second.store.read(lambda view: view.scan(MotoRequest))] == [1, 2]
    second.store.close()


def test_without_the_extra_a_request_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MotoServices, "installed", False)
    with cloud() as aws, pytest.raises(AwsError, match=r"pip install 'neargate\[moto\]'") as refused:
        aws.call("sns", "CreateTopic", Name="news")
    assert refused.value.code == "NotImplemented"


def test_types_that_need_the_extra_are_those_whose_handlers_call_it() -> None:
    """By the text of each declaration's module: the services that its calls name."""
    for declared in registry.supported():
        module = inspect.getmodule(declared.create)
        assert module is not None
        called = set(re.findall(r"(?:Call|call)\(\s*\"([a-z0-9-]+)\"", inspect.getsource(module)))
        if called:
            assert registry.needs_moto(declared.type) == bool(called & SERVICES), declared.type


def test_without_the_extra_a_template_is_refused_before_anything_is_created() -> None:
    with cloud() as aws:
        aws.dispatcher.settings = attrs.evolve(aws.dispatcher.settings, moto=False)
        template = '{"Resources": {"A": {"Type": "AWS::SNS::Topic"}, "B": {"Type": "AWS::SQS::Queue"}}}'
        with pytest.raises(AwsError, match=r"\[AWS::SNS::Topic, AWS::SQS::Queue\]. Install it \(pip install"):
            aws.call("cloudformation", "CreateStack", StackName="x", TemplateBody=template)
        assert aws.call("cloudformation", "DescribeStacks")["Stacks"] == []
