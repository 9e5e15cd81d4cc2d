"""Service Connect: the endpoints that services offer to the services of a namespace."""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen
class ClientAlias:
    """A name (lower case) and a port under which clients reach an endpoint."""

    name: str
    port: int


@attrs.frozen(kw_only=True)
class ConnectEndpoint:
    """A port of a service's tasks that the clients of a namespace (its id) reach as `aliases`.

    `registry` is the Cloud Map service (its id) in which the tasks register; `address` is the address at which
    this machine takes the clients' connections; `service` the key of the ECS service that offers it.
    """

    KIND: ClassVar[str] = "ecs.connect-endpoint"
    account: str
    region: str
    namespace: str
    name: str
    registry: str
    address: str
    aliases: tuple[ClientAlias, ...]
    service: str

    @property
    def key(self) -> str:
        return endpoints_of(self.account, self.region, self.namespace) + self.name

    @property
    def registry_arn(self) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:service/{self.registry}"


def endpoints_of(account: str, region: str, namespace: str) -> str:
    """The prefix of the keys of a namespace's endpoints."""
    return f"{account}/{region}/{namespace}/"
