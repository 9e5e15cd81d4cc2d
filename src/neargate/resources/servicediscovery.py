"""AWS::ServiceDiscovery: Cloud Map's namespaces, services and instances."""

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

_GIVEN = ("Description", "DnsConfig", "HealthCheckCustomConfig", "NamespaceId", "Type")


def _create_service(want: Desired) -> Steps[Identity]:
    answer = yield call(
        "servicediscovery",
        "CreateService",
        pick(want.properties, _GIVEN),
        Name=want.name,
        CreatorRequestId=want.token[-64:],
        **_TAGS.at_create(want),
    )
    id = answer["Service"]["Id"]
    if want.properties.get("ServiceAttributes"):
        request = {"ServiceId": id, "Attributes": _texts(want.properties["ServiceAttributes"])}
        yield Call("servicediscovery", "UpdateServiceAttributes", request)
    return Identity(id)


def _texts(attributes: Json) -> Json:
    return {name: str(value) for name, value in attributes.items()}


def _update_service(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "Description", "DnsConfig"):
        change: Json = {"Description": now.get("Description", "")}
        if "DnsConfig" in now:
            change["DnsConfig"] = without(now["DnsConfig"], "NamespaceId", "RoutingPolicy")
        yield call("servicediscovery", "UpdateService", {"Id": old.id, "Service": change})
    yield from _change_attributes(old, want)
    arn = f"arn:aws:servicediscovery:{want.region}:{want.account}:service/{old.id}"
    yield from _TAGS.change(old, want, arn)


def _change_attributes(old: Existing, want: Desired) -> Steps[None]:
    was = _texts(old.desired.properties.get("ServiceAttributes") or {})
    now = _texts(want.properties.get("ServiceAttributes") or {})
    gone = sorted(was.keys() - now.keys())
    if gone:
        request: Json = {"ServiceId": old.id, "Attributes": gone}
        yield Call("servicediscovery", "DeleteServiceAttributes", request)
    if now and now != was:
        request = {"ServiceId": old.id, "Attributes": now}
        yield Call("servicediscovery", "UpdateServiceAttributes", request)


def _read_service(existing: Existing) -> Steps[Json]:
    found = (yield Call("servicediscovery", "GetService", {"Id": existing.id}))["Service"]
    return {"Arn": found["Arn"], "Id": existing.id}


def _delete_service(existing: Existing) -> Steps[None]:
    yield Call("servicediscovery", "DeleteService", {"Id": existing.id})


# -- instance ------------------------------------------------------------------------------------------------


def _register(want: Desired) -> Steps[Identity]:
    attributes = _texts(want.properties["InstanceAttributes"])
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
        honoured=frozenset({*_GIVEN, "Name", "ServiceAttributes", "Tags"}),
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
