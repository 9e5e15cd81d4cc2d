"""169.254.170.2: one ASGI app, heard in every task's own namespace.

Each task has a listening socket of its own, so whoever connects to it is that task: no token, no source
address. The app finds the task under `LINK_LOCAL` in the request's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from socket import socket

import attrs
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

LINK_LOCAL = "link_local"
"""The key of the identity in `scope["state"]` (`request.state.link_local`)."""

_GRACE = 5.0  # seconds that requests under way get when their listener stops


@attrs.frozen
class _Listener:
    server: asyncio.Server
    state: ServerState


class LinkLocal:
    """Serves the app on any number of listeners in the running event loop; a listener costs a few KB."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
        )
        self._listeners: dict[Hashable, _Listener] = {}

    async def serve(self, sock: socket, identity: Hashable) -> None:
        """Answer on this listening socket, for this identity, until `stop`; returns when it accepts.

        The socket belongs to LinkLocal from here on. Raises `ValueError` for an identity that is served
        already (the socket stays the caller's).
        """
        if identity in self._listeners:
            raise ValueError(f"{identity!r} is served already")
        state = ServerState()
        loop = asyncio.get_running_loop()

        def connection() -> HttpToolsProtocol:
            return HttpToolsProtocol(self._config, state, {LINK_LOCAL: identity}, loop)

        # Known before it accepts: whoever is cancelled while it starts can still stop it.
        server = await loop.create_server(connection, sock=sock, start_serving=False)
        self._listeners[identity] = _Listener(server, state)
        await server.start_serving()

    async def stop(self, identity: Hashable) -> None:
        """Close the listener and its idle connections; requests under way get 5 s. Stopping twice is fine."""
        listener = self._listeners.pop(identity, None)
        if listener is None:
            return
        listener.server.close()
        for connection in list(listener.state.connections):
            connection.shutdown()
        if listener.state.tasks:
            _, late = await asyncio.wait(list(listener.state.tasks), timeout=_GRACE)
            for task in late:
                task.cancel()
        for connection in list(listener.state.connections):
            connection.transport.close()

    async def close(self) -> None:
        """Stop every listener."""
        await asyncio.gather(*map(self.stop, list(self._listeners)))
