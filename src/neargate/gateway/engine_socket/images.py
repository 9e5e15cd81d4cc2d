"""Images: pull, push, tag, list, inspect, remove; and logging in to registries."""

from __future__ import annotations

import contextlib
import fnmatch
import json
from typing import Any
from urllib.parse import urlencode

import attrs

from neargate.gateway.engine_socket.names import ecr_registry, host_of, is_id, qualified, split_tag, with_tag
from neargate.gateway.engine_socket.session import (
    BUILD_LABEL,
    NO_CREDENTIALS,
    PROGRESS,
    Session,
    complain,
    credentials,
    encoded,
    reference_of,
    require_reference,
    say,
    visible,
)
from neargate.gateway.engine_socket.wire import Exchange, Refusal
from neargate.model.ecr import Image, ImageTag, Reference, Repository, parse_reference, parse_registry
from neargate.runtimes.engine_connection import Refused, json_lines
from neargate.services.ecr.push import tag_is_taken


async def auth(session: Session, exchange: Exchange) -> None:
    """`docker login`. ECR's names are ours to check; another registry's login the engine checks."""
    login = await exchange.json()
    host = str(login.get("serveraddress") or "").removeprefix("https://").partition("/")[0]
    registry = parse_registry(host)
    if registry is not None:
        session.check_token(registry, login.get("username") or "", login.get("password") or "")
        await exchange.answer(200, {"Status": "Login Succeeded", "IdentityToken": ""})
        return
    await exchange.answer(200, await session.engine.json("POST", "auth", body=login))


async def pull(session: Session, exchange: Exchange) -> None:
    """`docker pull`. ECR's images come through the registry; others into the engine under their own name."""
    if exchange.query.get("fromSrc"):
        raise Refusal(501, "docker import is not supported by Neargate's engine socket.")
    name = reference_of(exchange.query)
    registry = ecr_registry(name)
    if registry is not None:
        await _pull_ecr(session, exchange, name)
        return
    local = await session.find_image(name)
    headers = {"X-Registry-Auth": encoded(credentials(exchange))}
    query = urlencode({"fromImage": qualified(name), "platform": exchange.query.get("platform", "")})
    path = f"images/create?{query}"
    if local is None:
        await session.relay(exchange, "POST", path, headers=headers)
        return
    failure = None
    try:
        async with session.engine.stream("POST", path, headers=headers) as answer:
            await exchange.begin(200, PROGRESS)
            async for line in json_lines(answer):
                failure = failure or line.get("error")
                if "error" not in line:
                    await say(exchange, session.translated(line))
    except Refused as error:
        failure = error.message
        await exchange.begin(200, PROGRESS)
    if failure is not None:
        await say(exchange, {"status": f"{name} cannot be pulled ({failure}); the local image is used"})
    await say(exchange, {"status": f"Status: Image is up to date for {name}"})


async def _pull_ecr(session: Session, exchange: Exchange, name: str) -> None:
    wanted = parse_reference(name)
    if wanted is None:
        raise Refusal(400, f"invalid reference format: {name}")
    _require_login(session, exchange, wanted)
    await session.require_repository(wanted.registry, wanted.repository)
    key = f"{wanted.registry.scope(wanted.repository)}:{wanted.tag}"
    if not wanted.digest and session.dispatcher.store.read(lambda view: view.get(ImageTag, key)) is None:
        raise Refusal(404, f"manifest for {name} not found: manifest unknown: Requested image not found")
    headers = {"X-Registry-Auth": encoded(_loopback_login(session, exchange))}
    query = urlencode({"fromImage": session.names.image(name)})
    lines = await session.relay(exchange, "POST", f"images/create?{query}", headers=headers)
    if not any("error" in line for line in lines):
        await say(exchange, {"status": f"Status: Downloaded newer image for {name}"})


