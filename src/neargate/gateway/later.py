"""An ASGI app that is made when it is first asked for: what a delivery may never use costs a start nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from neargate.gateway.front import AsgiApp, AsgiScope, Receive, Send

App = TypeVar("App", bound=AsgiApp)


class Later(Generic[App]):
    """Stands for the app that `make` imports and makes, once."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._app: App | None = None

    def app(self) -> App:
        if self._app is None:
            self._app = self._make()
        return self._app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        await self.app()(scope, receive, send)
