"""Clusters."""

from __future__ import annotations

import re

import attrs

from neargate.model import tags
from neargate.model.ecs import AccountSetting, Cluster, Service, Task
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecs import capacity, service_connect
from neargate.services.ecs.lookup import (
    cluster_name,
    find_cluster,
    invalid,
    missing,
    page,
    require_cluster,
    wanted_tags,
)
from neargate.services.ecs.roles import ensure_service_linked_role

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")


@operation("ecs", "CreateCluster")
def create_cluster(cx: Context, request: Json) -> Json:
    """An existing ACTIVE cluster of the name is answered as it is, as ECS does."""
    name = request.get("clusterName") or "default"
    if not _NAME.match(name):
        raise invalid("Cluster name contains invalid characters.")
    found = find_cluster(cx, name)
    if found is not None and found.status == "ACTIVE":
        return {"cluster": described(found, with_tags=True, with_settings=True)}
    providers = tuple(request.get("capacityProviders") or ())
    strategy = tuple(request.get("defaultCapacityProviderStrategy") or ())
    capacity.check_providers(providers)
    capacity.check_strategy(strategy, providers)
    ensure_service_linked_role(cx)
    cluster = Cluster(
        account=cx.account,
        region=cx.region,
        name=name,
        created=cx.now,
        settings=_settings(cx, request),
        configuration=request.get("configuration"),
        service_connect_defaults=service_connect.default_namespace(cx, request.get("serviceConnectDefaults")),
        capacity_providers=providers,
        default_strategy=strategy,
        tags=tags.from_list(request.get("tags")),
    )
    cx.tx.put(cluster)
    return {"cluster": described(cluster, with_tags=True, with_settings=True)}


def _given_settings(request: Json) -> dict[str, str]:
    """The settings of a request. Raises InvalidParameterException for one without a name or a value."""
    settings = request.get("settings") or ()
    if any("name" not in setting or "value" not in setting for setting in settings):
        raise AwsError("InvalidParameterException", "Every cluster setting needs a name and a value.")
    return {setting["name"]: setting["value"] for setting in settings}


def _settings(cx: Context, request: Json) -> dict[str, str]:
    account = cx.tx.get(AccountSetting, cx.caller.scope("", "containerInsights"))
    given = _given_settings(request)
    return {"containerInsights": account.value if account else "disabled"} | given


@operation("ecs", "DescribeClusters", reads=True)
def describe_clusters(cx: Context, request: Json) -> Json:
    include = request.get("include") or ()
    clusters, failures = [], []
    for wanted in request.get("clusters") or ["default"]:
        found = find_cluster(cx, wanted)
        if found is None:
            failures.append(missing(cx.caller.arn("ecs", f"cluster/{cluster_name(wanted)}")))
            continue
        answer = described(
            found,
            with_tags=wanted_tags(include),
            with_settings="SETTINGS" in include,
            with_configuration="CONFIGURATIONS" in include,
        )
        answer.update(_counts(cx, found))
        if "STATISTICS" in include:
            answer["statistics"] = _statistics(answer)
        clusters.append(answer)
    return {"clusters": clusters, "failures": failures}


@operation("ecs", "ListClusters", reads=True)
def list_clusters(cx: Context, request: Json) -> Json:
    found = [c.arn for c in cx.tx.scan(Cluster, cx.caller.scope("")) if c.status == "ACTIVE"]
    return page(request, "clusterArns", found, 100)


@operation("ecs", "DeleteCluster")
def delete_cluster(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request["cluster"])
    counts = _counts(cx, cluster)
    if counts["activeServicesCount"]:
        raise AwsError(
            "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
        )
    if any(task.status != "STOPPED" for task in cx.tx.scan(Task, cluster.key + "/")):
        raise AwsError(
            "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."
        )
    gone = attrs.evolve(cluster, status="INACTIVE", deleted=cx.now)
    cx.tx.put(gone)
    return {"cluster": described(gone, with_tags=True, with_settings=True)}


@operation("ecs", "UpdateCluster")
def update_cluster(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request["cluster"])
    changed = attrs.evolve(
        cluster,
        settings=cluster.settings | _given_settings(request),
        configuration=request.get("configuration", cluster.configuration),
        service_connect_defaults=service_connect.default_namespace(cx, request["serviceConnectDefaults"])
        if "serviceConnectDefaults" in request
        else cluster.service_connect_defaults,
    )
    cx.tx.put(changed)
    return {"cluster": described(changed, with_tags=True, with_settings=True, with_configuration=True)}


@operation("ecs", "UpdateClusterSettings")
def update_cluster_settings(cx: Context, request: Json) -> Json:
    return update_cluster(cx, request)


@operation("ecs", "PutClusterCapacityProviders")
def put_cluster_capacity_providers(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request["cluster"])
    providers = tuple(request["capacityProviders"])
    strategy = tuple(request["defaultCapacityProviderStrategy"])
    capacity.check_providers(providers)
    capacity.check_strategy(strategy, providers)
    removed = set(cluster.capacity_providers) - set(providers)
    if removed and _used(cx, cluster) & removed:
        raise AwsError(
            "ResourceInUseException",
            "The specified capacity provider is in use and cannot be removed.",
        )
    changed = attrs.evolve(cluster, capacity_providers=providers, default_strategy=strategy)
    cx.tx.put(changed)
    return {"cluster": described(changed, with_tags=True, with_settings=True)}


def _used(cx: Context, cluster: Cluster) -> set[str]:
    services = (s for s in cx.tx.scan(Service, cluster.key + "/") if s.status != "INACTIVE")
    return {item["capacityProvider"] for s in services for d in s.deployments for item in d.strategy}


def _counts(cx: Context, cluster: Cluster) -> Json:
    tasks = [task for task in cx.tx.scan(Task, cluster.key + "/") if task.status != "STOPPED"]
    services = [s for s in cx.tx.scan(Service, cluster.key + "/") if s.status != "INACTIVE"]
    return {
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": sum(1 for task in tasks if task.status == "RUNNING"),
        "pendingTasksCount": sum(
            1 for task in tasks if task.status in ("PROVISIONING", "PENDING", "ACTIVATING")
        ),
        "activeServicesCount": len(services),
    }


def _statistics(counts: Json) -> list[Json]:
    values = {
        "runningEC2TasksCount": 0,
        "runningFargateTasksCount": counts["runningTasksCount"],
        "pendingEC2TasksCount": 0,
        "pendingFargateTasksCount": counts["pendingTasksCount"],
        "activeEC2ServiceCount": 0,
        "activeFargateServiceCount": counts["activeServicesCount"],
        "drainingEC2ServiceCount": 0,
        "drainingFargateServiceCount": 0,
    }
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def described(
    cluster: Cluster,
    *,
    with_tags: bool = False,
    with_settings: bool = False,
    with_configuration: bool = False,
) -> Json:
    """A cluster in the API's shape; counts are zero until the caller fills them in."""
    answer: Json = {
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": 0,
        "pendingTasksCount": 0,
        "activeServicesCount": 0,
        "statistics": [],
        "tags": tags.lower(cluster.tags) if with_tags else [],
        "settings": [],
        "capacityProviders": list(cluster.capacity_providers),
        "defaultCapacityProviderStrategy": list(cluster.default_strategy),
    }
    if with_settings:
        answer["settings"] = [{"name": name, "value": value} for name, value in cluster.settings.items()]
    if with_configuration and cluster.configuration is not None:
        answer["configuration"] = cluster.configuration
    if cluster.service_connect_defaults is not None:
        answer["serviceConnectDefaults"] = cluster.service_connect_defaults
    return answer
