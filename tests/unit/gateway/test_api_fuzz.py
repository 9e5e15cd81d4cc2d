"""Whatever a client sends, the answer is a result or an AWS error: never InternalFailure, never a traceback.

For every operation that a service declares: requests of botocore's shapes with likely and unlikely values, and bodies
that are no request at all. NEARGATE_THOROUGH=1 tries many more.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neargate import services, wire
from neargate.gateway.api import Api
from neargate.model.ec2 import default_network
from neargate.model.operations import Caller, Settings, declared
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds
from neargate.wire import aws_models as models
from neargate.wire.known_services import SERVICES
from tests.unit.wire import clients, generate

TRIES = 60 if os.environ.get("NEARGATE_THOROUGH") else 4
REGION = "us-east-1"
ACCOUNT = "000000000000"

# What exists in the cloud below, and what looks as if it might.
LIKELY = [
    "thing",
    "default",
    "",
    "a" * 300,
    "*",
    "-1",
    "0",
    "é☃",
    "a/b/c",
    "a:b:c",
    "arn:",
    "arn:aws:ecs:us-east-1:000000000000:service/thing/thing",
    "arn:aws:ecs:us-east-1:000000000000:task/thing/0123456789abcdef0123456789abcdef",
    "arn:aws:ecs:us-east-1:000000000000:task-definition/thing:1",
    "arn:aws:iam::000000000000:role/thing",
    "arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy",
    "arn:aws:logs:us-east-1:000000000000:log-group:thing",
    "arn:aws:cloudformation:us-east-1:000000000000:stack/thing/x",
    "arn:aws:ecr:us-east-1:000000000000:repository/thing",
    "arn:aws:codebuild:us-east-1:000000000000:project/thing",
    "arn:aws:codepipeline:us-east-1:000000000000:thing",
    "thing:1",
    "vpc-0123456789abcdef0",
    "subnet-0123456789abcdef0",
    "sg-0123456789abcdef0",
    "172.31.0.0/16",
    "300.1.2.3/99",
    "{}",
    "[]",
    "{",
    '{"Version":"2012-10-17","Statement":[]}',
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":5},"Action":[null]}]}',
    "Resources: {A: {Type: 'AWS::Logs::LogGroup'}}",
    "Resources: {A: {Type: 'AWS::Logs::LogGroup', Properties: 5}}",
    "https://s3.amazonaws.com/thing/key",
    "FARGATE",
    "awsvpc",
    "256",
    "512",
    "true",
]


class Odd(generate.RandomChoices):
    """Choices that like what exists, what nearly exists, and the edges of numbers."""

    def text(self) -> str:
        return self.among(LIKELY) if self.between(0, 1) else self.among(LIKELY[:2])


def odd_value(shape: Any, choices: Odd, depth: int) -> Any:
    """A value of the shape's type: members are left out at will, texts are LIKELY, enums mostly valid."""
    kind = shape.type_name
    if kind == "structure":
        if depth > 5:
            return {}
        required = set(shape.metadata.get("required", ()))
        names = [n for n in shape.members if n in required or choices.between(0, 2) == 0]
        if choices.between(0, 15) == 0:
            names = names[1:]
        return {name: odd_value(shape.members[name], choices, depth + 1) for name in names}
    if kind == "list":
        return [odd_value(shape.member, choices, depth + 1) for _ in range(choices.between(0, 2))]
    if kind == "map":
        return {
            odd_value(shape.key, choices, depth + 1): odd_value(shape.value, choices, depth + 1)
            for _ in range(choices.between(0, 2))
        }
    return odd_scalar(shape, kind, choices)


def odd_scalar(shape: Any, kind: str, choices: Odd) -> Any:
    if kind in {"integer", "long"} and choices.between(0, 1):
        return shape.metadata.get("min", 1)
    if kind in {"integer", "long"}:
        return choices.among([0, 1, 2, 7, 80, 100, 256, 512, -1, 2**31 - 1])
    if kind in {"float", "double"}:
        return choices.among([0.0, 1.0, -1.0, 1e300])
    if kind == "boolean":
        return choices.among([True, False])
    if kind == "timestamp":
        return choices.among([0.0, 1767225600.0, 4e9])
    if kind == "blob":
        return choices.text().encode()
    enum = getattr(shape, "enum", None) or shape.metadata.get("enum")
    if enum and choices.between(0, 9):
        return choices.among(list(enum))
    place = shape.serialization.get("location")
    text = choices.text()
    if place in {"header", "headers", "uri"}:
        return text.encode("ascii", "ignore").decode() or "thing"
    return text


def every_operation() -> list[tuple[str, str]]:
    found = []
    for module in pkgutil.iter_modules(services.__path__):
        importlib.import_module(f"neargate.services.{module.name}")
    for service in SERVICES:
        found += [(service, name) for name in sorted(declared(service))]
    return found


OPERATIONS = every_operation()


class Cloud:
    """An Api over a real store in which a `thing` of most kinds exists."""

    def __init__(self, directory: Path) -> None:
        self.store = SqliteStore.open(directory / "neargate.db", SystemClock(), durable=False)
        blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(self.store, SystemClock(), SystemIds(), blobs, Settings())
        self.api = Api(self.dispatcher)

    def ask(self, request: wire.HttpRequest) -> wire.HttpResponse:
        return asyncio.run(self._ask(request))

    async def _ask(self, request: wire.HttpRequest) -> wire.HttpResponse:
        return (await self.api.answer(request)).response


