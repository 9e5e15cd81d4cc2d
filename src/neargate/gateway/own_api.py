"""What Neargate offers beside AWS, under `/_neargate/`: health, adopted ids, sources, and what is being waited for.

GET  /_neargate/health     {version, ready, engine, data, address, pid}
POST /_neargate/adopt      {region, groups: [{vpcs, subnets, security_groups, file_systems, certificates}]}
PUT  /_neargate/sources    {subject, repository, ref, path}
GET  /_neargate/waiting    {stacks: {name: {resource: sentence}}, executions: {pipeline: sentence}}
POST /_neargate/interrupt  {task}: AWS takes the Spot capacity of this task back
GET  /_neargate/load-balancers   {doors: {DNS name: {listener's port: port on this machine's loopback address}}}
POST /_neargate/prune      remove everything this data directory owns from the engine (reset)
PUT  /_neargate/wait/STACK-ID/LOGICAL-ID?Signature=…    a signal to a wait condition, as CloudFormation's URLs take it
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from neargate.gateway.api import DEFAULT_ACCOUNT, DEFAULT_REGION, root
from neargate.gateway.front import AsgiScope, Receive, Send
from neargate.model.errors import AwsError
from neargate.model.records import Json, Reader, Tx
from neargate.services.dispatch import Dispatcher

Health = Callable[[], Json]
_WAIT = "/_neargate/wait/"


class OwnApi:
    """The ASGI app. What single paths need is imported by them: a server that starts answers health at once.

    `health` says how the server is; `prune` empties the engine of what is ours."""

    def __init__(self, dispatcher: Dispatcher, health: Health, prune: Callable[[], Awaitable[Json]]) -> None:
        self._dispatcher = dispatcher
        self._health = health
        self._prune = prune

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "PUT" and scope["path"].startswith(_WAIT):
            await self._signal(scope, receive, send)
            return
        answers: dict[tuple[str, str], Callable[[Json], Awaitable[Json]]] = {
            ("GET", "/_neargate/health"): self._healthy,
            ("POST", "/_neargate/adopt"): self._adopt,
            ("PUT", "/_neargate/sources"): self._map_source,
            ("GET", "/_neargate/waiting"): self._waiting,
            ("POST", "/_neargate/interrupt"): self._interrupt,
            ("GET", "/_neargate/load-balancers"): self._load_balancers,
            ("POST", "/_neargate/prune"): self._pruned,
        }
        answer = answers.get((scope["method"], scope["path"]))
        if answer is None:
            await _json(send, 404, {"error": f"There is no {scope['method']} {scope['path']} here."})
            return
        try:
            request = await _request(receive)
            await _json(send, 200, await answer(request))
        except AwsError as error:
            await _json(send, error.status, {"error": error.message, "code": error.code})
        except (KeyError, TypeError, ValueError) as error:
            await _json(send, 400, {"error": f"The request is not understood: {error!r}"})

    async def _signal(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Whoever knows the URL may signal; the answer has no body, as S3's to a PUT."""
        url = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        request = {"Url": url, "Body": (await _body(receive)).decode("utf-8", "replace")}
        try:
            caller = root(DEFAULT_ACCOUNT, DEFAULT_REGION)  # the URL itself says whose stack it is
            await self._dispatcher.call(caller, "cloudformation.signals", "SignalWaitHandle", request)
        except AwsError as error:
            await _json(send, error.status, {"error": error.message, "code": error.code})
        else:
            await _json(send, 200, {})

    async def _healthy(self, request: Json) -> Json:
        return self._health()

    async def _pruned(self, request: Json) -> Json:
        return await self._prune()

    async def _adopt(self, request: Json) -> Json:
        from neargate.services.ec2.adoption import adopt
        from neargate.services.ecs.file_systems import adopt as adopt_file_systems
        from neargate.services.elbv2.certificates import adopt as adopt_certificates

        caller = root(request.get("account") or DEFAULT_ACCOUNT, request.get("region") or DEFAULT_REGION)
        groups: list[Json] = request["groups"]

        def work(tx: Tx) -> Json:
            cx = self._dispatcher.context(tx, caller)
            found = [made(cx, groups) for made in (adopt, adopt_file_systems, adopt_certificates)]
            return {word: [each for one in found for each in one[word]] for word in ("adopted", "existing")}

        return await self._dispatcher.store.write(work)

    async def _interrupt(self, request: Json) -> Json:
        from neargate.services.ecs.interruption import interrupt

        arn = str(request["task"])
        _, _, _, region, account, _ = arn.split(":", 5)
        caller = root(account, region)

        def work(tx: Tx) -> Json:
            return interrupt(self._dispatcher.context(tx, caller), arn)

        return await self._dispatcher.store.write(work)

    async def _map_source(self, request: Json) -> Json:
        from neargate.model.codepipeline import SourceMapping

        mapping = SourceMapping(
            account=request.get("account") or DEFAULT_ACCOUNT,
            region=request.get("region") or DEFAULT_REGION,
            subject=str(request["subject"]),
            repository=str(request["repository"]),
            ref=str(request["ref"]),
            path=str(request.get("path") or ""),
        )
        await self._dispatcher.store.write(lambda tx: tx.put(mapping))
        return {"mapped": mapping.subject}

    async def _waiting(self, request: Json) -> Json:
        return self._dispatcher.store.read(_what_is_waited_for)

    async def _load_balancers(self, request: Json) -> Json:
        return self._dispatcher.store.read(_doors)


def _doors(view: Reader) -> Json:
    from neargate.model.elbv2 import LoadBalancer

    return {
        "doors": {
            one.dns_name: {str(each.listener_port): each.port for each in one.published}
            for one in view.scan(LoadBalancer)
        }
    }


def _what_is_waited_for(view: Reader) -> Json:
    from neargate.model.cloudformation import Stack, StackResource
    from neargate.model.codepipeline import Execution

    stacks: dict[str, dict[str, str]] = {}
    for stack in view.scan(Stack):
        if stack.operation is None:
            continue
        stacks[stack.name] = {
            r.logical_id: r.waiting_for for r in view.scan(StackResource, stack.key + "/") if r.waiting_for
        }
    executions = {
        e.pipeline.rsplit("/", 1)[-1]: e.waiting_for
        for e in view.scan(Execution)
        if e.active and e.waiting_for
    }
    return {"stacks": stacks, "executions": executions}


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body


async def _request(receive: Receive) -> Json:
    body = await _body(receive)
    if not body:
        return {}
    value: Any = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("a JSON object is wanted")
    return value


async def _json(send: Send, status: int, answer: Json) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
