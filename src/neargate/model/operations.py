"""How an API operation is written: a plain function with a decorator.

    @operation("ecs", "CreateCluster")
    def create_cluster(cx: Context, request: Json) -> Json: ...

    @operation("ecs", "ListClusters", reads=True)
    def list_clusters(cx: Context, request: Json) -> Json: ...

The function validates and records what is wanted; it runs nothing, waits for nothing and touches the world
only through `cx`. `request` and the result follow botocore's shapes: member names as in the model, timestamps
as float epoch seconds, blobs as bytes. It runs inside one store transaction: an exception undoes all of it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model.ports import Ids, Invoke
from neargate.model.records import Blobs, Json, Tx


@attrs.frozen
class Caller:
    """Who asks. `principal` is an ARN; `role` the ARN of the role whose permissions apply, None for root.

    `via` is the service that acts for somebody (`cloudformation.amazonaws.com`), "" for a direct call.
    """

    account: str
    region: str
    principal: str
    role: str | None = None
    access_key: str = ""
    via: str = ""
    user_agent: str = ""

    def scope(self, *parts: str) -> str:
        """A store key under this caller's account and region."""
        return "/".join((self.account, self.region, *parts))

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource in this caller's account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@attrs.frozen
class Settings:
    """What services must know of the server they run in. `moto`: whether the extra of that name is installed."""

    host: str = "127.0.0.1"
    port: int = 4566
    pace: str = "local"  # or "aws"
    emulate: bool = False  # tasks of a foreign architecture run under qemu, where it is there
    moto: bool = True

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"


@attrs.frozen
class Context:
    """Everything an operation may touch."""

    caller: Caller
    tx: Tx
    now: float
    ids: Ids
    blobs: Blobs
    invoke: Invoke
    settings: Settings
    request_id: str = ""

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def region(self) -> str:
        return self.caller.region


Handler = Callable[[Context, Json], Json]


@attrs.frozen
class Operation:
    service: str
    name: str
    handler: Handler
    reads: bool
    heavy: Callable[[Json], bool]
    """Of which requests it reads a lot."""


_REGISTRY: dict[str, dict[str, Operation]] = {}


def operation(
    service: str, name: str, *, reads: bool = False, heavy: bool | Callable[[Json], bool] = False
) -> Callable[[Handler], Handler]:
    """Register a function as an API operation of a botocore service name.

    `reads`: it writes nothing; it is answered from a snapshot on the event loop's own thread and must be
    quick. `heavy`: it reads a lot, always or of some requests, and runs on a worker thread then.
    """
    is_heavy = heavy if callable(heavy) else _always if heavy else _never

    def register(handler: Handler) -> Handler:
        table = _REGISTRY.setdefault(service, {})
        if name in table and table[name].handler.__module__ != handler.__module__:
            raise TypeError(f"{service}:{name} is declared twice")
        table[name] = Operation(service, name, handler, reads or bool(heavy), is_heavy)
        return handler

    return register


def _always(request: Json) -> bool:
    return True


def _never(request: Json) -> bool:
    return False


def declared(service: str) -> dict[str, Operation]:
    """The operations declared so far for a service (its modules must be imported first)."""
    return _REGISTRY.get(service, {})
