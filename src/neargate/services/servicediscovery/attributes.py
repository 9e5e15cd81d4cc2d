"""A service's own attributes."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.servicediscovery import lookup

_MOST = 30


@operation("servicediscovery", "GetServiceAttributes", reads=True)
def get_service_attributes(cx: Context, request: Json) -> Json:
    found = lookup.service(cx, request["ServiceId"])
    shown = {"ServiceArn": found.arn, "ResourceOwner": found.account, "Attributes": found.attributes}
    return {"ServiceAttributes": shown}


@operation("servicediscovery", "UpdateServiceAttributes")
def update_service_attributes(cx: Context, request: Json) -> Json:
    found = lookup.service(cx, request["ServiceId"])
    attributes = {**found.attributes, **request["Attributes"]}
    if len(attributes) > _MOST:
        raise AwsError(
            "ServiceAttributesLimitExceededException",
            f"The attribute can't be added to the service because you've exceeded the quota of {_MOST} attributes.",
        )
    cx.tx.put(attrs.evolve(found, attributes=attributes))
    return {}


@operation("servicediscovery", "DeleteServiceAttributes")
def delete_service_attributes(cx: Context, request: Json) -> Json:
    found = lookup.service(cx, request["ServiceId"])
    kept = {name: value for name, value in found.attributes.items() if name not in request["Attributes"]}
    cx.tx.put(attrs.evolve(found, attributes=kept))
    return {}
