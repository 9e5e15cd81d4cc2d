"""Finding records, filters and pages. The texts of errors are Neargate's own where AWS's are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json, Reader
from neargate.model.servicediscovery import DiscoveryInstance, DiscoveryService, Namespace

T = TypeVar("T")

_IDS = "abcdefghijklmnopqrstuvwxyz234567"
_PAGE = 100


def new_id(cx: Context, prefix: str) -> str:
    """`ns-` or `srv-` and 16 characters."""
    return f"{prefix}-{cx.ids.letters(16, _IDS)}"


def namespace(cx: Context, id: str) -> Namespace:
    """By id or ARN. Raises NamespaceNotFound."""
    found = cx.tx.get(Namespace, cx.caller.scope(id.rpartition("/")[2]))
    if found is None:
        raise AwsError("NamespaceNotFound", f"Namespace not found. Namespace ID: {id}")
    return found


def service(cx: Context, id: str) -> DiscoveryService:
    """By id or ARN. Raises ServiceNotFound."""
    found = cx.tx.get(DiscoveryService, cx.caller.scope(id.rpartition("/")[2]))
    if found is None:
        raise AwsError("ServiceNotFound", f"Service not found. Service ID: {id}")
    return found


def instance(cx: Context, owner: DiscoveryService, id: str) -> DiscoveryInstance:
    """Raises InstanceNotFound."""
    found = cx.tx.get(DiscoveryInstance, f"{owner.key}/{id}")
    if found is None:
        raise AwsError("InstanceNotFound", f"Instance not found. Instance ID: {id}")
    return found


def services_of(view: Reader, one: Namespace) -> list[DiscoveryService]:
    """The services of a namespace."""
    return [each for each in view.scan(DiscoveryService, one.scope("")) if each.namespace == one.id]


def instances_of(view: Reader, one: DiscoveryService) -> list[DiscoveryInstance]:
    """The instances of a service, by id."""
    return view.scan(DiscoveryInstance, one.key + "/")


def page(request: Json, found: Sequence[T], name: Callable[[T], str]) -> tuple[list[T], Json]:
    """The page that MaxResults and NextToken ask for, and the members that say how to go on."""
    after, limit = request.get("NextToken", ""), request.get("MaxResults") or _PAGE
    rest = sorted((one for one in found if name(one) > after), key=name)
    more = {"NextToken": name(rest[limit - 1])} if len(rest) > limit else {}
    return rest[:limit], more


def accepts(given: Json, value: str, conditions: Sequence[str] = ("EQ", "IN")) -> bool:
    """Whether a filter takes a value. Raises InvalidInput for a condition that this filter does not have."""
    condition, values = given.get("Condition", "EQ"), given["Values"]
    if condition not in conditions:
        raise AwsError("InvalidInput", f"Condition {condition} is not supported for filter {given['Name']}")
    if condition == "BEGINS_WITH":
        return value.startswith(tuple(values))
    if condition == "EQ" and len(values) != 1:
        raise AwsError("InvalidInput", "Condition EQ takes exactly one value")
    return value in values
