"""The delivery step by step with the AWS CLI v1 from PyPI: nothing of ours but the endpoint. Tests run in order."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.machine import EXAMPLE, Machine, Project, address_of, ask_engine, get, post, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

STACK = "product-service"


def test_the_pipeline_stack(machine: Machine) -> None:
    done = machine.aws(
        "cloudformation",
        "deploy",
        "--stack-name=ProductService-Pipeline",
        "--template-file=pipeline.template.yml",
        "--capabilities",
        "CAPABILITY_IAM",
        folder=EXAMPLE,
    )
    assert done.code == 0, done.output
    assert "Successfully created/updated stack - ProductService-Pipeline" in done.output


def test_a_missing_capability_is_refused(machine: Machine) -> None:
    done = machine.aws(
        "cloudformation",
        "deploy",
        "--stack-name=Refused",
        "--template-file=pipeline.template.yml",
        folder=EXAMPLE,
    )
    assert done.code != 0
    assert "InsufficientCapabilitiesException" in done.output
    assert "Requires capabilities : [CAPABILITY_IAM]" in done.output


def test_the_network(machine: Machine) -> None:
    (vpc,) = machine.ask("ec2", "describe-vpcs")["Vpcs"]
    assert (vpc["CidrBlock"], vpc["IsDefault"]) == ("172.31.0.0/16", True)
    subnets = machine.ask("ec2", "describe-subnets")["Subnets"]
    assert {s["VpcId"] for s in subnets} == {vpc["VpcId"]}
    assert all(s["CidrBlock"].endswith("/20") for s in subnets)
    zones = machine.ask("ec2", "describe-availability-zones")["AvailabilityZones"]
    assert len(zones) >= 4
    assert {s["AvailabilityZone"] for s in subnets} == {z["ZoneName"] for z in zones}


def test_a_source_that_nobody_mapped_fails_with_the_next_step(machine: Machine) -> None:
    name = _pipeline(machine)

    def failed() -> str | None:
        state = machine.ask("codepipeline", "get-pipeline-state", "--name", name)
        (action,) = state["stageStates"][0]["actionStates"]
        latest = action.get("latestExecution", {})
        return latest["errorDetails"]["message"] if latest.get("status") == "Failed" else None

    message = wait_for(failed, "the source action fails")
    assert "No local git repository stands for" in message
    assert f"git push {machine.endpoint}/git/" in message


def test_a_push_of_the_repository_the_pipeline_names_delivers(machine: Machine, project: Project) -> None:
    name = _pipeline(machine)
    ids = _adopted_ids(project.folder)
    assert post(f"{machine.endpoint}/_neargate/adopt", {"groups": ids})["adopted"]
    declared = machine.ask("codepipeline", "get-pipeline", "--name", name)["pipeline"]
    source = declared["stages"][0]["actions"][0]["configuration"]
    assert source["OAuthToken"] == "****"
    remote = f"{machine.endpoint}/git/{source['Owner']}/{source['Repo']}"
    project.git("push", "--quiet", remote, f"HEAD:refs/heads/{source['Branch']}")

    def ended() -> str | None:
        found = machine.ask("codepipeline", "list-pipeline-executions", "--pipeline-name", name)
        newest = found["pipelineExecutionSummaries"][0]
        push = newest["trigger"]["triggerType"] == "Webhook"
        return newest["status"] if push and newest["status"] != "InProgress" else None

    assert wait_for(ended, "the pushed execution ends", 200) == "Succeeded"
    state = machine.ask("codepipeline", "get-pipeline-state", "--name", name)
    assert [s["stageName"] for s in state["stageStates"]] == ["Source", "Build", "Deploy_DEV", "Deploy_PROD"]
    assert {s["latestExecution"]["status"] for s in state["stageStates"]} == {"Succeeded"}


def test_the_service_stack_directly(machine: Machine) -> None:
    """The pipeline's image, in the default VPC, through parameter overrides."""
    (vpc,) = machine.ask("ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")["Vpcs"]
    subnets = machine.ask("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={vpc['VpcId']}")[
        "Subnets"
    ]
    (task,) = machine.tasks("ProductService-DEV")
    image = task["containers"][0]["image"]
    done = machine.aws(
        "cloudformation",
        "deploy",
        "--stack-name",
        STACK,
        "--template-file",
        "cloudformation.template.yml",
        "--capabilities",
        "CAPABILITY_IAM",
        "--parameter-overrides",
        f"Image={image}",
        f"VpcId={vpc['VpcId']}",
        f"SubnetIds={','.join(s['SubnetId'] for s in subnets[:2])}",
        folder=EXAMPLE,
    )
    assert done.code == 0, done.output
    (task,) = machine.tasks(STACK)
    address = address_of(task)
    ip = ipaddress.ip_address(address.removeprefix("http://").removesuffix(":3000"))
    assert any(ip in ipaddress.ip_network(s["CidrBlock"]) for s in subnets[:2])
    assert get(f"{address}/hello")
    assert (task["cpu"], task["memory"]) == ("256", "512")
    assert task["lastStatus"] == "RUNNING"


