"""Services: what is to run for ever. The rollout itself is the service driver's."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model import tags
from neargate.model.ecs import Cluster, Service, ServiceTask, TaskDefinition, definition_key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecs import (
    capacity,
    deployments,
    load_balancers,
    service_connect,
    service_registries,
    service_rules,
)
from neargate.services.ecs.execute_command import check_service_role
from neargate.services.ecs.lookup import (
    client_error,
    digest,
    find_service,
    invalid,
    missing,
    page,
    require_cluster,
    resource_of,
    service_definition,
    tasks_of,
    wanted_tags,
)
from neargate.services.ecs.roles import ensure_service_linked_role
from neargate.services.ecs.service_rendering import described
from neargate.services.ecs.task_creation import checked_place

_MOST_DESCRIBED = 10


@operation("ecs", "CreateService")
def create_service(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    name = request["serviceName"]
    service_rules.check_name(name)
    existing = find_service(cx, cluster.name, name)
    if existing is not None and existing.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if existing is not None and existing.status == "ACTIVE":
        return _same_again(cx, existing, request)
    service_rules.check_scheduling(request)
    service_rules.refuse_later("CreateService", request)
    if not request.get("taskDefinition"):
        raise invalid("TaskDefinition should not be null or empty.")
    launch_type, strategy = capacity.chosen("CreateService", cluster, request)
    definition = service_definition(cx, request["taskDefinition"])
    if request.get("enableExecuteCommand"):
        check_service_role(definition.task_role, "created")
    place = checked_place(cx, request.get("networkConfiguration"))
    service_rules.check_role(request)
    _check_rebalancing(request.get("availabilityZoneRebalancing"), request.get("deploymentConfiguration"))
    strategy_of_traffic = (request.get("deploymentConfiguration") or {}).get("strategy") or "ROLLING"
    balancers = load_balancers.checked(cx, request.get("loadBalancers"), definition, strategy_of_traffic)
    registries = service_registries.checked(cx, request.get("serviceRegistries"), definition)
    connect = service_connect.checked(
        cx, request.get("serviceConnectConfiguration"), cluster.service_connect_defaults, definition
    )
    version = capacity.platform_version(request.get("platformVersion"))
    ensure_service_linked_role(cx)
    target = deployments.Target(
        task_definition=definition.arn,
        network=_network(request["networkConfiguration"]),
        platform_version=version,
        launch_type=launch_type,
        strategy=strategy,
        load_balancers=balancers,
        registries=registries,
        service_connect=connect,
    )
    new = attrs.evolve(_new(cx, cluster, request), load_balancers=balancers)
    service = deployments.begin(cx, new, target, tuple(dict.fromkeys(place.zones.values())))
    cx.tx.put(service)
    service_connect.offer(cx, service, definition)
    return {"service": described(cx, service, with_tags=True)}


def _same_again(cx: Context, existing: Service, request: Json) -> Json:
    """The same call again gets the service there is; another call of the name is refused."""
    if existing.request_digest != digest(request):
        raise invalid("Creation of service was not idempotent.")
    return {"service": described(cx, existing, with_tags=True)}


def _new(cx: Context, cluster: Cluster, request: Json) -> Service:
    configuration = service_rules.deployment_configuration(request.get("deploymentConfiguration"))
    return Service(
        account=cx.account,
        region=cx.region,
        cluster=cluster.name,
        name=request["serviceName"],
        desired=request["desiredCount"],
        created=cx.now,
        created_by=cx.caller.principal,
        minimum_healthy_percent=configuration["minimumHealthyPercent"],
        maximum_percent=configuration["maximumPercent"],
        circuit_breaker=configuration["deploymentCircuitBreaker"],
        deployment_configuration=configuration,
        grace_period=request.get("healthCheckGracePeriodSeconds"),
        platform_version=request.get("platformVersion") or "LATEST",
        enable_managed_tags=bool(request.get("enableECSManagedTags")),
        propagate_tags=request.get("propagateTags") or "NONE",
        enable_execute_command=bool(request.get("enableExecuteCommand")),
        zone_rebalancing=request.get("availabilityZoneRebalancing") or "ENABLED",
        request_digest=digest(request),
        client_token=request.get("clientToken") or "",
        tags=tags.from_list(request.get("tags")),
    )


def _check_rebalancing(wanted: str | None, configuration: Json | None) -> None:
    if wanted == "ENABLED" and (configuration or {}).get("maximumPercent", 200) <= 100:
        raise invalid(
            "Availability zone rebalancing requires a maximumPercent greater than 100. "
            "Update the deployment configuration and try again."
        )


def _network(configuration: Json) -> Json:
    vpc = configuration["awsvpcConfiguration"]
    return {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED", **vpc}}


@operation("ecs", "UpdateService")
def update_service(cx: Context, request: Json) -> Json:
    service = _require_active(cx, request)
    service_rules.refuse_later("UpdateService", request)
    service_rules.check_placement(request)
    changed = _changed(service, request)
    target = _target(cx, changed, request)
    changed = attrs.evolve(changed, load_balancers=target.load_balancers)
    if request.get("enableExecuteCommand"):
        check_service_role(_definition(cx, target).task_role, "updated")
    current = _current_target(service)
    if target != current or request.get("forceNewDeployment"):
        zones = checked_place(cx, target.network).zones.values()
        changed = deployments.begin(cx, changed, target, tuple(dict.fromkeys(zones)))
        service_connect.offer(cx, changed, _definition(cx, target))
    elif changed.desired != service.desired:
        primary = attrs.evolve(service.primary, desired=changed.desired, updated=cx.now)
        deployed = (primary, *service.deployments[1:])
        changed = attrs.evolve(changed, deployments=deployed, steady=False, rebalancing=0)
    cx.tx.put(changed)
    return {"service": described(cx, changed, with_tags=True)}


def _changed(service: Service, request: Json) -> Service:
    """Everything that an update changes without a new deployment."""
    if request.get("desiredCount") is not None:
        service_rules.check_count(request["desiredCount"])
        service = attrs.evolve(service, desired=request["desiredCount"])
    if "deploymentConfiguration" in request:
        configuration = service_rules.deployment_configuration(
            request["deploymentConfiguration"], service.deployment_configuration
        )
        service = attrs.evolve(
            service,
            deployment_configuration=configuration,
            minimum_healthy_percent=configuration["minimumHealthyPercent"],
            maximum_percent=configuration["maximumPercent"],
            circuit_breaker=configuration["deploymentCircuitBreaker"],
        )
    _check_rebalancing(request.get("availabilityZoneRebalancing"), service.deployment_configuration)
    members = {
        "healthCheckGracePeriodSeconds": "grace_period",
        "platformVersion": "platform_version",
        "enableECSManagedTags": "enable_managed_tags",
        "propagateTags": "propagate_tags",
        "enableExecuteCommand": "enable_execute_command",
        "availabilityZoneRebalancing": "zone_rebalancing",
    }
    given = {field: request[member] for member, field in members.items() if request.get(member) is not None}
    return attrs.evolve(service, **given)


def _current_target(service: Service) -> deployments.Target:
    primary = service.primary
    return deployments.Target(
        task_definition=primary.task_definition,
        network=primary.network,
        platform_version=primary.platform_version,
        launch_type=primary.launch_type,
        strategy=primary.strategy,
        load_balancers=service.load_balancers,
        registries=primary.registries,
        service_connect=primary.service_connect,
    )


def _target(cx: Context, service: Service, request: Json) -> deployments.Target:
    """What the service (as the request changes it) is to run: what it does, with what the request names."""
    target = _current_target(service)
    if request.get("taskDefinition"):
        definition = service_definition(cx, request["taskDefinition"])
        target = attrs.evolve(target, task_definition=definition.arn)
    strategy_of_traffic = service.deployment_configuration.get("strategy", "ROLLING")
    asked = (request.get("deploymentConfiguration") or {}).get("strategy")
    given = request.get("loadBalancers")
    if given is not None or (asked and asked != "ROLLING"):
        items = service.load_balancers if given is None else given
        balancers = load_balancers.checked(cx, items, _definition(cx, target), strategy_of_traffic)
        target = attrs.evolve(target, load_balancers=balancers)
    elif request.get("taskDefinition"):
        load_balancers.check_definition(target.load_balancers, _definition(cx, target))
    if request.get("serviceRegistries") is not None:
        registries = service_registries.checked(cx, request["serviceRegistries"], _definition(cx, target))
        target = attrs.evolve(target, registries=registries)
    elif request.get("taskDefinition"):
        service_registries.check_definition(target.registries, _definition(cx, target))
    if request.get("serviceConnectConfiguration") is not None:
        defaults = require_cluster(cx, service.cluster).service_connect_defaults
        wanted = request["serviceConnectConfiguration"]
        connect = service_connect.checked(cx, wanted, defaults, _definition(cx, target))
        target = attrs.evolve(target, service_connect=connect)
    elif request.get("taskDefinition"):
        service_connect.check_definition(cx, target.service_connect, _definition(cx, target))
    if request.get("networkConfiguration"):
        checked_place(cx, request["networkConfiguration"])
        target = attrs.evolve(target, network=_network(request["networkConfiguration"]))
    if request.get("platformVersion"):
        version = capacity.platform_version(request["platformVersion"])
        target = attrs.evolve(target, platform_version=version)
    if request.get("capacityProviderStrategy") is not None:
        cluster = require_cluster(cx, service.cluster)
        launch_type, strategy = capacity.chosen("UpdateService", cluster, request)
        target = attrs.evolve(target, launch_type=launch_type, strategy=strategy)
    return target


def _definition(cx: Context, target: deployments.Target) -> TaskDefinition:
    found = cx.tx.get(TaskDefinition, definition_key_of(target.task_definition))
    if found is None:
        raise client_error("TaskDefinition not found.")
    return found


def _require(cx: Context, request: Json) -> Service:
    path = resource_of(request["service"], "service").split("/")
    cluster = require_cluster(cx, request.get("cluster") or (path[0] if len(path) > 1 else None))
    found = find_service(cx, cluster.name, request["service"])
    if found is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    return found


def _require_active(cx: Context, request: Json) -> Service:
    found = _require(cx, request)
    if found.status != "ACTIVE":
        raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
    return found


@operation("ecs", "DeleteService")
def delete_service(cx: Context, request: Json) -> Json:
    """It drains until its last task has stopped; without tasks it is INACTIVE at once."""
    service = _require(cx, request)
    if service.status == "INACTIVE":
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if service.status == "ACTIVE":
        if service.desired > 0 and not request.get("force"):
            raise invalid("The service cannot be stopped while it is scaled above 0.")
        lives = any(task.status != "STOPPED" for task in tasks_of(cx, service))
        if not lives:  # nobody counts how its last tasks ended
            for link in cx.tx.scan(ServiceTask, service.key + "/"):
                cx.tx.delete(ServiceTask, link.key)
        service = attrs.evolve(
            service,
            desired=0,
            status="DRAINING" if lives else "INACTIVE",
            ended=None if lives else cx.now,
            deployments=tuple(attrs.evolve(d, desired=0, updated=cx.now) for d in service.deployments),
        )
        cx.tx.put(service)
        if not lives:
            service_connect.withdraw(cx, service)
    return {"service": described(cx, service, with_tags=True)}


@operation("ecs", "DescribeServices", reads=True)
def describe_services(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    wanted = request["services"]
    if not wanted:
        raise invalid("Services cannot be empty.")
    if len(wanted) > _MOST_DESCRIBED:
        raise invalid("Services cannot have more than 10 elements.")
    found: list[Json] = []
    failures: list[Json] = []
    for name in wanted:
        service = find_service(cx, cluster.name, name)
        if service is None:
            last = resource_of(name, "service").split("/")[-1]
            arn = name if name.startswith("arn:") else cx.caller.arn("ecs", f"service/{cluster.name}/{last}")
            failures.append(missing(arn))
        else:
            found.append(described(cx, service, with_tags=wanted_tags(request.get("include"))))
    return {"services": found, "failures": failures}


@operation("ecs", "ListServices", reads=True)
def list_services(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    found: list[Any] = [
        service.arn
        for service in cx.tx.scan(Service, cluster.key + "/")
        if service.status == "ACTIVE"
        and request.get("launchType") in (None, service.primary.launch_type)
        and request.get("schedulingStrategy") in (None, "REPLICA")
        and request.get("resourceManagementType") in (None, "CUSTOMER")
    ]
    return page(request, "serviceArns", found, 10)


@operation("ecs", "ListServicesByNamespace", reads=True)
def list_services_by_namespace(cx: Context, request: Json) -> Json:
    """The services of all clusters whose Service Connect configuration names the namespace."""
    namespace = service_connect.namespace_arn(cx, request["namespace"])
    found = [
        service.arn
        for service in cx.tx.scan(Service, cx.caller.scope(""))
        if service.status == "ACTIVE"
        and (service.primary.service_connect or {}).get("enabled")
        and (service.primary.service_connect or {}).get("namespace") == namespace
    ]
    return page(request, "serviceArns", found, 10)
