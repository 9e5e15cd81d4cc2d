"""AWS::ECS::Cluster, TaskDefinition, Service."""

from __future__ import annotations

from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import lower
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
    Identity,
    Naming,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
    handler_code,
)
from neargate.resources.shapes import call, pick, without

BREAKER = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
_PROVIDERS = ("CapacityProviders", "DefaultCapacityProviderStrategy")
_CLUSTER_SETTINGS = ("ClusterSettings", "Configuration", "ServiceConnectDefaults")


def _sdk_error(prefix: str) -> Any:
    """ECS's handlers wrap the API's error in the words of the AWS SDK for Java 1."""

    def text(verb: str, error: AwsError) -> tuple[str, str]:
        what = prefix.format(verb=verb)
        return (
            f"Invalid request provided: {what}{error.message} (Service: AmazonECS; Status Code: {error.status}; "
            f"Error Code: {error.code}; Request ID: {error.request_id}; Proxy: null)",
            handler_code(error),
        )

    return text


# -- cluster -----------------------------------------------------------------------------------------------


def _create_cluster(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("CapacityProviders", "Configuration", "ServiceConnectDefaults"))
    settings = want.properties.get("ClusterSettings")
    strategy = want.properties.get("DefaultCapacityProviderStrategy")
    yield call(
        "ecs",
        "CreateCluster",
        {**given, **({"Settings": settings} if settings else {})},
        clusterName=want.name,
        tags=lower(want.all_tags) or None,
        defaultCapacityProviderStrategy=call(
            "ecs", "CreateCluster", {"DefaultCapacityProviderStrategy": strategy}
        ).request["defaultCapacityProviderStrategy"]
        if strategy
        else None,
    )
    return Identity(want.name or "")


def _update_cluster(old: Existing, want: Desired) -> Steps[None]:
    given = pick(want.properties, ("Configuration", "ServiceConnectDefaults"))
    settings = want.properties.get("ClusterSettings")
    yield call(
        "ecs", "UpdateCluster", {**given, **({"Settings": settings} if settings else {})}, cluster=old.id
    )
    if any(want.properties.get(name) != old.desired.properties.get(name) for name in _PROVIDERS):
        providers = {name: want.properties.get(name) or [] for name in _PROVIDERS}
        yield call("ecs", "PutClusterCapacityProviders", providers, cluster=old.id)
    yield from _retag(f"arn:aws:ecs:{want.region}:{want.account}:cluster/{old.id}", old, want)


def _read_cluster(existing: Existing) -> Steps[Json]:
    answer = yield Call("ecs", "DescribeClusters", {"clusters": [existing.id]})
    return {"Arn": answer["clusters"][0]["clusterArn"]}


def _delete_cluster(existing: Existing) -> Steps[None]:
    yield Call("ecs", "DeleteCluster", {"cluster": existing.id})


