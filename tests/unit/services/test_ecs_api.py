"""ECS's operations: what they record, answer and refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.ecs import Service, ServiceTask, Task
from neargate.model.records import Tx
from tests.unit.services.cloud import ACCOUNT, REGION, cloud
from tests.unit.services.ecs_calls import Ecs

PREFIX = "arn:aws:ecs:us-east-1:000000000000:"
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    with cloud() as aws:
        yield Ecs(aws)


# -- clusters --------------------------------------------------------------------------------------------------


def test_a_cluster_is_made_described_listed_and_deleted(ecs: Ecs) -> None:
    made = ecs("CreateCluster", clusterName="two", tags=[{"key": "a", "value": "b"}])["cluster"]
    assert made["clusterArn"] == PREFIX + "cluster/two"
    assert made["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert ecs("ListClusters")["clusterArns"] == [PREFIX + "cluster/c", PREFIX + "cluster/two"]
    described = ecs("DescribeClusters", clusters=["two", "gone"], include=["TAGS", "STATISTICS"])
    assert described["clusters"][0]["tags"] == [{"key": "a", "value": "b"}]
    assert described["failures"] == [{"arn": PREFIX + "cluster/gone", "reason": "MISSING"}]
    assert ecs("DeleteCluster", cluster="two")["cluster"]["status"] == "INACTIVE"
    assert ecs.error("DeleteCluster", cluster="two") == (
        "ClusterNotFoundException",
        "The referenced cluster was inactive.",
    )
    assert ecs("DescribeClusters", clusters=["two"])["clusters"][0]["status"] == "INACTIVE"
    ecs.aws.clock.advance(3601)
    assert ecs("DescribeClusters", clusters=["two"])["failures"][0]["reason"] == "MISSING"


def test_creating_a_cluster_makes_the_service_linked_role(ecs: Ecs) -> None:
    role = ecs.aws.call("iam", "GetRole", RoleName="AWSServiceRoleForECS")["Role"]
    assert role["Path"] == "/aws-service-role/ecs.amazonaws.com/"


def test_a_cluster_with_services_or_tasks_stays(ecs: Ecs) -> None:
    ecs.run()
    assert ecs.error("DeleteCluster", cluster="c") == (
        "ClusterContainsTasksException",
        "The Cluster cannot be deleted while Tasks are active.",
    )
    ecs.service()
    assert ecs.error("DeleteCluster", cluster="c") == (
        "ClusterContainsServicesException",
        "The Cluster cannot be deleted while Services are active.",
    )


def test_capacity_providers_are_fargates(ecs: Ecs) -> None:
    code, message = ecs.error("CreateCluster", clusterName="x", capacityProviders=["mine"])
    assert code == "InvalidParameterException"
    assert "'mine' was not found" in message
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    ecs(
        "PutClusterCapacityProviders",
        cluster="c",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=strategy,
    )
    (task,) = ecs.run(launchType=None)
    assert task["capacityProviderName"] == "FARGATE_SPOT"


# -- task definitions ------------------------------------------------------------------------------------------


def test_revisions_count_up_and_are_never_used_twice(ecs: Ecs) -> None:
    second = ecs.register()
    assert second["taskDefinitionArn"] == PREFIX + "task-definition/web:2"
    assert second["registeredBy"] == "arn:aws:iam::000000000000:root"
    assert ecs("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]["revision"] == 2
    ecs("DeregisterTaskDefinition", taskDefinition="web:2")
    ecs("DeleteTaskDefinitions", taskDefinitions=["web:2"])
    assert ecs.register()["revision"] == 3
    assert ecs("ListTaskDefinitions", familyPrefix="web", sort="DESC")["taskDefinitionArns"] == [
        PREFIX + "task-definition/web:3",
        PREFIX + "task-definition/web:1",
    ]
    assert ecs("ListTaskDefinitionFamilies", status="ACTIVE")["families"] == ["web"]


def test_missing_and_inactive_definitions(ecs: Ecs) -> None:
    assert ecs.error("DescribeTaskDefinition", taskDefinition="nope") == (
        "ClientException",
        "Unable to describe task definition.",
    )
    assert ecs.error("DeregisterTaskDefinition", taskDefinition="nope:1")[0] == "ClientException"
    ecs("DeregisterTaskDefinition", taskDefinition="web:1")
    shown = ecs("DescribeTaskDefinition", taskDefinition="web:1")["taskDefinition"]
    assert shown["status"] == "INACTIVE"
    assert ecs.error("RunTask", **ecs.run_request()) == ("ClientException", "TaskDefinition not found.")
    assert ecs.error("RunTask", **ecs.run_request(taskDefinition="web:1")) == (
        "InvalidParameterException",
        "TaskDefinition is inactive",
    )
    assert ecs.error("CreateService", **ecs.wanted(taskDefinition="web:1")) == (
        "ClientException",
        "TaskDefinition is inactive",
    )


def test_a_definition_that_is_still_active_is_not_deleted(ecs: Ecs) -> None:
    answer = ecs("DeleteTaskDefinitions", taskDefinitions=["web:1"])
    assert answer["taskDefinitions"] == []
    assert "still in ACTIVE status" in answer["failures"][0]["reason"]


# -- tasks -----------------------------------------------------------------------------------------------------


def test_run_task_answers_a_task_that_is_being_provisioned(ecs: Ecs) -> None:
    (task,) = ecs.run(startedBy="me", tags=[{"key": "a", "value": "b"}])
    task_id = task["taskArn"].rsplit("/", 1)[-1]
    assert task["taskArn"] == f"{PREFIX}task/c/{task_id}"
    assert len(task_id) == 32
    (attachment,) = task["attachments"]
    assert (attachment["type"], attachment["status"]) == ("ElasticNetworkInterface", "PRECREATED")
    assert attachment["details"] == [{"name": "subnetId", "value": ecs.subnets[0]}]
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert (task["cpu"], task["memory"], task["platformVersion"]) == ("256", "512", "1.4.0")
    assert (task["group"], task["startedBy"], task["launchType"]) == ("family:web", "me", "FARGATE")
    assert task["tags"] == [{"key": "a", "value": "b"}]
    assert task["overrides"] == {"inferenceAcceleratorOverrides": [], "containerOverrides": [{"name": "app"}]}
    (only,) = task["containers"]
    assert (only["lastStatus"], only["cpu"], only["networkBindings"]) == ("PROVISIONING", "0", [])


def test_several_tasks_spread_over_the_zones(ecs: Ecs) -> None:
    tasks = ecs.run(count=4)
    assert len({task["availabilityZone"] for task in tasks}) == 2


RUN_REFUSED = [
    ({"count": 11}, "count should be between 1 and 10."),
    (
        {"networkConfiguration": None},
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
        "Error retrieving subnet information for [subnet-1]: The subnet ID 'subnet-1' does not exist "
        "(ErrorCode: InvalidSubnetID.NotFound)",
    ),
    ({"launchType": "EC2"}, "No Container Instances were found in your cluster."),
    (
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
        "Specify either Launch Type or Capacity Provider Strategy, but not both.",
    ),
    (
        {"overrides": {"containerOverrides": [{"name": "x"}]}},
        "Override for container named x is not a container in the TaskDefinition.",
    ),
]


@pytest.mark.parametrize(("members", "text"), RUN_REFUSED, ids=[text[:40] for _, text in RUN_REFUSED])
def test_run_task_refuses(ecs: Ecs, members: dict[str, Any], text: str) -> None:
    assert ecs.error("RunTask", **ecs.run_request(**members)) == ("InvalidParameterException", text)


def test_security_groups_must_exist(ecs: Ecs) -> None:
    network = {"awsvpcConfiguration": {"subnets": ecs.subnets[:1], "securityGroups": ["sg-1"]}}
    code, message = ecs.error("RunTask", **ecs.run_request(networkConfiguration=network))
    assert code == "InvalidParameterException"
    assert message.startswith("Error retrieving security group information for [sg-1]: ")
    assert message.endswith("(ErrorCode: InvalidGroup.NotFound)")


def test_a_definition_for_ec2_only_does_not_run_on_fargate(ecs: Ecs) -> None:
    ecs.register(
        family="old",
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        containerDefinitions=[{"name": "app", "image": "nginx", "memory": 128}],
    )
    assert ecs.error("RunTask", **ecs.run_request(taskDefinition="old")) == (
        "InvalidParameterException",
        "Task definition does not support launch_type FARGATE.",
    )


def test_a_role_must_exist_and_trust_ecs_tasks(ecs: Ecs) -> None:
    role = "arn:aws:iam::000000000000:role/r"
    ecs.register(taskRoleArn=role)
    expected = (
        "ClientException",
        f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the "
        "role being passed has the proper trust relationship and permissions and that your IAM user has "
        "permissions to pass this role.",
    )
    assert ecs.error("RunTask", **ecs.run_request()) == expected
    ec2 = json.dumps(TRUST).replace("ecs-tasks", "ec2")
    ecs.aws.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=ec2)
    assert ecs.error("RunTask", **ecs.run_request()) == expected
    ecs.aws.call("iam", "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=json.dumps(TRUST))
    assert len(ecs.run()) == 1


def test_the_same_client_token_gets_the_same_tasks_and_another_request_a_conflict(ecs: Ecs) -> None:
    (first,) = ecs.run(clientToken="t")
    (again,) = ecs.run(clientToken="t")
    assert again["taskArn"] == first["taskArn"]
    assert ecs.error("RunTask", **ecs.run_request(clientToken="t", count=2))[0] == "ConflictException"


def test_stop_task_records_the_reason_and_keeps_the_first(ecs: Ecs) -> None:
    (task,) = ecs.run()
    stopped = ecs("StopTask", cluster="c", task=task["taskArn"])["task"]
    assert (stopped["desiredStatus"], stopped["stopCode"]) == ("STOPPED", "UserInitiated")
    assert stopped["stoppedReason"] == "Task stopped by user"
    again = ecs("StopTask", cluster="c", task=task["taskArn"], reason="other")["task"]
    assert again["stoppedReason"] == "Task stopped by user"
    assert ecs.error("StopTask", cluster="c", task="nope") == (
        "InvalidParameterException",
        "The referenced task was not found.",
    )


def test_describe_and_list_tasks(ecs: Ecs) -> None:
    (one,) = ecs.run(startedBy="me")
    (two,) = ecs.run()
    task_id = one["taskArn"].rsplit("/", 1)[-1]
    answer = ecs("DescribeTasks", cluster="c", tasks=[task_id, "gone"])
    assert [task["taskArn"] for task in answer["tasks"]] == [one["taskArn"]]
    assert answer["failures"] == [{"arn": PREFIX + "task/c/gone", "reason": "MISSING"}]
    ecs("StopTask", cluster="c", task=two["taskArn"])
    assert ecs("ListTasks", cluster="c")["taskArns"] == [one["taskArn"]]
    assert ecs("ListTasks", cluster="c", desiredStatus="STOPPED")["taskArns"] == [two["taskArn"]]
    assert ecs("ListTasks", cluster="c", startedBy="you")["taskArns"] == []
    assert ecs("ListTasks", cluster="c", family="web")["taskArns"] == [one["taskArn"]]
    assert ecs.error("ListTasks", cluster="x")[0] == "ClusterNotFoundException"
    assert ecs.error("ListTasks", cluster="c", serviceName="x")[0] == "ServiceNotFoundException"


# -- services --------------------------------------------------------------------------------------------------


def test_a_new_service_has_a_primary_deployment_in_progress(ecs: Ecs) -> None:
    service = ecs.service(tags=[{"key": "a", "value": "b"}])
    assert service["serviceArn"] == PREFIX + "service/c/web"
    assert service["status"] == "ACTIVE"
    assert service["availabilityZoneRebalancing"] == "ENABLED"
    assert service["roleArn"].endswith(":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
    assert service["deploymentConfiguration"] == {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
    }
    (deployment,) = service["deployments"]
    assert (deployment["status"], deployment["rolloutState"]) == ("PRIMARY", "IN_PROGRESS")
    assert deployment["rolloutStateReason"] == f"ECS deployment {deployment['id']} in progress."
    assert deployment["taskDefinition"] == PREFIX + "task-definition/web:1"
    assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    described = ecs("DescribeServices", cluster="c", services=["web", "gone"], include=["TAGS"])
    assert described["services"][0]["tags"] == [{"key": "a", "value": "b"}]
    assert described["failures"] == [{"arn": PREFIX + "service/c/gone", "reason": "MISSING"}]
    assert ecs("ListServices", cluster="c")["serviceArns"] == [service["serviceArn"]]


def test_creating_a_service_again_is_idempotent_only_for_the_same_request(ecs: Ecs) -> None:
    first = ecs.service()
    assert ecs.service()["deployments"][0]["id"] == first["deployments"][0]["id"]
    assert ecs.error("CreateService", **ecs.wanted(desiredCount=2)) == (
        "InvalidParameterException",
        "Creation of service was not idempotent.",
    )


SERVICE_REFUSED = [
    (
        {"schedulingStrategy": "DAEMON"},
        "InvalidParameterException",
        "The daemon scheduling strategy does not support a desired count for services. Remove the desired count "
        "value and try again",
    ),
    (
        {"networkConfiguration": None},
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    ({"taskDefinition": "nope"}, "ClientException", "TaskDefinition not found."),
    ({"cluster": "nope"}, "ClusterNotFoundException", "Cluster not found."),
    (
        {"platformVersion": "9.9.9"},
        "PlatformUnknownException",
        "The specified platform version does not exist.",
    ),
    (
        {"loadBalancers": [{"targetGroupArn": "x"}]},
        "InvalidParameterException",
        "The container None does not exist in the task definition.",
    ),
    (
        {"deploymentConfiguration": {"lifecycleHooks": [{"lifecycleStages": ["PRE_SCALE_UP"]}]}},
        "NotImplemented",
        "ecs:CreateService deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA is not implemented by "
        "Neargate yet (docs/coverage.md#ecs)",
    ),
    (
        {"deploymentController": {"type": "EXTERNAL"}},
        "NotImplemented",
        "ecs:CreateService deploymentController EXTERNAL (use controller ECS: there are no task sets that something "
        "else could shift traffic between) is not implemented by Neargate yet (docs/coverage.md#ecs)",
    ),
    (
        {"deploymentController": {"type": "CODE_DEPLOY"}},
        "NotImplemented",
        "ecs:CreateService deploymentController CODE_DEPLOY (use controller ECS with deploymentConfiguration.strategy "
        "BLUE_GREEN, which needs no CodeDeploy) is not implemented by Neargate yet (docs/coverage.md#ecs)",
    ),
    (
        {"launchType": None},
        "NotImplemented",
        "ecs:CreateService launchType EC2 (the default) is not implemented by Neargate yet "
        "(docs/coverage.md#ecs)",
    ),
]


@pytest.mark.parametrize(
    ("members", "code", "text"), SERVICE_REFUSED, ids=[text[:40] for _, _, text in SERVICE_REFUSED]
)
def test_create_service_refuses(ecs: Ecs, members: dict[str, Any], code: str, text: str) -> None:
    assert ecs.error("CreateService", **ecs.wanted(**members)) == (code, text)


def test_what_makes_a_new_deployment_and_what_does_not(ecs: Ecs) -> None:
    first = ecs.service()["deployments"][0]["id"]
    scaled = ecs("UpdateService", cluster="c", service="web", desiredCount=3)["service"]
    assert [d["id"] for d in scaled["deployments"]] == [first]
    assert scaled["deployments"][0]["desiredCount"] == 3
    same = ecs("UpdateService", cluster="c", service="web", taskDefinition="web:1")["service"]
    assert [d["id"] for d in same["deployments"]] == [first]
    ecs.register()
    rolled = ecs("UpdateService", cluster="c", service=PREFIX + "service/c/web", taskDefinition="web")
    deployments = rolled["service"]["deployments"]
    assert [d["status"] for d in deployments] == ["PRIMARY", "ACTIVE"]
    assert rolled["service"]["desiredCount"] == 3
    forced = ecs("UpdateService", cluster="c", service="web", forceNewDeployment=True)["service"]
    assert len(forced["deployments"]) == 3


def test_service_deployments_and_revisions_are_kept(ecs: Ecs) -> None:
    ecs.service()
    ecs.aws.clock.advance(10)
    ecs.register()
    ecs("UpdateService", cluster="c", service="web", taskDefinition="web:2")
    listed = ecs("ListServiceDeployments", cluster="c", service="web")["serviceDeployments"]
    assert [d["status"] for d in listed] == ["IN_PROGRESS", "STOPPED"]
    arn = listed[0]["serviceDeploymentArn"]
    (shown,) = ecs("DescribeServiceDeployments", serviceDeploymentArns=[arn])["serviceDeployments"]
    assert shown["deploymentCircuitBreaker"] == {"status": "DISABLED", "failureCount": 0, "threshold": 3}
    revision = shown["targetServiceRevision"]["arn"]
    (found,) = ecs("DescribeServiceRevisions", serviceRevisionArns=[revision])["serviceRevisions"]
    assert found["taskDefinition"].endswith("web:2")


def test_updates_of_what_is_not_there(ecs: Ecs) -> None:
    assert ecs.error("UpdateService", cluster="c", service="web") == (
        "ServiceNotFoundException",
        "Service not found.",
    )
    ecs.service(desiredCount=0)
    ecs("DeleteService", cluster="c", service="web")
    assert ecs.error("UpdateService", cluster="c", service="web") == (
        "ServiceNotActiveException",
        "Service was not ACTIVE.",
    )


def test_deleting_a_service(ecs: Ecs) -> None:
    ecs.service()
    assert ecs.error("DeleteService", cluster="c", service="web") == (
        "InvalidParameterException",
        "The service cannot be stopped while it is scaled above 0.",
    )
    gone = ecs("DeleteService", cluster="c", service="web", force=True)["service"]
    assert gone["status"] == "INACTIVE"
    assert ecs("ListServices", cluster="c")["serviceArns"] == []
    assert ecs("DescribeServices", cluster="c", services=["web"])["services"][0]["status"] == "INACTIVE"
    assert ecs.service()["status"] == "ACTIVE"


def test_a_draining_service_cannot_be_made_again(ecs: Ecs) -> None:
    ecs.service()

    def drain(tx: Any) -> None:
        (service,) = tx.scan(Service)
        tx.put(attrs.evolve(service, status="DRAINING"))

    ecs.aws.write(drain)
    assert ecs.error("CreateService", **ecs.wanted()) == (
        "InvalidParameterException",
        "Unable to Start a service that is still Draining.",
    )


# -- tags and settings -----------------------------------------------------------------------------------------


def test_tags_of_every_kind_of_resource(ecs: Ecs) -> None:
    ecs.service()
    (task,) = ecs.run()
    arns = [
        PREFIX + "cluster/c",
        PREFIX + "service/c/web",
        PREFIX + "task-definition/web:1",
        task["taskArn"],
    ]
    for arn in arns:
        ecs("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        ecs("UntagResource", resourceArn=arn, tagKeys=["a"])
        assert ecs("ListTagsForResource", resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    assert ecs.error("ListTagsForResource", resourceArn="x") == (
        "InvalidParameterException",
        "Invalid resource ARN.",
    )


def test_account_settings(ecs: Ecs) -> None:
    ecs("PutAccountSettingDefault", name="containerInsights", value="enabled")
    made = ecs("CreateCluster", clusterName="insightful")["cluster"]
    assert made["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    effective = ecs("ListAccountSettings", effectiveSettings=True, name="containerInsights")["settings"]
    assert [s["value"] for s in effective] == ["enabled"]
    put = ecs("PutAccountSetting", name="defaultLogDriverMode", value="blocking")["setting"]
    assert put["principalArn"] == "arn:aws:iam::000000000000:root"
    assert [s["name"] for s in ecs("ListAccountSettings")["settings"]] == ["defaultLogDriverMode"]
    assert ecs.error("PutAccountSetting", name="taskLongArnFormat", value="disabled")[0] == (
        "InvalidParameterException"
    )


def test_fargate_has_no_container_instances(ecs: Ecs) -> None:
    assert ecs("ListContainerInstances", cluster="c") == {"containerInstanceArns": []}
    failures = ecs("DescribeContainerInstances", cluster="c", containerInstances=["i"])["failures"]
    assert failures == [{"arn": PREFIX + "container-instance/c/i", "reason": "MISSING"}]
    names = [p["name"] for p in ecs("DescribeCapacityProviders")["capacityProviders"]]
    assert names == ["FARGATE", "FARGATE_SPOT"]


def test_the_counts_of_a_cluster_follow_its_tasks(ecs: Ecs) -> None:
    ecs.run(count=2)

    def start_one(tx: Any) -> None:
        first = tx.scan(Task)[0]
        tx.put(attrs.evolve(first, status="RUNNING"))

    ecs.aws.write(start_one)
    (shown,) = ecs("DescribeClusters", clusters=["c"], include=["STATISTICS"])["clusters"]
    assert (shown["runningTasksCount"], shown["pendingTasksCount"]) == (1, 1)
    assert {"name": "runningFargateTasksCount", "value": "1"} in shown["statistics"]


def test_a_service_that_goes_at_once_lets_go_of_tasks_that_have_just_stopped(ecs: Ecs) -> None:
    """A link to a stopped task that outlived its service would count against the next one of that name."""
    ecs("CreateCluster", clusterName="c")
    ecs.register()
    ecs.service(desiredCount=0)
    arn = ecs.run()[0]["taskArn"]

    def stopped_in_service(tx: Tx) -> None:
        (task,) = tx.scan(Task)
        assert task.arn == arn
        tx.put(attrs.evolve(task, service="web", status="STOPPED", desired_status="STOPPED"))
        tx.put(ServiceTask(account=ACCOUNT, region=REGION, cluster="c", service="web", task=task.id))

    ecs.aws.write(stopped_in_service)
    assert ecs("DeleteService", cluster="c", service="web")["service"]["status"] == "INACTIVE"
    assert ecs.aws.store.read(lambda view: view.scan(ServiceTask)) == []
