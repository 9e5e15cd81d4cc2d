"""AWS::ServiceDiscovery: namespaces, services and instances, over the Cloud Map that moto answers.

They are kept and shown. No task registers itself and no resolver answers for a namespace.
"""

from __future__ import annotations

from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, changed, errors_of, pick, without
from neargate.resources.tagging import Tagging

_TAGS = Tagging("servicediscovery", "ResourceARN")
_ERROR = errors_of("ServiceDiscovery")


# -- namespaces ----------------------------------------------------------------------------------------------


def _namespace(kind: str, *more: str) -> ResourceType:
    """`kind` is `Http`, `PrivateDns` or `PublicDns`. A namespace is made by an operation that has ended by then."""

    def create(want: Desired) -> Steps[Identity]:
        answer = yield call(
            "servicediscovery",
            f"Create{kind}Namespace",
            pick(want.properties, ("Name", "Description", *more)),
            CreatorRequestId=want.token[-64:],
            **_TAGS.at_create(want),
        )
        operation = yield Call("servicediscovery", "GetOperation", {"OperationId": answer["OperationId"]})
        return Identity(operation["Operation"]["Targets"]["NAMESPACE"])

    def update(old: Existing, want: Desired) -> Steps[None]:
        was, now = old.desired.properties, want.properties
        if changed(was, now, "Description", "Properties"):
            change: Json = {"Description": now.get("Description", "")}
            if "Properties" in now:
                change["Properties"] = now["Properties"]
            yield call("servicediscovery", f"Update{kind}Namespace", {"Id": old.id, "Namespace": change})
        arn = f"arn:aws:servicediscovery:{want.region}:{want.account}:namespace/{old.id}"
        yield from _TAGS.change(old, want, arn)

    def read(existing: Existing) -> Steps[Json]:
        found = (yield Call("servicediscovery", "GetNamespace", {"Id": existing.id}))["Namespace"]
        zone = ((found.get("Properties") or {}).get("DnsProperties") or {}).get("HostedZoneId")
        dns = {"HostedZoneId": zone} if kind != "Http" else {}
        return {"Arn": found["Arn"], "Id": existing.id, **dns}

    def delete(existing: Existing) -> Steps[None]:
        yield Call("servicediscovery", "DeleteNamespace", {"Id": existing.id})

    return ResourceType(
        type=f"AWS::ServiceDiscovery::{kind}Namespace",
        honoured=frozenset({"Description", "Name", "Tags", *more}),
        create=create,
        read=read,
        update=update,
        delete=delete,
        error=_ERROR,
    )


# -- service -------------------------------------------------------------------------------------------------

_GIVEN = ("Description", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig", "NamespaceId", "Type")


def _create_service(want: Desired) -> Steps[Identity]:
    answer = yield call(
        "servicediscovery",
        "CreateService",
        pick(want.properties, _GIVEN),
        Name=want.name,
        CreatorRequestId=want.token[-64:],
        **_TAGS.at_create(want),
    )
    return Identity(answer["Service"]["Id"])


def _update_service(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "Description", "DnsConfig", "HealthCheckConfig"):
        change: Json = pick(now, ("Description", "HealthCheckConfig"))
        if "DnsConfig" in now:
            change["DnsConfig"] = without(now["DnsConfig"], "NamespaceId", "RoutingPolicy")
        yield call("servicediscovery", "UpdateService", {"Id": old.id, "Service": change})
    arn = f"arn:aws:servicediscovery:{want.region}:{want.account}:service/{old.id}"
    yield from _TAGS.change(old, want, arn)


def _read_service(existing: Existing) -> Steps[Json]:
    found = (yield Call("servicediscovery", "GetService", {"Id": existing.id}))["Service"]
    return {"Arn": found["Arn"], "Id": existing.id}


def _delete_service(existing: Existing) -> Steps[None]:
    yield Call("servicediscovery", "DeleteService", {"Id": existing.id})


# -- instance ------------------------------------------------------------------------------------------------


def _register(want: Desired) -> Steps[Identity]:
    attributes = {name: str(value) for name, value in want.properties["InstanceAttributes"].items()}
    request = {"ServiceId": want.properties["ServiceId"], "InstanceId": want.name, "Attributes": attributes}
    yield Call("servicediscovery", "RegisterInstance", request)
    return Identity(want.name or "")


def _update_instance(old: Existing, want: Desired) -> Steps[None]:
    yield from _register(want)


def _read_instance(existing: Existing) -> Steps[Json]:
    request = {"ServiceId": existing.desired.properties["ServiceId"], "InstanceId": existing.id}
    yield Call("servicediscovery", "GetInstance", request)
    return {}


def _deregister(existing: Existing) -> Steps[None]:
    request = {"ServiceId": existing.desired.properties["ServiceId"], "InstanceId": existing.id}
    yield Call("servicediscovery", "DeregisterInstance", request)


TYPES = by_name(
    _namespace("Http"),
    _namespace("PrivateDns", "Properties", "Vpc"),
    _namespace("PublicDns", "Properties"),
    ResourceType(
        type="AWS::ServiceDiscovery::Service",
        honoured=frozenset({*_GIVEN, "Name", "Tags"}),
        naming=Naming("Name", max_length=64),
        create=_create_service,
        read=_read_service,
        update=_update_service,
        delete=_delete_service,
        error=_ERROR,
    ),
    ResourceType(
        type="AWS::ServiceDiscovery::Instance",
        honoured=frozenset({"InstanceAttributes", "InstanceId", "ServiceId"}),
        naming=Naming("InstanceId", max_length=64),
        create=_register,
        read=_read_instance,
        update=_update_instance,
        delete=_deregister,
        error=_ERROR,
    ),
)