THINGS: list[tuple[str, str, dict[str, Any]]] = [
    ("ecs", "CreateCluster", {"clusterName": "thing"}),
    ("ecs", "CreateCluster", {"clusterName": "default"}),
    ("logs", "CreateLogGroup", {"logGroupName": "thing"}),
    ("logs", "CreateLogStream", {"logGroupName": "thing", "logStreamName": "thing"}),
    ("s3", "CreateBucket", {"Bucket": "thing"}),
    ("s3", "PutObject", {"Bucket": "thing", "Key": "key", "Body": b"text"}),
    ("ecr", "CreateRepository", {"repositoryName": "thing"}),
    ("iam", "CreateUser", {"UserName": "thing"}),
    (
        "iam",
        "CreateRole",
        {
            "RoleName": "thing",
            "AssumeRolePolicyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
            '{"Service":["ecs-tasks.amazonaws.com","codepipeline.amazonaws.com","codebuild.amazonaws.com"]},'
            '"Action":"sts:AssumeRole"}]}',
        },
    ),
    (
        "cloudformation",
        "CreateStack",
        {"StackName": "thing", "TemplateBody": "Resources: {A: {Type: 'AWS::Logs::LogGroup'}}"},
    ),
    (
        "ecs",
        "RegisterTaskDefinition",
        {
            "family": "thing",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "containerDefinitions": [{"name": "thing", "image": "thing"}],
        },
    ),
]


def balancing(aws: Cloud) -> list[str]:
    """A load balancer with a listener, a rule and a target; the ARNs that AWS made up."""

    async def make() -> list[str]:
        network = default_network(ACCOUNT, REGION)
        caller = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")

        async def call(operation: str, **request: Any) -> Any:
            return await aws.dispatcher.call(caller, "elbv2", operation, request)

        where = {"Protocol": "HTTP", "Port": 80}
        subnets = [subnet.id for subnet in network.subnets[:2]]
        made = await call("CreateLoadBalancer", Name="thing", Subnets=subnets)
        balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        made = await call("CreateTargetGroup", Name="thing", VpcId=network.vpc.id, TargetType="ip", **where)
        group = made["TargetGroups"][0]["TargetGroupArn"]
        await call("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "172.31.0.9"}])
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        made = await call("CreateListener", LoadBalancerArn=balancer, DefaultActions=forward, **where)
        listener = made["Listeners"][0]["ListenerArn"]
        path = [{"Field": "path-pattern", "Values": ["/a"]}]
        made = await call("CreateRule", ListenerArn=listener, Priority=1, Conditions=path, Actions=forward)
        return [balancer, group, listener, made["Rules"][0]["RuleArn"]]

    return asyncio.run(make())


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        aws = Cloud(Path(directory))
        for service, operation, parameters in THINGS:
            answer = aws.ask(
                signed(service, clients.request(service, operation, protocol(service), parameters))
            )
            assert answer.status == 200, answer.body
        arns = balancing(aws)
        LIKELY.extend(arns)
        yield aws
        del LIKELY[-len(arns) :]
        aws.store.close()


def protocol(service: str) -> str:
    return clients.protocols(service)[-1] if service == "s3" else preferred(clients.protocols(service))


def preferred(protocols: tuple[str, ...]) -> str:
    """The one that botocore sends."""
    return next((name for name in protocols if name != "smithy-rpc-v2-cbor"), protocols[0])


def signed(service: str, request: wire.HttpRequest) -> wire.HttpRequest:
    scope = f"test/20260101/{REGION}/{SERVICES[service].signing}/aws4_request"
    headers = {
        **request.headers,
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "host": "localhost:4566",
    }
    return wire.HttpRequest(request.method, request.path, request.query, headers, request.body)


def check(answer: wire.HttpResponse, asked: str) -> None:
    body = answer.body if isinstance(answer.body, bytes) else b""
    assert answer.status not in {500, 502, 503}, f"{asked}: {body[:600]!r}"
    assert b"InternalFailure" not in body, asked


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=lambda value: value)
def test_any_request_of_the_shape(cloud: Cloud, service: str, operation: str) -> None:
    shape = models.input_shape(service, operation)
    for seed in range(TRIES):
        choices = Odd(seed)
        parameters = odd_value(shape, choices, 0) if shape is not None else {}
        try:
            request = clients.request(service, operation, protocol(service), parameters)
        except (ValueError, OverflowError, AttributeError, TypeError, KeyError):
            continue  # botocore's client cannot send it: its own refusal
        check(cloud.ask(signed(service, request)), f"{service} {operation} {parameters}")


JUNK = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b'{"a": {"b": [1, null]}}',
    b"\xff\xfe\x00",
    b"Action=DescribeStacks&Version=2010-05-15&StackName.member.1=a&StackName=%ff",
    b"Action=&Version=",
    b"<a><b></a>",
    b"\xa1\x61\x61",
    b"a" * 10_000,
]


@pytest.mark.parametrize("service", sorted({service for service, _ in OPERATIONS}))
def test_any_body_at_all(cloud: Cloud, service: str) -> None:
    random_bytes = random.Random(service)
    names = [name for declared_for, name in OPERATIONS if declared_for == service]
    for operation in names:
        shape = models.input_shape(service, operation)
        parameters = generate.structure(shape, generate.RandomChoices(1), required_only=True) if shape else {}
        try:
            request = signed(service, clients.request(service, operation, protocol(service), parameters))
        except (ValueError, OverflowError):
            continue
        for body in [random_bytes.choice(JUNK), random_bytes.randbytes(40)]:
            junk = wire.HttpRequest(request.method, request.path, request.query, request.headers, body)
            check(cloud.ask(junk), f"{service} {operation} {body[:60]!r}")