async def push(session: Session, exchange: Exchange, name: str) -> None:
    """`docker push`. What ECR would refuse is refused before the engine is asked, in ECR's words."""
    tag = exchange.query.get("tag", "")
    whole = f"{name}:{tag}" if tag else with_tag(name)
    require_reference(whole)
    repository = split_tag(whole)[0]
    source = session.names.image(whole)
    if not await session.has_image(source):
        raise Refusal(404, f"An image does not exist locally with the tag: {repository}")
    wanted = parse_reference(whole)
    if wanted is None:
        await _push_elsewhere(session, exchange, source, whole)
        return
    await exchange.begin(200, PROGRESS)
    await say(exchange, {"status": f"The push refers to repository [{repository}]"})
    try:
        _require_login(session, exchange, wanted)
        await session.require_repository(wanted.registry, wanted.repository)
        await _require_free_tag(session, wanted, source)
        await _push_ecr(session, exchange, wanted, source)
    except Refusal as refusal:
        await complain(exchange, refusal.message)
    except Refused as error:
        await complain(exchange, session.names.for_user(error.message))


async def _push_ecr(session: Session, exchange: Exchange, wanted: Reference, source: str) -> None:
    repository, tag = split_tag(source)
    headers = {"X-Registry-Auth": encoded(_loopback_login(session, exchange))}
    query = urlencode({"tag": tag, "tlsVerify": "false"})
    concluded = False
    async with session.engine.stream("POST", f"images/{repository}/push?{query}", headers=headers) as answer:
        async for line in json_lines(answer):
            told = session.translated(line)
            if str(told.get("status", "")).startswith("The push refers to"):
                continue
            await say(exchange, told)
            if "error" in told:
                return
            concluded = concluded or " digest: " in str(told.get("status", ""))
    if not concluded:
        await _conclude(session, exchange, wanted)
    with contextlib.suppress(Refused):  # only for whoever lists the engine's images
        await session.tag(source, session.names.shared(str(attrs.evolve(wanted, digest=None))))


async def _conclude(session: Session, exchange: Exchange, wanted: Reference) -> None:
    """The last line of a push, where the engine leaves it out."""
    key = wanted.registry.scope(wanted.repository)
    tagged = session.dispatcher.store.read(lambda view: view.get(ImageTag, f"{key}:{wanted.tag}"))
    if tagged is None:
        return
    image = session.dispatcher.store.read(lambda view: view.get(Image, f"{key}:{tagged.digest}"))
    size = 0 if image is None else len(image.manifest.encode())
    await say(exchange, {"status": f"{wanted.tag}: digest: {tagged.digest} size: {size}"})
    aux = {"Tag": wanted.tag, "Digest": tagged.digest, "Size": size}
    await say(exchange, {"progressDetail": {}, "aux": aux})


async def _push_elsewhere(session: Session, exchange: Exchange, source: str, whole: str) -> None:
    """To a registry that is none of ECR's: under its real name, which is taken away again."""
    await session.tag(source, whole)
    headers = {"X-Registry-Auth": encoded(credentials(exchange))}
    repository, tag = split_tag(whole)
    try:
        await session.relay(
            exchange, "POST", f"images/{repository}/push?{urlencode({'tag': tag})}", headers=headers
        )
    finally:
        with contextlib.suppress(Refused):
            await session.engine.json("DELETE", f"images/{whole}?noprune=1")


async def tag(session: Session, exchange: Exchange, name: str) -> None:
    source = await session.require_image(name)
    repository, wanted = exchange.query.get("repo", ""), exchange.query.get("tag", "")
    target = session.names.image(f"{repository}:{wanted}" if wanted else repository)
    await session.tag(source, target)
    await exchange.answer(201)


async def show(session: Session, exchange: Exchange, name: str) -> None:
    shown = await session.engine.json("GET", f"images/{await session.require_image(name)}/json")
    await exchange.answer(200, _for_user(session, shown))


async def history(session: Session, exchange: Exchange, name: str) -> None:
    layers = await session.engine.json("GET", f"images/{await session.require_image(name)}/history")
    for layer in layers:
        layer["Tags"] = visible(layer.get("Tags"), session.names) or None
    await exchange.answer(200, layers)