def _retag(arn: str, old: Existing, want: Desired) -> Steps[None]:
    before, after = old.desired.all_tags, want.all_tags
    gone = sorted(before.keys() - after.keys())
    if gone:
        yield Call("ecs", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
    if after != before and after:
        yield Call("ecs", "TagResource", {"resourceArn": arn, "tags": lower(after)})


# -- task definition ---------------------------------------------------------------------------------------


def _register(want: Desired) -> Steps[Identity]:
    answer = yield call(
        "ecs",
        "RegisterTaskDefinition",
        without(want.properties, "Family", "Tags"),
        family=want.name,
        tags=lower(want.all_tags) or None,
        **({} if want.properties.get("ContainerDefinitions") else {"containerDefinitions": []}),
    )
    return Identity(answer["taskDefinition"]["taskDefinitionArn"])


def _update_task_definition(old: Existing, want: Desired) -> Steps[None]:
    yield from _retag(old.id, old, want)


def _read_task_definition(existing: Existing) -> Steps[Json]:
    yield Call("ecs", "DescribeTaskDefinition", {"taskDefinition": existing.id})
    return {"TaskDefinitionArn": existing.id}


def _deregister(existing: Existing) -> Steps[None]:
    yield Call("ecs", "DeregisterTaskDefinition", {"taskDefinition": existing.id})


# -- service -----------------------------------------------------------------------------------------------

_SERVICE_ONLY_AT_CREATE = ("Cluster", "ServiceName", "LaunchType", "Role", "SchedulingStrategy", "Tags")
_FORCE = "ForceNewDeployment"


def _cluster_of(existing: Existing) -> str:
    return str(existing.desired.properties.get("Cluster") or "default")


def _create_service(want: Desired) -> Steps[Identity]:
    answer = yield call(
        "ecs",
        "CreateService",
        without(want.properties, "ServiceName", "Tags", _FORCE),
        serviceName=want.name,
        tags=lower(want.tags) or None,
        desiredCount=None if "DesiredCount" in want.properties or _is_daemon(want) else 1,
    )
    return Identity(answer["service"]["serviceArn"])


def _is_daemon(want: Desired) -> bool:
    return want.properties.get("SchedulingStrategy") == "DAEMON"


def _update_service(old: Existing, want: Desired) -> Steps[None]:
    force = want.properties.get(_FORCE) != old.desired.properties.get(_FORCE)
    yield call(
        "ecs",
        "UpdateService",
        without(want.properties, *_SERVICE_ONLY_AT_CREATE, _FORCE),
        service=old.id,
        cluster=_cluster_of(old),
        forceNewDeployment=True if force else None,
        **_removed(old, want),
    )
    yield from _retag(old.id, old, want)


def _removed(old: Existing, want: Desired) -> Json:
    """What UpdateService must be told to empty: a property that the template names no longer."""
    members = {"LoadBalancers": "loadBalancers", "ServiceRegistries": "serviceRegistries"}
    was, now = old.desired.properties, want.properties
    return {member: [] for name, member in members.items() if name in was and name not in now}


def _describe_service(existing: Existing) -> Steps[Json | None]:
    request = {"cluster": _cluster_of(existing), "services": [existing.id]}
    answer = yield Call("ecs", "DescribeServices", request)
    services = answer.get("services") or []
    return dict(services[0]) if services else None


def _read_service(existing: Existing) -> Steps[Json]:
    service = yield from _describe_service(existing)
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    return {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}


def _service_ready(existing: Existing) -> Steps[Readiness]:
    service = yield from _describe_service(existing)
    if service is None or service["status"] != "ACTIVE":
        return Failed(f"Service {existing.id} is not active.", "NotFound")
    deployments = service.get("deployments") or []
    if any(d.get("rolloutState") == "FAILED" for d in deployments):
        rolling_back = any("rolling back" in (d.get("rolloutStateReason") or "") for d in deployments)
        if rolling_back and any(d.get("rolloutState") == "IN_PROGRESS" for d in deployments):
            return Waiting("ECS is rolling its deployment back")
        return Failed(BREAKER, "GeneralServiceException")
    primary = next((d for d in deployments if d["status"] == "PRIMARY"), None)
    if primary is not None and _breaks(service) and _was_rolled_back(primary, existing):
        return Failed(BREAKER, "GeneralServiceException")
    running, desired = service["runningCount"], service["desiredCount"]
    steady = (
        len(deployments) == 1 and running == desired and deployments[0].get("rolloutState") == "COMPLETED"
    )
    if steady:
        return Ready()
    return Waiting(_why(service, running, desired))


def _breaks(service: Json) -> bool:
    """True for a service that may be rolled back; elsewhere another PRIMARY is somebody's own doing."""
    configuration = service.get("deploymentConfiguration") or {}
    monitors = (configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {})
    shifts = configuration.get("strategy", "ROLLING") != "ROLLING"
    return shifts or any(monitor.get("enable") and monitor.get("rollback") for monitor in monitors)


def _was_rolled_back(primary: Json, existing: Existing) -> bool:
    """UpdateService makes the wanted definition PRIMARY at once: another one there is ECS's own rollback."""
    wanted = existing.desired.properties.get("TaskDefinition")
    return isinstance(wanted, str) and wanted.startswith("arn:") and primary["taskDefinition"] != wanted


def _why(service: Json, running: int, desired: int) -> str:
    events = service.get("events") or []
    last = f"; last event: {events[0]['message']}" if events else ""
    return f"waiting for the service to be steady: {running} of {desired} tasks running{last}"


def _delete_service(existing: Existing) -> Steps[None]:
    service = yield from _describe_service(existing)
    if service is None or service["status"] == "INACTIVE":
        raise AwsError("ServiceNotFoundException", "Service not found.")
    yield Call(
        "ecs", "DeleteService", {"cluster": _cluster_of(existing), "service": existing.id, "force": True}
    )


def _service_gone(existing: Existing) -> Steps[Readiness]:
    service = yield from _describe_service(existing)
    if service is None or (service["status"] == "INACTIVE" and service["runningCount"] == 0):
        return Ready()
    return Waiting(f"waiting for {service['runningCount']} tasks to stop")


_TASK_DEFINITION = (  # the last five are for ECS to refuse, in its own words
    "ContainerDefinitions Cpu EphemeralStorage ExecutionRoleArn Family Memory NetworkMode PidMode "
    "RequiresCompatibilities RuntimePlatform Tags TaskRoleArn Volumes IpcMode PlacementConstraints "
    "InferenceAccelerators ProxyConfiguration EnableFaultInjection"
).split()
_SERVICE = (
    "AvailabilityZoneRebalancing CapacityProviderStrategy Cluster DeploymentConfiguration DeploymentController "
    "DesiredCount EnableECSManagedTags EnableExecuteCommand ForceNewDeployment HealthCheckGracePeriodSeconds "
    "LaunchType LoadBalancers NetworkConfiguration PlacementConstraints PlacementStrategies PlatformVersion "
    "PropagateTags Role SchedulingStrategy ServiceConnectConfiguration ServiceName ServiceRegistries Tags "
    "TaskDefinition"
).split()

TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::ECS::Cluster",
            honoured=frozenset({"ClusterName", "Tags", *_PROVIDERS, *_CLUSTER_SETTINGS}),
            naming=Naming("ClusterName"),
            create=_create_cluster,
            read=_read_cluster,
            update=_update_cluster,
            delete=_delete_cluster,
            error=_sdk_error("{verb}Cluster error: "),
        ),
        ResourceType(
            type="AWS::ECS::TaskDefinition",
            honoured=frozenset(_TASK_DEFINITION),
            naming=Naming("Family", unique=False),
            create=_register,
            read=_read_task_definition,
            update=_update_task_definition,
            delete=_deregister,
            error=_sdk_error("{verb} TaskDefinition: "),
        ),
        ResourceType(
            type="AWS::ECS::Service",
            honoured=frozenset(_SERVICE),
            naming=Naming("ServiceName"),
            create=_create_service,
            read=_read_service,
            update=_update_service,
            ready=_service_ready,
            delete=_delete_service,
            gone=_service_gone,
            watches=frozenset({"ecs.service", "ecs.task"}),
            error=_sdk_error("{verb}Service error: "),
        ),
    )
}
