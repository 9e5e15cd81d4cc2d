"""Which port of the loopback address leads to which listener."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from neargate.model.balancer import WEB, Balancer
from neargate.model.elbv2 import Listener, LoadBalancer

log = structlog.get_logger()

_Shared = tuple[str, int]
"""What has one door: `web` and a port for all HTTP and HTTPS listeners with this port, a TCP listener's own key."""


class Doors:
    """Remembers the doors that are open. A listener has its own port where that can be had; the door that it was given
    once (`LoadBalancer.published`) it keeps."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._open: dict[_Shared, int] = {}

    async def of(self, listeners: Iterable[tuple[LoadBalancer, Listener]]) -> dict[str, int]:
        """The doors of all listeners, by their keys. Those of listeners that are gone are given up."""
        wanted = {listener.key: (_shared(listener), balancer, listener) for balancer, listener in listeners}
        kept = {shared for shared, _, _ in wanted.values()}
        self._open = {shared: port for shared, port in self._open.items() if shared in kept}
        for shared, balancer, listener in wanted.values():
            if shared not in self._open:
                self._open[shared] = await self._chosen(balancer, listener)
        return {key: self._open[shared] for key, (shared, _, _) in wanted.items()}

    def doubt(self) -> None:
        """A door could not be opened: choose anew."""
        self._open.clear()

    async def _chosen(self, balancer: LoadBalancer, listener: Listener) -> int:
        earlier = (each.port for each in balancer.published if each.listener_port == listener.port)
        port = await self._balancer.door(next(earlier, listener.port), frozenset(self._open.values()))
        if port != listener.port:
            instead = f"{balancer.dns_name}:{port}"
            log.warning(
                "balancer.port-in-use", port=listener.port, load_balancer=balancer.name, instead=instead
            )
        return port


def _shared(listener: Listener) -> _Shared:
    return ("web" if listener.protocol in WEB else listener.key, listener.port)
