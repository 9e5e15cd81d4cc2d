"""What the operations share: errors, finding targets, pages. Only ECS services can be scaled."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from neargate.model.application_autoscaling import ScalableTarget, target_key
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json

T = TypeVar("T")

NAMESPACE, DIMENSION = "ecs", "ecs:service:DesiredCount"
_RESOURCE = re.compile(r"service/([^/]+)/([^/]+)")


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def missing(what: str, request: Json, **more: str) -> AwsError:
    """ObjectNotFoundException in AWS's words."""
    members = {
        "service namespace": request["ServiceNamespace"],
        "resource ID": request["ResourceId"],
        "scalable dimension": request["ScalableDimension"],
        **{name.replace("_", " "): value for name, value in more.items()},
    }
    listed = ", ".join(f"{name}: {value}" for name, value in members.items())
    return AwsError("ObjectNotFoundException", f"{what} for {listed}")


def check_place(request: Json) -> None:
    """Refuse what is no ECS service: with AWS's text where AWS would, else by name."""
    namespace, dimension = request["ServiceNamespace"], request.get("ScalableDimension")
    if namespace != NAMESPACE:
        raise not_implemented(
            f"Scaling of the service namespace {namespace} (application-autoscaling)",
            "application-autoscaling",
        )
    resource = request.get("ResourceId")
    wrong = resource is not None and _RESOURCE.fullmatch(resource) is None
    if wrong or dimension not in {None, DIMENSION}:
        raise invalid("Unsupported service namespace, resource type or scalable dimension")
    if resource is None and dimension is not None:
        raise invalid("Scalable dimension cannot be specified without a resource ID")


def service_of(resource: str) -> tuple[str, str]:
    """Cluster and service of `service/CLUSTER/SERVICE`."""
    _, cluster, service = resource.split("/")
    return cluster, service


def find_target(cx: Context, request: Json) -> ScalableTarget | None:
    """The target that a request names."""
    return cx.tx.get(ScalableTarget, key_of(cx, request))


def key_of(cx: Context, request: Json) -> str:
    """The key of the target that a request names, whether there is one or not."""
    return target_key(
        cx.account,
        cx.region,
        request["ServiceNamespace"],
        request["ResourceId"],
        request["ScalableDimension"],
    )


def the_target(cx: Context, request: Json) -> ScalableTarget:
    """Raises ObjectNotFoundException."""
    found = find_target(cx, request)
    if found is None:
        raise missing("No scalable target registered", request)
    return found


def prefix_of(cx: Context, request: Json) -> str:
    """What the keys begin with that a Describe request is about."""
    resource = request.get("ResourceId")
    scope = target_key(cx.account, cx.region, request["ServiceNamespace"], "", "")
    return scope if resource is None else f"{scope}{resource}|{request.get('ScalableDimension') or ''}"


def page(items: Sequence[T], key: Callable[[T], str], request: Json, most: int = 50) -> tuple[list[T], Json]:
    """The next items, which are sorted by `key`, and `{NextToken}` where there are more."""
    wanted = request.get("MaxResults") or most
    if not 1 <= wanted <= most:
        raise invalid(f"Max results should be between 1 and {most}")
    token = request.get("NextToken")
    start = 0
    if token is not None:
        after = _decoded(token)
        start = next((n for n, item in enumerate(items) if key(item) == after), len(items)) + 1
    shown = list(items[start : start + wanted])
    if start + wanted >= len(items):
        return shown, {}
    return shown, {"NextToken": base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()}


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid") from None
