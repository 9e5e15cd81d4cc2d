"""Where the environments of a pipeline answer: its load balancers, and stack → service → running tasks → address."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from neargate.cli.cloud import Cloud, Json, Refused
from neargate.cli.delivery import Address, Environment
from neargate.cli.load_balancers import fronts
from neargate.cli.services import cluster_of
from neargate.cli.stacks import described

_CONNECT_SECONDS = 2.0
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def environments(cloud: Cloud, stacks: Iterable[str], *, seconds: float = 10.0) -> list[Environment]:
    """Each stack with the URLs of its load balancers, and with the addresses of the running tasks of services that
    stand behind none of these. A port that does not take connections yet is asked again for so many seconds."""
    return [_environment(cloud, stack, seconds) for stack in dict.fromkeys(stacks)]


def _environment(cloud: Cloud, stack: str, seconds: float) -> Environment:
    found = described(cloud, stack)
    if found is None:
        return Environment(stack, trouble="the stack does not exist")
    resources = cloud.call("cloudformation", "DescribeStackResources", StackName=stack)["StackResources"]
    addresses = [
        Address(front.name, url, _opens(url, seconds))
        for resource in resources
        if resource["ResourceType"] == _BALANCER and resource.get("PhysicalResourceId")
        for front in fronts(cloud, resource["PhysicalResourceId"])
        for url in front.urls
    ]
    for resource in resources:
        if resource["ResourceType"] != "AWS::ECS::Service" or not resource.get("PhysicalResourceId"):
            continue
        arn = resource["PhysicalResourceId"]
        of_service, trouble = _service(cloud, arn, seconds, fronted=bool(addresses))
        if trouble:
            return Environment(stack, tuple(addresses), trouble)
        addresses += of_service
    return Environment(stack, tuple(addresses))


def _service(cloud: Cloud, arn: str, seconds: float, *, fronted: bool) -> tuple[list[Address], str]:
    """The addresses of the tasks of the newest deployment, and what is wrong where none runs. A service behind a load
    balancer has no address of its own where the stack has the load balancer (`fronted`)."""
    cluster = cluster_of(arn)
    name = arn.rsplit("/", 1)[-1]
    services = cloud.call("ecs", "DescribeServices", cluster=cluster, services=[arn])["services"]
    if not services or services[0]["status"] != "ACTIVE":
        return [], f"the service {name} is not active"
    service = services[0]
    tasks = running_tasks(cloud, cluster, name)
    current = [task for task in tasks if task["taskDefinitionArn"] == service["taskDefinition"]]
    if not current and service["desiredCount"] > 0:
        return [], f"the service {name} has no running task"
    if not current or (fronted and service.get("loadBalancers")):
        return [], ""
    definition = cloud.call("ecs", "DescribeTaskDefinition", taskDefinition=service["taskDefinition"])
    ports = container_ports(definition["taskDefinition"])
    return [
        Address(name, f"http://{ip}:{port}", _connects(ip, port, seconds))
        for task in current
        if (ip := task_address(cloud, task))
        for port in ports
    ], ""


def running_tasks(cloud: Cloud, cluster: str, service: str | None = None) -> list[Json]:
    """DescribeTasks of all running tasks of a cluster or of one of its services."""
    only = {"serviceName": service} if service else {}
    arns = cloud.pages("ecs", "ListTasks", "taskArns", cluster=cluster, desiredStatus="RUNNING", **only)
    tasks: list[Json] = []
    for start in range(0, len(arns), 100):
        tasks += cloud.call("ecs", "DescribeTasks", cluster=cluster, tasks=arns[start : start + 100])["tasks"]
    return tasks


def container_ports(definition: Json) -> list[int]:
    """The ports that a task definition names."""
    mappings = [m for c in definition["containerDefinitions"] for m in c.get("portMappings") or ()]
    return [
        m["containerPort"] for m in mappings if "containerPort" in m and m.get("protocol", "tcp") == "tcp"
    ]


def attachment(task: Json, name: str) -> str:
    """A detail of the task's network interface, "" where it has none."""
    for each in task.get("attachments") or ():
        for detail in each.get("details") or ():
            if detail["name"] == name:
                return str(detail["value"])
    return ""


def task_address(cloud: Cloud, task: Json) -> str:
    """The address to reach a task at: its own from its subnet here, its public one on AWS where it has one."""
    private = attachment(task, "privateIPv4Address")
    interface = attachment(task, "networkInterfaceId")
    if cloud.local or not interface:
        return private
    try:
        answer = cloud.call("ec2", "DescribeNetworkInterfaces", NetworkInterfaceIds=[interface])
    except Refused:
        return private  # who may deploy need not be allowed to look at interfaces
    return str((answer["NetworkInterfaces"][0].get("Association") or {}).get("PublicIp", private))


def _opens(url: str, seconds: float) -> bool:
    """Something listens where a URL leads. All of `.localhost` is this machine, whatever its resolver knows of it."""
    split = urlsplit(url)
    host = split.hostname or ""
    port = split.port or {"http": 80, "https": 443}[split.scheme]
    return _connects("127.0.0.1" if host.endswith(".localhost") else host, port, seconds)


def _connects(ip: str, port: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((ip, port), timeout=_CONNECT_SECONDS):
                return True
        except OSError:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
