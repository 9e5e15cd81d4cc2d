"""Scenarios: commands, a line of dashes, and what they answer (README.md)."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
import re
import shlex
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import attrs
import jmespath  # type: ignore[import-untyped]
import yaml
from botocore import xform_name
from botocore.exceptions import ClientError

from neargate.model.cloudformation import StackResource
from neargate.model.records import Reader
from neargate.runtimes.memory import cannot_start, exits, serves
from tests.scenarios.client import input_shape, operation_names
from tests.scenarios.cloud import RunningCloud
from tests.scenarios.wording import Wording

DASHES = "-" * 100
_EVENTBRIDGE = [
    ["events", operation] for operation in operation_names("events")
]  # `events STACK` is the player's
SHARED = Path(__file__).parent / "shared"


@attrs.frozen
class Scenario:
    """`files` are the texts that commands name with `@name`."""

    head: str
    commands: list[str]
    files: dict[str, str]
    expected: str


def read(path: Path) -> Scenario:
    head, _, expected = path.read_text().partition(DASHES + "\n")
    files = {shared.name: shared.read_text() for shared in SHARED.iterdir()}
    commands: list[str] = []
    name = ""
    for line in head.splitlines():
        if name and (line.startswith("  ") or not line.strip()):
            files[name] += line + "\n"
            continue
        name = ""
        if line.startswith("file "):
            name = line.removeprefix("file ").strip()
            files[name] = ""
        elif line.strip() and not line.startswith("#"):
            commands.append(line.strip())
    plain = {name: textwrap.dedent(text).strip() + "\n" for name, text in files.items()}
    return Scenario(head, commands, plain, expected)


def write(path: Path, scenario: Scenario, transcript: str) -> None:
    path.write_text(scenario.head + DASHES + "\n" + transcript)


class Player:
    """Plays one scenario on a cloud; `play` returns its transcript."""

    def __init__(self, cloud: RunningCloud, scenario: Scenario) -> None:
        self._cloud = cloud
        self._files = scenario.files
        self._commands = scenario.commands
        self._values: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._urls: dict[tuple[str, str], str] = {}
        self._wording = Wording()
        for name in re.findall(r"StackName: *(\w+)", "\n".join(scenario.files.values())):
            self._wording.know_stack(name)

    async def play(self) -> str:
        parts = []
        for line in self._commands:
            answer = await self._one(line)
            if answer is not None:
                parts.append(f"> {line}\n{self._wording.plain(answer)}\n")
        return "\n".join(part.rstrip() + "\n" for part in parts)

    async def _one(self, line: str) -> str | None:
        command, _, query = (part.strip() for part in line.partition(" | "))
        if command.startswith("let "):
            name, _, command = command.removeprefix("let ").partition(" = ")
            self._values[name.strip()] = str(await self._call(command, query))
            return None
        words = shlex.split(command) if not command.startswith("signal ") else command.split(" ")
        own = getattr(self, f"_do_{words[0].replace('-', '_')}", None)
        if own is not None and words[:2] not in _EVENTBRIDGE:
            answer: str | None = await own(*words[1:])
            return answer
        try:
            return _shown(await self._call(command, query))
        except ClientError as error:
            said = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return f"{said['Code']} ({status}): {said['Message']}"

    async def _call(self, command: str, query: str) -> Any:
        service, operation, *given = shlex.split(command)
        name = operation_names(service)[operation]
        parameters = self._parameters(input_shape(service, name), given)
        if "StackName" in parameters:
            self._wording.know_stack(parameters["StackName"])
        if parameters.get("IncludeNestedStacks"):
            self._wording.know_stack(parameters["ChangeSetName"])  # begins the nested ones' names alike
        answer = await self._cloud.aws(service, name, **parameters)
        return jmespath.search(query, answer) if query else answer

    def _parameters(self, shape: Any, given: list[str]) -> dict[str, Any]:
        members = {xform_name(member, "-"): member for member in shape.members} if shape else {}
        parameters = {}
        for word in given:
            name, _, text = word.partition("=")
            member = members[name]
            parameters[member] = self._typed(shape.members[member], text)
        return parameters

    def _typed(self, shape: Any, text: str) -> Any:
        text = self._filled(text)
        if text.startswith("@"):
            text = self._filled(self._files[text[1:]])
        kind = shape.type_name
        if kind == "boolean":
            return text == "true"
        if kind in {"integer", "long"}:
            return int(text)
        if kind == "list" and shape.member.type_name == "structure" and not text.startswith("["):
            return [_pair(shape.member, word) for word in text.split(";")]
        if kind == "list" and not text.startswith("["):
            return text.split(",")
        return json.loads(text) if kind in {"list", "structure", "map"} else text

    def _filled(self, text: str) -> str:
        for name, value in self._values.items():
            text = text.replace("${" + name + "}", value)
        return text

    # -- the scenario's own commands -------------------------------------------------------------------------

    async def _do_settle(self) -> None:
        await self._cloud.settle()

    async def _do_until(self, stack: str, logical_id: str, status: str) -> None:
        """Until a resource of a stack has a status."""

        def reached(view: Reader) -> bool:
            found = view.scan(StackResource)
            return any(
                r.logical_id == logical_id and r.status == status and r.stack.split("/")[2] == stack
                for r in found
            )

        await self._cloud.until(lambda: self._cloud.store.read(reached))

    async def _do_signal(self, stack: str, handle: str, *body: str) -> str:
        """PUT a signal to the URL that a wait condition handle was last seen with."""
        if (stack, handle) not in self._urls:
            request = {"StackName": stack, "LogicalResourceId": handle}
            found = await self._cloud.aws("cloudformation", "DescribeStackResource", **request)
            self._urls[stack, handle] = found["StackResourceDetail"]["PhysicalResourceId"]
        status, answer = await self._cloud.put(self._urls[stack, handle], " ".join(body))
        return f"{status} {answer}"

    async def _do_wait(self, seconds: str) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(float(seconds))

    async def _do_image(self, reference: str, *program: str) -> None:
        """Make an image exist in the engine: `image app:1 [exits CODE LINE… | broken]`."""
        command = (reference,)
        self._cloud.world.add_image(reference, command=command)
        if program and program[0] == "exits":
            self._cloud.world.programs[command] = exits(int(program[1]), *program[2:])
        elif program and program[0] == "broken":
            self._cloud.world.programs[command] = cannot_start(f'exec: "{reference}": no such file')
        else:
            self._cloud.world.programs[command] = serves()

    async def _do_load(self, cpus: str) -> None:
        """Spread work over the containers that run: `load 0.5` keeps half a CPU busy."""
        running = [p for p in self._cloud.world.containers.values() if p.state.status == "running"]
        for process in running:
            process.burn(float(cpus) / len(running))

    async def _do_containers(self) -> str:
        """The images that run."""
        return "\n".join(self._cloud.containers()) or "none"

    async def _do_events(self, stack: str) -> str:
        """A stack's events since this command was last given for it, oldest first."""
        found: list[dict[str, Any]] = []
        request = {"StackName": self._filled(stack)}
        while True:
            answer = await self._cloud.aws("cloudformation", "DescribeStackEvents", **request)
            found += answer["StackEvents"]
            if "NextToken" not in answer:
                break
            request["NextToken"] = answer["NextToken"]
        identity = found[0]["StackId"]
        fresh = found[::-1][self._seen.get(identity, 0) :]
        self._seen[identity] = len(found)
        width = max((len(event["LogicalResourceId"]) for event in fresh), default=0)
        lines = [
            f"{event['LogicalResourceId']:{width}} {event['ResourceStatus']}"
            f"{_because(event.get('ResourceStatusReason'))}"
            for event in fresh
        ]
        return "\n".join(lines)

    async def _do_zip(self, place: str, *members: str) -> None:
        """Put a zip of files into a bucket: `zip bucket/key name=@file…`."""
        bucket, _, key = place.partition("/")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for member in members:
                name, _, file = member.partition("=@")
                archive.writestr(name, self._filled(self._files[file]))
        await self._cloud.aws("s3", "PutObject", Bucket=bucket, Key=key, Body=content.getvalue())


def _because(reason: str | None) -> str:
    return "" if reason is None else f"  {json.dumps(reason, ensure_ascii=False)}"


def _pair(shape: Any, word: str) -> dict[str, Any]:
    """`Name=value` as a Parameter or a Tag; `Name=<previous>` keeps a parameter's value."""
    name, _, value = word.partition("=")
    key = next(member for member in shape.members if member in {"ParameterKey", "Key", "key"})
    if value == "<previous>":
        return {key: name, "UsePreviousValue": True}
    other = {"ParameterKey": "ParameterValue", "Key": "Value", "key": "value"}[key]
    return {key: name, other: value}


def _shown(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    plain = _plain(answer)
    text: str = yaml.safe_dump(
        plain, sort_keys=False, default_flow_style=None, width=1000, allow_unicode=True
    )
    return text.removesuffix("...\n").rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime):
        return "TIME"
    return _plain(value.read().decode()) if hasattr(value, "read") else value