def test_describe_stacks_and_events(machine: Machine) -> None:
    done = machine.aws(
        "cloudformation",
        "describe-stacks",
        "--stack-name",
        STACK,
        "--query",
        "Stacks[0].StackStatus",
        "--output",
        "text",
    )
    assert done.output.strip() == "CREATE_COMPLETE"
    events = machine.ask("cloudformation", "describe-stack-events", "--stack-name", STACK)["StackEvents"]
    newest, oldest = events[0], events[-1]
    assert (newest["ResourceStatus"], newest["LogicalResourceId"]) == ("CREATE_COMPLETE", STACK)
    assert (oldest["ResourceStatus"], oldest["ResourceStatusReason"]) == (
        "REVIEW_IN_PROGRESS",
        "User Initiated",
    )


def test_ecs_describes_what_runs(machine: Machine) -> None:
    cluster, service = _ecs(machine)
    waited = machine.aws("ecs", "wait", "services-stable", "--cluster", cluster, "--services", service)
    assert waited.code == 0, waited.output
    (shown,) = machine.ask("ecs", "describe-services", "--cluster", cluster, "--services", service)[
        "services"
    ]
    assert (shown["status"], shown["runningCount"], shown["desiredCount"]) == ("ACTIVE", 1, 1)
    assert shown["events"][0]["message"].endswith("has reached a steady state.")


