"""How long CloudFormation thinks about a template of 500 resources: it reads, checks, evaluates and compares it.

Both are CreateChangeSet calls on the services themselves, without HTTP; the store is on disk, as in a server. The
stack that the update changes is recorded as made instead of being made.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from benchmarks.figures import Figure, median
from neargate.model.cloudformation import Made, Stack, StackInput, StackResource
from neargate.model.operations import Caller, Settings
from neargate.model.records import Tx
from neargate.resources import evaluation
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

RESOURCES = 500
_ROUNDS = 7
_TARGET = 150.0  # ms
_ACCOUNT, _REGION = "000000000000", "us-east-1"
_CALLER = Caller(_ACCOUNT, _REGION, f"arn:aws:iam::{_ACCOUNT}:root")


def template(version: str, resources: int = RESOURCES) -> str:
    """A YAML template of log groups, roles, topics, queues and parameters that refer to each other.

    `version` stands in every fifth resource: two versions differ in these.
    """
    blocks = [_BLOCK.format(n=number, version=version) for number in range(resources // 5)]
    return _HEAD + "".join(blocks) + _OUTPUTS


_HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Environment: {Type: String, Default: prod, AllowedValues: [dev, prod]}
  Days: {Type: Number, Default: 7}
Mappings:
  Sizes: {prod: {tier: Standard}, dev: {tier: Standard}}
Conditions:
  IsProd: !Equals [!Ref Environment, prod]
Resources:
"""
_BLOCK = """\
  Group{n}:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Sub "/${{AWS::StackName}}/${{Environment}}/service-{n}"
      RetentionInDays: !Ref Days
      Tags: [{{Key: number, Value: "{n}"}}]
  Role{n}:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{{Effect: Allow, Principal: {{Service: ecs-tasks.amazonaws.com}}, Action: "sts:AssumeRole"}}]
      Policies:
        - PolicyName: logs
          PolicyDocument:
            Version: 2012-10-17
            Statement:
              - Effect: Allow
                Action: ["logs:CreateLogStream", "logs:PutLogEvents"]
                Resource: !GetAtt Group{n}.Arn
  Topic{n}:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Join ["-", [!Ref Environment, topic, "{n}"]]
  Queue{n}:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: "5"
      VisibilityTimeout: !If [IsProd, 60, !Ref AWS::NoValue]
  Parameter{n}:
    Type: AWS::SSM::Parameter
    DependsOn: Topic{n}
    Properties:
      Type: String
      Tier: !FindInMap [Sizes, !Ref Environment, tier]
      Value: !Sub "{version} ${{Role{n}.Arn}} ${{Queue{n}}} ${{Group{n}}}"
"""
_OUTPUTS = "Outputs:\n  First: {Value: !GetAtt Role0.Arn, Export: {Name: !Sub '${AWS::StackName}-role'}}\n"


def measure() -> list[Figure]:
    """Two figures: the change set of a create and that of an update."""
    with tempfile.TemporaryDirectory() as directory:
        cloud = _Cloud(Path(directory))
        try:
            creates = [cloud.seconds(f"create-{n}", template(f"c{n}"), "CREATE") for n in range(_ROUNDS + 1)]
            cloud.record("made", template("old"))
            updates = [
                cloud.seconds("made", template(f"u{n}"), "UPDATE", f"u{n}") for n in range(_ROUNDS + 1)
            ]
        finally:
            cloud.close()
    return [_figure("create", creates[1:]), _figure("update", updates[1:])]


def _figure(what: str, seconds: list[float]) -> Figure:
    return Figure(
        f"Planning the {what} of {RESOURCES} resources",
        median(seconds) * 1000,
        "ms",
        "at most",
        _TARGET,
        f"median of {_ROUNDS} ({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})",
    )


class _Cloud:
    """The services over a store of their own, called in turn; each round reads another template text."""

    def __init__(self, directory: Path) -> None:
        clock, blobs = SystemClock(), BlobDirectory(directory / "blobs")
        self._store = SqliteStore.open(directory / "neargate.db", clock)
        self._dispatcher = Dispatcher(self._store, clock, SystemIds(), blobs, Settings())
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._store.close()
        self._loop.close()

    def seconds(self, stack: str, body: str, kind: str, name: str = "c") -> float:
        """How long the change set takes."""
        request = {
            "StackName": stack,
            "ChangeSetName": name,
            "ChangeSetType": kind,
            "TemplateBody": body,
            "Capabilities": ["CAPABILITY_IAM"],
        }
        began = time.perf_counter()
        self._loop.run_until_complete(
            self._dispatcher.call(_CALLER, "cloudformation", "CreateChangeSet", request)
        )
        return time.perf_counter() - began

    def record(self, name: str, body: str) -> None:
        """A stack as if it had been made from this template."""
        given = StackInput(template=body, parameters={"Environment": "prod", "Days": "7"})
        stack = Stack(
            _ACCOUNT, _REGION, name, "0" * 8, "CREATE_COMPLETE", 0.0, input=given, principal=_CALLER.principal
        )
        place = evaluation.Place(
            _ACCOUNT,
            _REGION,
            name,
            stack.id,
            lambda region: (f"{region}a", f"{region}b"),
            lambda export: None,
        )

        def put(tx: Tx) -> None:
            tx.put(stack)
            opened = evaluation.open_stack(given, place, {})
            made = {n: _made(opened, n, place) for n in opened.live}
            for logical_id, resource in opened.live.items():
                against = evaluation.open_stack(given, place, made)
                done = attrs.evolve(
                    made[logical_id], properties=evaluation.evaluated(resource, against, place)
                )
                tx.put(StackResource(stack.key, logical_id, resource.type, "CREATE_COMPLETE", 0.0, made=done))

        self._write(put)

    def _write(self, work: Callable[[Tx], None]) -> None:
        async def run() -> None:
            await self._store.write(work)

        self._loop.run_until_complete(run())


def _made(opened: evaluation.Opened, name: str, place: evaluation.Place) -> Made:
    attributes: dict[str, Any] = {"Arn": f"arn:aws:x:::{name}"}
    return Made(f"{name}-id", {}, None, ref=f"{name}-id", attributes=attributes)
