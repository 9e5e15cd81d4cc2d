"""Service Connect: what CreateService and UpdateService check, and the endpoints that a service offers.

Clients reach an endpoint at an address of its own on this machine, where the load balancers' data plane takes their
connections and passes them on to the tasks that Cloud Map has. Connections are balanced, not requests: what needs
the proxy to understand HTTP is refused by name. The texts of refusals are Neargate's own, but for
NamespaceNotFoundException (botocore's model).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from neargate.model.ecs import Deployment, Service, TaskDefinition, TaskRegistration
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.service_connect import ClientAlias, ConnectEndpoint, endpoints_of
from neargate.planners import connect_traffic
from neargate.planners.task import has_health_check
from neargate.services.ecs.lookup import invalid

_LATER = ("timeout", "tls", "ingressPortOverride")


@attrs.frozen
class Offer:
    """One service of a configuration, with everything filled in."""

    name: str
    port: int
    aliases: tuple[ClientAlias, ...]


# -- namespaces ------------------------------------------------------------------------------------------------


def default_namespace(cx: Context, given: Json | None) -> Json | None:
    """A cluster's serviceConnectDefaults with the namespace's ARN. A name that no namespace has makes one for HTTP;
    an empty one takes the default away."""
    name = (given or {}).get("namespace")
    if not name:
        return None
    found = _find(cx, name)
    if found is None and name.startswith("arn:"):
        raise _unknown()
    if found is None:
        made = cx.invoke("servicediscovery", "CreateHttpNamespace", {"Name": name})
        done = cx.invoke("servicediscovery", "GetOperation", made)["Operation"]
        found = cx.invoke("servicediscovery", "GetNamespace", {"Id": done["Targets"]["NAMESPACE"]})[
            "Namespace"
        ]
    return {"namespace": found["Arn"]}


def namespace_arn(cx: Context, name: str) -> str:
    """The ARN of a namespace that is there, by name or ARN."""
    found = _find(cx, name)
    if found is None:
        raise _unknown()
    return str(found["Arn"])


def _find(cx: Context, name: str) -> Json | None:
    """A namespace by name or ARN."""
    if name.startswith("arn:"):
        try:
            found: Json = cx.invoke("servicediscovery", "GetNamespace", {"Id": name})["Namespace"]
        except AwsError:
            return None
        return found if found["Arn"] == name else None
    named = [{"Name": "NAME", "Values": [name]}]
    listed: list[Json] = cx.invoke("servicediscovery", "ListNamespaces", {"Filters": named})["Namespaces"]
    return listed[0] if listed else None


def _unknown() -> AwsError:
    return AwsError("NamespaceNotFoundException", "The specified namespace wasn't found.")


# -- configurations --------------------------------------------------------------------------------------------


def checked(cx: Context, given: Json | None, cluster: Json | None, definition: TaskDefinition) -> Json | None:
    """The configuration of a request, its namespace as an ARN; None where there is none. `cluster` is the cluster's
    serviceConnectDefaults."""
    if not given:
        return None
    if not given["enabled"]:
        return {"enabled": False}
    if given.get("accessLogConfiguration"):
        raise _later("accessLogConfiguration")
    name = given.get("namespace") or (cluster or {}).get("namespace")
    if not name:
        raise invalid(
            "serviceConnectConfiguration requires a namespace: name one, or give the cluster a default namespace."
        )
    space = _find(cx, name)
    if space is None:
        raise _unknown()
    configuration = {**given, "namespace": space["Arn"]}
    offers = list(_offers(configuration, space["Name"], definition))
    _check_offers(offers)
    return configuration


def check_definition(cx: Context, configuration: Json | None, definition: TaskDefinition) -> None:
    """A task definition must have the ports that the service's configuration names."""
    if configuration and configuration["enabled"]:
        list(_offers(configuration, "", definition))


def _later(member: str) -> AwsError:
    return not_implemented(f"ecs:CreateService serviceConnectConfiguration.{member}", "ecs")


def _offers(configuration: Json, namespace: str, definition: TaskDefinition) -> Iterator[Offer]:
    for item in configuration.get("services") or ():
        for member in _LATER:
            if item.get(member) is not None:
                raise _later(f"services.{member}")
        port = _port(item["portName"], definition)
        name = item.get("discoveryName") or item["portName"]
        aliases = item.get("clientAliases") or ()
        if len(aliases) > 1:
            raise invalid(f"The Service Connect service {name} can have at most 1 client alias.")
        default = f"{name}.{namespace}".lower()
        yield Offer(name, port, tuple(_alias(each, default) for each in aliases))


def _alias(given: Json, default: str) -> ClientAlias:
    if given.get("testTrafficRules"):
        raise _later("services.clientAliases.testTrafficRules")
    return ClientAlias((given.get("dnsName") or default).lower().rstrip("."), int(given["port"]))


def _port(name: str, definition: TaskDefinition) -> int:
    for container in definition.containers:
        for mapping in container.get("portMappings") or ():
            if mapping.get("name") == name:
                return int(mapping["containerPort"])
    raise invalid(f"The portName {name} does not exist in the task definition.")


