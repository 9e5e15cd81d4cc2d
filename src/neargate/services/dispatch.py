"""From (caller, service, operation, request) to the function that answers, inside a transaction."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import Protocol

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Caller, Context, Operation, Settings, declared
from neargate.model.ports import Clock, Ids, Store
from neargate.model.records import Blobs, Json, Tx


def find(service: str, operation: str) -> Operation:
    """The declared operation. Raises NotImplemented in AWS's error shape where there is none."""
    _load(service)
    found = declared(service).get(operation)
    if found is None:
        raise not_implemented(f"{service}:{operation}", service)
    return found


_loaded: set[str] = set()
_OLDER_NAMES = {"codestar-connections": "codeconnections"}  # two names of one API: one package answers both


def _load(service: str) -> None:
    if service in _loaded:
        return
    module = f"neargate.services.{_OLDER_NAMES.get(service, service).replace('-', '_')}"
    if importlib.util.find_spec(module) is not None:
        importlib.import_module(module)
    _loaded.add(service)


class Foreign(Protocol):
    """Whoever answers for the services that Neargate does not have itself."""

    def offers(self, service: str) -> bool: ...

    def operation(self, service: str, name: str) -> Operation:
        """The operation, ready to run. Raises AwsError (NotImplemented)."""


class Dispatcher:
    """Runs operations. Writes go to the store's writer thread, reads are answered from a snapshot."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        blobs: Blobs,
        settings: Settings,
        foreign: Foreign | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.blobs = blobs
        self.settings = settings
        self._foreign = foreign

    def find(self, service: str, operation: str) -> Operation:
        """The operation, Neargate's own or a foreign one. Raises NotImplemented in AWS's error shape."""
        if self._foreign is not None and self._foreign.offers(service):
            return self._foreign.operation(service, operation)
        return find(service, operation)

    async def call(
        self, caller: Caller, service: str, operation: str, request: Json, *, request_id: str = ""
    ) -> Json:
        """Run one operation as `caller`; raises AwsError."""
        found = self.find(service, operation)
        request_id = request_id or self.ids.uuid()

        def read() -> Json:
            return self.store.read(
                lambda view: found.handler(self.context(view, caller, request_id), request)  # type: ignore[arg-type]
            )

        def write(tx: Tx) -> Json:
            _record_call(tx, caller, found)
            return found.handler(self.context(tx, caller, request_id), request)

        if found.heavy(request):
            return await asyncio.to_thread(read)
        if found.reads:
            return read()
        return await self.store.write(write)

    def context(self, tx: Tx, caller: Caller, request_id: str = "") -> Context:
        """What an operation needs, over a transaction that is already open."""

        def invoke(
            service: str,
            operation: str,
            request: Json,
            *,
            role: str | None = None,
            region: str | None = None,
            via: str | None = None,
        ) -> Json:
            found = self.find(service, operation)
            actor = caller if role is None else _in_role(caller, role)
            if region is not None:
                actor = attrs.evolve(actor, region=region)
            if via is not None:
                actor = attrs.evolve(actor, via=via)
            if not found.reads:
                _record_call(tx, actor, found)
            try:
                return found.handler(self.context(tx, actor, request_id), request)
            except AwsError as error:
                error.request_id = error.request_id or self.ids.uuid()
                raise

        return Context(
            caller=caller,
            tx=tx,
            now=self.clock.now(),
            ids=self.ids,
            blobs=self.blobs,
            invoke=invoke,
            settings=self.settings,
            request_id=request_id,
        )


def _in_role(caller: Caller, role: str) -> Caller:
    parts = role.split(":")
    if len(parts) < 6 or not role.startswith("arn:"):
        raise AwsError("ValidationError", f"Role ARN is invalid or cannot be assumed: {role}")
    name = parts[5].rsplit("/", 1)[-1]
    principal = f"arn:aws:sts::{parts[4]}:assumed-role/{name}/{caller.via or 'neargate'}"
    return attrs.evolve(caller, account=parts[4] or caller.account, principal=principal, role=role)


def _record_call(tx: Tx, caller: Caller, called: Operation) -> None:
    """Who did what: the trail that enforcement and the events view read."""
    body: Json = {"principal": caller.principal}
    if caller.role:
        body["role"] = caller.role
    if caller.via:
        body["via"] = caller.via
    tx.append("api", f"{called.service}:{called.name}", body)
