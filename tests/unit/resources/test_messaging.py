"""AWS::SNS and AWS::SQS: topics, subscriptions, queues and their policies, over the services that moto answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def pairs(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def statement(resource: str, action: str) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [allow]}


# -- topics ------------------------------------------------------------------------------------------------


def topic_of(aws: Cloud, arn: str) -> dict[str, str]:
    found: dict[str, str] = aws.call("sns", "GetTopicAttributes", TopicArn=arn)["Attributes"]
    return found


def tags_of(aws: Cloud, arn: str) -> dict[str, str]:
    tags = aws.call("sns", "ListTagsForResource", ResourceArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def endpoints(aws: Cloud, arn: str) -> list[str]:
    listed = aws.call("sns", "ListSubscriptionsByTopic", TopicArn=arn)["Subscriptions"]
    return sorted(one["Endpoint"] for one in listed)


def test_a_topic(aws: Cloud) -> None:
    topic = Life(aws, "AWS::SNS::Topic", "News")
    topic.create({"team": "shop"}, DisplayName="News", Tags=pairs(kind="a"))

    assert topic.ref == topic.id
    assert topic.attributes["TopicName"].startswith("shop-News-")
    assert topic.id == f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic.attributes['TopicName']}"
    assert topic_of(aws, topic.id)["DisplayName"] == "News"
    assert {"team": "shop", "kind": "a"}.items() <= tags_of(aws, topic.id).items()
    assert tags_of(aws, topic.id)["aws:cloudformation:logical-id"] == "News"

    topic.update(Tags=pairs(kind="b"))
    assert topic_of(aws, topic.id)["DisplayName"] == ""
    assert tags_of(aws, topic.id)["kind"] == "b"
    assert "team" not in tags_of(aws, topic.id)

    topic.delete()
    topic.delete()
    with pytest.raises(AwsError, match="does not exist"):
        topic_of(aws, topic.id)


def test_the_subscriptions_of_a_topic(aws: Cloud) -> None:
    jobs, more = (f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("jobs", "more"))
    topic = Life(aws, "AWS::SNS::Topic")
    topic.create(Subscription=[{"Protocol": "sqs", "Endpoint": jobs}])
    both = [{"Protocol": "sqs", "Endpoint": jobs}, {"Protocol": "sqs", "Endpoint": more}]
    topic.update(Subscription=both)
    assert endpoints(aws, topic.id) == [jobs, more]
    topic.update(Subscription=both[1:])
    assert endpoints(aws, topic.id) == [more]


def test_a_fifo_topics_formed_name_ends_in_fifo(aws: Cloud) -> None:
    topic = Life(aws, "AWS::SNS::Topic", "N" * 250)
    topic.create(FifoTopic=True, ContentBasedDeduplication="true")
    assert topic.attributes["TopicName"].endswith(".fifo")
    assert len(topic.attributes["TopicName"]) == 256
    assert topic_of(aws, topic.id)["FifoTopic"] == "true"
    assert topic_of(aws, topic.id)["ContentBasedDeduplication"] == "true"
    policy = {"MessageRetentionPeriod": 30}
    topic.update(FifoTopic=True, ContentBasedDeduplication="true", ArchivePolicy=policy)
    assert json.loads(topic_of(aws, topic.id)["ArchivePolicy"]) == {"MessageRetentionPeriod": "30"}


def test_a_fifo_topic_with_another_ending_is_refused(aws: Cloud) -> None:
    with pytest.raises(AwsError, match=r"must end with \.fifo"):
        Life(aws, "AWS::SNS::Topic").create(FifoTopic=True, TopicName="news")


def test_a_topic_whose_subscription_fails_is_taken_away(aws: Cloud) -> None:
    bad = {"Protocol": "sms", "Endpoint": "not-a-number"}
    with pytest.raises(AwsError, match="Invalid SMS endpoint"):
        Life(aws, "AWS::SNS::Topic").create(TopicName="news", Subscription=[bad])
    assert aws.call("sns", "ListTopics")["Topics"] == []


def test_a_topic_that_exists_is_not_taken_over(aws: Cloud) -> None:
    aws.call("sns", "CreateTopic", Name="news")
    with pytest.raises(AwsError) as refused:
        Life(aws, "AWS::SNS::Topic").create(TopicName="news")
    assert refused.value.code == "AlreadyExists"


def test_a_subscription(aws: Cloud) -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
    target = {"TopicArn": aws.call("sns", "CreateTopic", Name="news")["TopicArn"], "Protocol": "sqs"}
    one = Life(aws, "AWS::SNS::Subscription")
    one.create(**target, Endpoint=queue, RawMessageDelivery="true", FilterPolicy={"kind": ["a"]})

    def attributes() -> dict[str, str]:
        found: dict[str, str] = aws.call("sns", "GetSubscriptionAttributes", SubscriptionArn=one.id)[
            "Attributes"
        ]
        return found

    assert one.ref == one.attributes["Arn"] == one.id
    assert one.id.startswith(target["TopicArn"] + ":")
    assert attributes()["RawMessageDelivery"] == "true"
    assert json.loads(attributes()["FilterPolicy"]) == {"kind": ["a"]}

    nested = {"detail": {"kind": ["a"]}}
    one.update(**target, Endpoint=queue, FilterPolicyScope="MessageBody", FilterPolicy=nested)
    assert attributes()["RawMessageDelivery"] == "false"
    assert json.loads(attributes()["FilterPolicy"]) == nested

    one.update(**target, Endpoint=queue)
    assert not attributes().get("FilterPolicy")

    one.delete()
    one.delete()
    assert endpoints(aws, target["TopicArn"]) == []


def test_a_subscription_to_a_topic_of_another_region(aws: Cloud) -> None:
    arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"
    topic = Life(aws, "AWS::SNS::Subscription")
    with pytest.raises(AwsError, match="Topic does not exist"):
        topic.create(TopicArn=arn, Protocol="email", Endpoint="a@example.com", Region="eu-west-1")
    aws.call_in("eu-west-1", "sns", "CreateTopic", Name="news")
    topic.create(TopicArn=arn, Protocol="email", Endpoint="a@example.com", Region="eu-west-1")
    assert topic.id.startswith(arn + ":")


def test_a_topic_policy_leaves_the_default_one(aws: Cloud) -> None:
    one, two = (aws.call("sns", "CreateTopic", Name=name)["TopicArn"] for name in ("one", "two"))
    default = json.loads(topic_of(aws, one)["Policy"])
    policy = Life(aws, "AWS::SNS::TopicPolicy", "Policy")
    policy.create(Topics=[one, two], PolicyDocument=statement("*", "sns:Publish"))
    assert policy.ref == policy.attributes["Id"]
    assert policy.ref.startswith("shop-Policy-")
    assert json.loads(topic_of(aws, one)["Policy"])["Statement"][0]["Action"] == "sns:Publish"

    policy.update(Topics=[two], PolicyDocument=statement("*", "sns:Subscribe"))
    assert json.loads(topic_of(aws, one)["Policy"]) == default
    assert json.loads(topic_of(aws, two)["Policy"])["Statement"][0]["Action"] == "sns:Subscribe"

    aws.call("sns", "DeleteTopic", TopicArn=two)
    policy.delete()


def test_a_policy_for_a_topic_that_is_not_there_leaves_none(aws: Cloud) -> None:
    one = aws.call("sns", "CreateTopic", Name="one")["TopicArn"]
    default = json.loads(topic_of(aws, one)["Policy"])
    with pytest.raises(AwsError, match="Topic does not exist"):
        Life(aws, "AWS::SNS::TopicPolicy").create(
            Topics=[one, f"{one}-none"], PolicyDocument=statement("*", "sns:Publish")
        )
    assert json.loads(topic_of(aws, one)["Policy"]) == default


def test_an_inline_topic_policy(aws: Cloud) -> None:
    arn = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
    default = json.loads(topic_of(aws, arn)["Policy"])
    policy = Life(aws, "AWS::SNS::TopicInlinePolicy")
    policy.create(TopicArn=arn, PolicyDocument=statement(arn, "sns:Publish"))
    assert policy.ref == arn
    with pytest.raises(AwsError) as refused:
        Life(aws, "AWS::SNS::TopicInlinePolicy").create(
            TopicArn=arn, PolicyDocument=statement(arn, "sns:Publish")
        )
    assert refused.value.code == "AlreadyExists"
    policy.update(TopicArn=arn, PolicyDocument=statement(arn, "sns:Subscribe"))
    assert json.loads(topic_of(aws, arn)["Policy"])["Statement"][0]["Action"] == "sns:Subscribe"
    policy.delete()
    assert json.loads(topic_of(aws, arn)["Policy"]) == default


# -- queues ------------------------------------------------------------------------------------------------


def queue_of(aws: Cloud, url: str) -> dict[str, str]:
    asked = aws.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    found: dict[str, str] = asked["Attributes"]
    return found


def test_a_queue(aws: Cloud) -> None:
    dead = aws.call("sqs", "CreateQueue", QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": queue_of(aws, dead)["QueueArn"], "maxReceiveCount": "3"}
    queue = Life(aws, "AWS::SQS::Queue", "Jobs")
    queue.create({"team": "shop"}, DelaySeconds="5", RedrivePolicy=redrive, VisibilityTimeout=60)

    name = queue.attributes["QueueName"]
    assert name.startswith("shop-Jobs-")
    assert queue.ref == queue.attributes["QueueUrl"] == f"http://127.0.0.1:4566/{ACCOUNT}/{name}"
    assert queue.attributes["Arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    seen = queue_of(aws, queue.id)
    assert (seen["DelaySeconds"], seen["VisibilityTimeout"]) == ("5", "60")
    assert json.loads(seen["RedrivePolicy"])["maxReceiveCount"] == 3
    assert aws.call("sqs", "ListQueueTags", QueueUrl=queue.id)["Tags"] == {"team": "shop"}

    deny = {"redrivePermission": "denyAll"}
    queue.update(MessageRetentionPeriod=60, RedriveAllowPolicy=deny, Tags=pairs(kind="a"))
    assert json.loads(queue_of(aws, queue.id)["RedriveAllowPolicy"]) == deny
    queue.update(MessageRetentionPeriod=60, Tags=pairs(kind="a"))
    assert "RedriveAllowPolicy" not in queue_of(aws, queue.id)
    seen = queue_of(aws, queue.id)
    assert (seen["DelaySeconds"], seen["VisibilityTimeout"]) == ("0", "30")
    assert seen["MessageRetentionPeriod"] == "60"
    assert "RedrivePolicy" not in seen
    assert aws.call("sqs", "ListQueueTags", QueueUrl=queue.id)["Tags"] == {"kind": "a"}

    queue.delete()
    with pytest.raises(AwsError) as missing:
        queue.delete()
    assert queue.declared.error("Delete", missing.value)[1] == "NotFound"  # which the driver takes as deleted


def test_a_fifo_queues_formed_name_ends_in_fifo(aws: Cloud) -> None:
    queue = Life(aws, "AWS::SQS::Queue", "Q" * 90)
    queue.create(FifoQueue=True, ContentBasedDeduplication=True)
    assert queue.attributes["QueueName"].endswith(".fifo")
    assert len(queue.attributes["QueueName"]) == 80
    assert queue_of(aws, queue.id)["FifoQueue"] == "true"


def test_a_queue_that_exists_is_not_taken_over(aws: Cloud) -> None:
    aws.call("sqs", "CreateQueue", QueueName="jobs")
    with pytest.raises(AwsError) as refused:
        Life(aws, "AWS::SQS::Queue").create(QueueName="jobs")
    assert refused.value.code == "AlreadyExists"


def test_a_policy_for_a_queue_that_is_not_there_leaves_none(aws: Cloud) -> None:
    url = aws.call("sqs", "CreateQueue", QueueName="jobs")["QueueUrl"]
    with pytest.raises(AwsError, match="queue does not exist"):
        Life(aws, "AWS::SQS::QueuePolicy").create(
            Queues=[url, f"{url}-none"], PolicyDocument=statement("*", "sqs:SendMessage")
        )
    assert "Policy" not in queue_of(aws, url)


@pytest.mark.parametrize(
    ("kind", "one", "many"),
    [("AWS::SQS::QueuePolicy", "Queues", True), ("AWS::SQS::QueueInlinePolicy", "Queue", False)],
)
def test_a_queue_policy(aws: Cloud, kind: str, one: str, many: bool) -> None:
    url = aws.call("sqs", "CreateQueue", QueueName="jobs")["QueueUrl"]
    target: dict[str, Any] = {one: [url] if many else url}
    policy = Life(aws, kind, "Policy")
    policy.create(**target, PolicyDocument=statement("*", "sqs:SendMessage"))
    assert policy.ref.startswith("shop-Policy-") if many else policy.ref == url
    assert json.loads(queue_of(aws, url)["Policy"])["Statement"][0]["Action"] == "sqs:SendMessage"
    policy.update(**target, PolicyDocument=statement("*", "sqs:ReceiveMessage"))
    assert json.loads(queue_of(aws, url)["Policy"])["Statement"][0]["Action"] == "sqs:ReceiveMessage"
    policy.delete()
    assert "Policy" not in queue_of(aws, url)
    aws.call("sqs", "DeleteQueue", QueueUrl=url)
    policy.delete()