def _check_offers(offers: Sequence[Offer]) -> None:
    names = [offer.name for offer in offers]
    if len(set(names)) != len(names):
        raise invalid("The discoveryName of every Service Connect service must be unique.")
    aliases = [alias for offer in offers for alias in offer.aliases]
    if len(set(aliases)) != len(aliases):
        raise invalid("The client aliases of Service Connect services must be unique.")


# -- endpoints -------------------------------------------------------------------------------------------------


def is_on(configuration: Json | None) -> bool:
    return bool(configuration and configuration["enabled"])


def namespace_of(configuration: Json | None) -> str:
    """The id of the namespace whose endpoints a service's tasks reach; "" without Service Connect."""
    return configuration["namespace"].rpartition("/")[2] if configuration and configuration["enabled"] else ""


def offer(cx: Context, service: Service, definition: TaskDefinition) -> None:
    """Make the endpoints what the service's PRIMARY deployment offers. Other services' names are refused."""
    configuration = service.primary.service_connect
    wanted = dict(_wanted(cx, service, configuration, definition)) if is_on(configuration) else {}
    for old in cx.tx.scan(ConnectEndpoint, cx.caller.scope("")):
        if old.service == service.key and old.key not in wanted:
            _withdraw(cx, old)
    for made in wanted.values():
        cx.tx.put(made)


def _wanted(
    cx: Context, service: Service, configuration: Json | None, definition: TaskDefinition
) -> Iterator[tuple[str, ConnectEndpoint]]:
    assert configuration is not None
    id = namespace_of(configuration)
    space = cx.invoke("servicediscovery", "GetNamespace", {"Id": id})["Namespace"]
    for each in _offers(configuration, space["Name"], definition):
        key = endpoints_of(service.account, service.region, id) + each.name
        before = cx.tx.get(ConnectEndpoint, key)
        if before is not None and before.service != service.key:
            raise invalid(
                f"The discoveryName {each.name} is in use by another Service Connect service in the namespace."
            )
        if before is not None:
            yield key, attrs.evolve(before, aliases=each.aliases)
            continue
        made = ConnectEndpoint(
            account=service.account,
            region=service.region,
            namespace=id,
            name=each.name,
            registry=_registry(cx, space["Id"], each.name),
            address=_free_address(cx),
            aliases=each.aliases,
            service=service.key,
        )
        cx.tx.put(made)
        yield key, made


def _registry(cx: Context, namespace: str, name: str) -> str:
    """The id of the Cloud Map service of that name; a new one where there is none."""
    request = {
        "Name": name,
        "NamespaceId": namespace,
        "Type": "HTTP",
        "HealthCheckCustomConfig": {"FailureThreshold": 1},
    }
    try:
        return str(cx.invoke("servicediscovery", "CreateService", request)["Service"]["Id"])
    except AwsError as error:
        if error.code != "ServiceAlreadyExists":
            raise
        return str(error.members["ServiceId"])


def _free_address(cx: Context) -> str:
    """An address that no endpoint of this server has."""
    used = {each.address for each in cx.tx.scan(ConnectEndpoint)}
    address = connect_traffic.free_address(int(cx.ids.hex(4), 16), used)
    if address is None:
        raise invalid("No address is left for Service Connect endpoints.")
    return address


def withdraw(cx: Context, service: Service) -> None:
    """Take away what a service that ends has offered."""
    for each in cx.tx.scan(ConnectEndpoint, cx.caller.scope("")):
        if each.service == service.key:
            _withdraw(cx, each)


def _withdraw(cx: Context, endpoint: ConnectEndpoint) -> None:
    """Its Cloud Map service goes with it, unless somebody else's instances are in it."""
    cx.tx.delete(ConnectEndpoint, endpoint.key)
    try:
        cx.invoke("servicediscovery", "DeleteService", {"Id": endpoint.registry})
    except AwsError as error:
        if error.code not in ("ServiceNotFound", "ResourceInUse"):
            raise


def registrations_of(
    cx: Context, deployment: Deployment, definition: TaskDefinition
) -> tuple[TaskRegistration, ...]:
    """Where a deployment's tasks register so that clients reach them."""
    configuration = deployment.service_connect
    if configuration is None or not configuration["enabled"]:
        return ()
    checked = any(has_health_check(each) for each in definition.containers if each["essential"])
    id = namespace_of(configuration)
    found = []
    for each in _offers(configuration, "", definition):
        endpoint = cx.tx.get(ConnectEndpoint, cx.caller.scope(id, each.name))
        if endpoint is not None:
            found.append(TaskRegistration(registry=endpoint.registry_arn, port=each.port, checked=checked))
    return tuple(found)


def resources(cx: Context, deployment: Deployment) -> list[Json]:
    """A deployment's serviceConnectResources."""
    configuration = deployment.service_connect
    if configuration is None or not configuration["enabled"]:
        return []
    shown = []
    for item in configuration.get("services") or ():
        name = item.get("discoveryName") or item["portName"]
        endpoint = cx.tx.get(ConnectEndpoint, cx.caller.scope(namespace_of(configuration), name))
        if endpoint is not None:
            shown.append({"discoveryName": name, "discoveryArn": endpoint.registry_arn})
    return shown