def test_the_service_s_own_lines_are_in_the_log_group(machine: Machine) -> None:
    (task,) = machine.tasks(STACK)
    get(f"{address_of(task)}/hello")
    resources = machine.ask("cloudformation", "describe-stack-resources", "--stack-name", STACK)[
        "StackResources"
    ]
    group = next(r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::Logs::LogGroup")

    def line() -> bool:
        events = machine.ask("logs", "filter-log-events", "--log-group-name", group)["events"]
        return any("GET /hello" in event["message"] for event in events)

    assert wait_for(line, "the request's line is in the log group", 30)
    (stream,) = machine.ask("logs", "describe-log-streams", "--log-group-name", group)["logStreams"]
    prefix, container, task_id = stream["logStreamName"].split("/")
    assert prefix
    assert container == task["containers"][0]["name"]
    assert task["taskArn"].endswith(task_id)


def test_a_container_that_dies_is_replaced(machine: Machine) -> None:
    cluster, service = _ecs(machine)
    (task,) = machine.tasks(STACK)
    pid = _first_process(task)
    subprocess.run(["kill", "-KILL", str(pid)], check=True)

    def replaced() -> bool:
        running = machine.tasks(STACK)
        return len(running) == 1 and running[0]["taskArn"] != task["taskArn"]

    assert wait_for(replaced, "another task runs", 30)
    (dead,) = machine.ask("ecs", "describe-tasks", "--cluster", cluster, "--tasks", task["taskArn"])["tasks"]
    assert (dead["lastStatus"], dead["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert dead["stoppedReason"] == "Essential container in task exited"
    assert dead["containers"][0]["exitCode"] == 137
    (shown,) = machine.ask("ecs", "describe-services", "--cluster", cluster, "--services", service)[
        "services"
    ]
    assert any("has started 1 tasks: (task " in event["message"] for event in shown["events"])


def test_an_unknown_vpc_rolls_back_in_cloudformation_s_words(machine: Machine) -> None:
    done = machine.aws(
        "cloudformation",
        "deploy",
        "--stack-name",
        "unknown-vpc",
        "--template-file",
        "cloudformation.template.yml",
        "--capabilities",
        "CAPABILITY_IAM",
        "--parameter-overrides",
        "Image=x",
        "VpcId=vpc-0aaaaaaaaaaaaaaaa",
        "SubnetIds=subnet-0aaaaaaaaaaaaaaaa",
        folder=EXAMPLE,
    )
    assert done.code != 0
    events = machine.ask("cloudformation", "describe-stack-events", "--stack-name", "unknown-vpc")[
        "StackEvents"
    ]
    assert [e["ResourceStatus"] for e in events[:2]] == ["ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS"]
    assert events[1]["ResourceStatusReason"] == (
        "Parameter validation failed: parameter value vpc-0aaaaaaaaaaaaaaaa for parameter name VpcId does not exist, "
        "parameter value subnet-0aaaaaaaaaaaaaaaa for parameter name SubnetIds does not exist. Rollback requested by "
        "user."
    )


def test_delete_leaves_nothing(machine: Machine) -> None:
    interfaces = _interfaces(machine)
    for name in (STACK, "ProductService-DEV", "ProductService-PROD"):
        assert machine.aws("cloudformation", "delete-stack", "--stack-name", name).code == 0
        done = machine.aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", name)
        assert done.code == 0, done.output
    assert interfaces > 0
    assert _interfaces(machine) == 0
    assert machine.ask("ecs", "list-clusters")["clusterArns"] == []
    assert machine.ask("ec2", "describe-network-interfaces")["NetworkInterfaces"] == []
    owner = (machine.data / "owner").read_text().strip()
    assert _containers(machine, owner) == []


def _pipeline(machine: Machine) -> str:
    return str(machine.ask("codepipeline", "list-pipelines")["pipelines"][0]["name"])


def _ecs(machine: Machine) -> tuple[str, str]:
    resources = machine.ask("cloudformation", "describe-stack-resources", "--stack-name", STACK)[
        "StackResources"
    ]
    named = {r["ResourceType"]: r["PhysicalResourceId"] for r in resources}
    return named["AWS::ECS::Cluster"], named["AWS::ECS::Service"]


def _adopted_ids(folder: Path) -> list[dict[str, list[str]]]:
    groups = []
    for file in sorted((folder / "parameters").glob("*.json")):
        given = json.loads(file.read_text())["Parameters"]
        groups.append({"vpcs": [given["VpcId"]], "subnets": given["SubnetIds"].split(",")})
    return groups


def _first_process(task: dict[str, object]) -> int:
    """The host's id of the container's first process: the one whose namespace has the task's address."""
    address = address_of(task).removeprefix("http://").removesuffix(":3000")
    for status in Path("/proc").glob("[0-9]*/net/fib_trie"):
        try:
            if (
                address in status.read_text()
                and b"product_service" in (status.parents[1] / "cmdline").read_bytes()
            ):
                return int(status.parents[1].name)
        except OSError:
            continue
    raise AssertionError(f"no process has the address {address}")


def _interfaces(machine: Machine) -> int:
    """Links of this machine that carry a task of ours."""
    owner = (machine.data / "owner").read_text().strip()
    shown = subprocess.run(["ip", "-d", "link"], capture_output=True, text=True, check=True).stdout
    return shown.count(owner)


def _containers(machine: Machine, owner: str) -> list[str]:
    socket = machine.health()["engine"]["socket"].removeprefix("unix://")
    filters = quote(json.dumps({"label": [f"dev.neargate.owner={owner}"]}))
    found = ask_engine(socket, f"/v1.40/containers/json?all=true&filters={filters}")
    return [container["Id"] for container in found]