async def list_all(session: Session, exchange: Exchange) -> None:
    """`docker images`: the build's own images and the ordinary ones, nobody else's."""
    filters = exchange.structured("filters")
    patterns = _values(filters.pop("reference", None))
    query = {"all": exchange.query.get("all", "0"), "filters": json.dumps(filters)}
    images = await session.engine.json("GET", f"images/json?{urlencode(query)}")
    seen = []
    for image in images:
        own = (image.get("Labels") or {}).get(BUILD_LABEL) == session.build_id
        shown = _for_user(session, image)
        tags = [each for each in shown["RepoTags"] if not patterns or _matches(each, patterns)]
        if tags or (own and not patterns and not shown["RepoTags"]):
            seen.append({**shown, "RepoTags": tags})
    await exchange.answer(200, seen)


async def remove(session: Session, exchange: Exchange, name: str) -> None:
    """`docker rmi` takes away the build's own names; an image that others use as well stays for them."""
    found = await session.require_image(name)
    gone = [found] if found.startswith(session.names.prefix) else []
    if found == name and is_id(name):
        shown = await session.engine.json("GET", f"images/{name}/json")
        gone = [tag for tag in shown.get("RepoTags") or [] if tag.startswith(session.names.prefix)]
    if not gone:
        raise Refusal(403, f"{name} was not made by this build, so this build cannot remove it.")
    for each in gone:
        await session.engine.json("DELETE", f"images/{each}?noprune=1")
    await exchange.answer(200, [{"Untagged": session.names.for_user(each)} for each in gone])


def _for_user(session: Session, image: dict[str, Any]) -> dict[str, Any]:
    """An image's JSON with the names the build may see, as the user writes them."""
    names = session.names
    digests = [
        names.for_user(each) for each in image.get("RepoDigests") or [] if not names.belongs_to_others(each)
    ]
    shown = {
        **image,
        "RepoTags": visible(image.get("RepoTags"), names),
        "RepoDigests": sorted(set(digests)),
    }
    shown.pop("NamesHistory", None)
    translated: dict[str, Any] = json.loads(names.for_user(json.dumps(shown)))
    return translated


def _require_login(session: Session, exchange: Exchange, wanted: Reference) -> None:
    login = credentials(exchange)
    if not login.get("password"):
        raise Refusal(500, NO_CREDENTIALS)
    session.check_token(wanted.registry, login.get("username") or "", login["password"])


def _loopback_login(session: Session, exchange: Exchange) -> dict[str, str]:
    login = credentials(exchange)
    return {
        "username": login["username"],
        "password": login["password"],
        "serveraddress": session.names.loopback,
    }


async def _require_free_tag(session: Session, wanted: Reference, source: str) -> None:
    """Raises `Refusal` where the tag is on another image already and must stay there."""
    key = wanted.registry.scope(wanted.repository)
    read = session.dispatcher.store.read
    repository = read(lambda view: view.get(Repository, key))
    tagged = read(lambda view: view.get(ImageTag, f"{key}:{wanted.tag}"))
    if repository is None or tagged is None or not repository.forbids_overwriting(tagged.tag):
        return
    current = read(lambda view: view.get(Image, f"{key}:{tagged.digest}"))
    shown = await session.engine.json("GET", f"images/{source}/json")
    if (
        current is None
        or current.config is None
        or not current.config.endswith(shown["Id"].partition(":")[2] or shown["Id"])
    ):
        raise Refusal(400, f"tag invalid: {tag_is_taken(repository, tagged.tag).message}")


def _values(wanted: Any) -> list[str]:
    """A filter's values: the CLI sends {"value": true}, others a list."""
    return list(wanted or ())


def _matches(name: str, patterns: list[str]) -> bool:
    repository = split_tag(name)[0]
    shorts = {name, repository}
    if host_of(name) == "docker.io":
        shorts |= {each.removeprefix("docker.io/").removeprefix("library/") for each in tuple(shorts)}
    return any(fnmatch.fnmatchcase(short, pattern) for short in shorts for pattern in patterns)
