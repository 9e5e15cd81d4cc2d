"""What all of a build's requests share: its names, the engine, who it acts for, and what it may see."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import urlencode

import attrs

from neargate.gateway.engine_socket.names import (
    BuildNames,
    ecr_registry,
    is_id,
    is_reference,
    split_tag,
    with_tag,
)
from neargate.gateway.engine_socket.wire import Exchange, Refusal
from neargate.model.ecr import Registry, SigningKey, verify
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.runtimes.engine_connection import EngineConnection, Refused, json_lines
from neargate.services.dispatch import Dispatcher

OWNER_LABEL = "dev.neargate.owner"
BUILD_LABEL = "dev.neargate.build"

NO_CREDENTIALS = "no basic auth credentials"
PROGRESS = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
"""The headers of an answer that is lines of progress."""

_FAILED_RUN = re.compile(
    r'(?:error )?building at STEP "RUN (?P<command>.*)": .*exit status (?P<code>\d+)', re.DOTALL
)


@attrs.frozen
class Session:
    """One build's view of the engine."""

    names: BuildNames
    engine: EngineConnection
    dispatcher: Dispatcher
    caller: Caller
    owner: str
    build_id: str

    @property
    def labels(self) -> dict[str, str]:
        return {OWNER_LABEL: self.owner, BUILD_LABEL: self.build_id}

    async def find_image(self, name: str) -> str | None:
        """The engine's name (or id) of an image that the build names and may see, or None. Raises `Refusal` for
        what is no name: it would lead elsewhere in the engine's API."""
        require_reference(name)
        own = self.names.image(name)
        if await self.has_image(own):
            return own
        found = self.names.resolve(name, await self.tags()) if ecr_registry(name) is None else None
        if found is not None or ("@" not in name and not is_id(name)):
            return found
        if ecr_registry(name) is not None:
            return None
        try:
            shown = await self.engine.json("GET", f"images/{name}/json")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        maker = ((shown.get("Config") or {}).get("Labels") or {}).get(BUILD_LABEL, self.build_id)
        return name if maker == self.build_id or visible(shown.get("RepoTags"), self.names) else None

    async def require_image(self, name: str) -> str:
        """The same; raises `Refusal` as Docker does where there is none."""
        found = await self.find_image(name)
        if found is None:
            raise Refusal(404, f"No such image: {name if is_id(name) else with_tag(name)}")
        return found

    async def has_image(self, engine_name: str) -> bool:
        """Whether the engine has an image of this full name."""
        try:
            await self.engine.json("GET", f"images/{engine_name}/json")
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    async def tags(self) -> frozenset[str]:
        """Every image name in the engine."""
        images = await self.engine.json("GET", "images/json")
        return frozenset(tag for image in images for tag in image.get("RepoTags") or [])

    async def own_names(self) -> list[str]:
        """Every image name in the engine that this build gave."""
        return sorted(tag for tag in await self.tags() if tag.startswith(self.names.prefix))

    async def tag(self, source: str, target: str) -> None:
        """Give an image (engine's name or id) another of the engine's names."""
        repository, tag = split_tag(target)
        await self.engine.json("POST", f"images/{source}/tag?{urlencode({'repo': repository, 'tag': tag})}")

    def check_token(self, registry: Registry, username: str, password: str) -> None:
        """Refuse what ECR would refuse at a login or a push. Raises `Refusal` with ECR's text."""
        key = self.dispatcher.store.read(lambda view: view.get(SigningKey, "ecr"))
        grant = verify(password, key) if username == "AWS" else None
        if grant is None:
            raise Refusal(
                401, f"login attempt to https://{registry.host}/v2/ failed with status: 401 Unauthorized"
            )
        if grant.expires <= self.dispatcher.clock.now():
            raise Refusal(403, "denied: Your authorization token has expired. Reauthenticate and try again.")

    async def require_repository(self, registry: Registry, name: str) -> None:
        """Raises `Refusal` as a push or pull ends where ECR has no such repository."""
        where = attrs.evolve(self.caller, region=registry.region)
        request = {"registryId": registry.account, "repositoryNames": [name]}
        try:
            await self.dispatcher.call(where, "ecr", "DescribeRepositories", request)
        except AwsError as error:
            raise Refusal(404, f"name unknown: {error.message}") from error

    # Streams

    async def relay(
        self,
        exchange: Exchange,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Send, and pass the answer's progress on line by line with the user's names; returns the lines."""
        lines = []
        async with self.engine.stream(method, path, body=body, headers=headers) as response:
            if not exchange.begun:
                await exchange.begin(200, PROGRESS)
            async for line in json_lines(response):
                lines.append(self.translated(line))
                await say(exchange, lines[-1])
        return lines

    def translated(self, line: dict[str, Any]) -> dict[str, Any]:
        """A line of progress for the user. Podman leaves out `errorDetail`, which alone the CLI looks at, and
        words what goes wrong in its own way."""
        text: dict[str, Any] = json.loads(self.names.for_user(json.dumps(line)))
        detail = text.get("errorDetail") or ({"message": text["error"]} if "error" in text else None)
        if detail is not None:
            message = str(detail.get("message", "")).replace("unauthorized: Not Authorized", NO_CREDENTIALS)
            detail = {**detail, "message": message.strip()}
            if failed := _FAILED_RUN.fullmatch(message.strip()):
                said = (
                    f"The command '/bin/sh -c {failed['command']}' returned a non-zero code: {failed['code']}"
                )
                detail = {"code": int(failed["code"]), "message": said}
            text |= {"errorDetail": detail, "error": detail["message"]}
        return text


async def say(exchange: Exchange, line: dict[str, Any]) -> None:
    """One line of progress."""
    await exchange.write(json.dumps(line, ensure_ascii=False).encode() + b"\r\n")


async def complain(exchange: Exchange, message: str) -> None:
    """An error within progress, or as the answer where none has begun."""
    if exchange.begun:
        await say(exchange, {"errorDetail": {"message": message}, "error": message})
    else:
        raise Refusal(500, message)


def credentials(exchange: Exchange) -> dict[str, str]:
    """What the client's login for this one registry is: X-Registry-Auth, {} without one."""
    return _decoded(exchange.headers.get("x-registry-auth", ""))


def all_credentials(exchange: Exchange) -> dict[str, dict[str, str]]:
    """The client's logins by host: X-Registry-Config."""
    found: dict[str, Any] = _decoded(exchange.headers.get("x-registry-config", ""))
    return {
        host.removeprefix("https://").partition("/")[0]: login
        for host, login in found.items()
        if isinstance(login, dict)
    }


def encoded(value: Any) -> str:
    """A header's value as the Engine API wants it."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def require_reference(name: str) -> None:
    """Raises `Refusal` 400, in Docker's words, for what cannot be an image's name."""
    if not is_reference(name):
        raise Refusal(400, f"invalid reference format: {name}")


def visible(tags: list[str] | None, names: BuildNames) -> list[str]:
    """The image names of a list that this build may see, as the user writes them."""
    seen = [tag for tag in tags or [] if not names.belongs_to_others(tag)]
    return sorted({names.for_user(tag) for tag in seen})


def reference_of(query: dict[str, str]) -> str:
    """`fromImage` and `tag` as one name; a tag that is a digest is joined with @."""
    name, tag = query.get("fromImage", ""), query.get("tag", "")
    if not tag:
        return with_tag(name) if not is_id(name) else name
    return f"{name}@{tag}" if tag.startswith("sha256:") else f"{name}:{tag}"


def _decoded(header: str) -> dict[str, Any]:
    if not header:
        return {}
    padded = header + "=" * (-len(header) % 4)
    try:
        value = json.loads(base64.urlsafe_b64decode(padded.replace("+", "-").replace("/", "_")))
    except (binascii.Error, ValueError):
        raise Refusal(400, "the credentials of the request cannot be read") from None
    return value if isinstance(value, dict) else {}
