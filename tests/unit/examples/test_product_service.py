"""The example project is what AWS takes: its templates, buildspec and parameter files."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[3] / "examples" / "product-service"
LOGIN = "$(aws ecr get-login --no-include-email --region $AWS_DEFAULT_REGION)"


class Template(yaml.SafeLoader):
    """Reads the short form `!Name value` as {"Name": value}."""


def _short_form(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Template.add_multi_constructor("!", _short_form)


def template(name):
    return yaml.load((PROJECT / name).read_text(), Template)


@pytest.fixture(scope="module")
def buildspec():
    return yaml.safe_load((PROJECT / "buildspec.yml").read_text())


def parameters(environment):
    return json.loads((PROJECT / "parameters" / f"{environment}.params.json").read_text())


def test_cfn_lint_finds_nothing_in_the_templates():
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "cloudformation.template.yml", "pipeline.template.yml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_the_service_template_holds_what_one_environment_needs():
    resources = template("cloudformation.template.yml")["Resources"]
    assert {name: resource["Type"] for name, resource in resources.items()} == {
        "Cluster": "AWS::ECS::Cluster",
        "TaskRole": "AWS::IAM::Role",
        "TaskPolicy": "AWS::IAM::Policy",
        "LogGroup": "AWS::Logs::LogGroup",
        "TaskDefinition": "AWS::ECS::TaskDefinition",
        "LoadBalancerSecurityGroup": "AWS::EC2::SecurityGroup",
        "TaskSecurityGroup": "AWS::EC2::SecurityGroup",
        "LoadBalancer": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "TargetGroup": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Listener": "AWS::ElasticLoadBalancingV2::Listener",
        "Service": "AWS::ECS::Service",
    }


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_parameter_files_give_a_value_to_each_parameter(environment):
    document = parameters(environment)
    declared = template("cloudformation.template.yml")["Parameters"]
    assert set(document) == {"Parameters"}
    values = document["Parameters"]
    assert set(values) == set(declared) == {"Image", "VpcId", "SubnetIds"}
    assert values["Image"] == "RELEASE_IMAGE_URL"
    assert re.fullmatch(r"vpc-[0-9a-f]{17}", values["VpcId"])
    assert re.fullmatch(r"subnet-[0-9a-f]{17}(,subnet-[0-9a-f]{17})+", values["SubnetIds"])


def test_dev_and_prod_share_no_network():
    dev, prod = parameters("dev")["Parameters"], parameters("prod")["Parameters"]
    assert dev["VpcId"] != prod["VpcId"]
    assert not set(dev["SubnetIds"].split(",")) & set(prod["SubnetIds"].split(","))


def test_the_pipeline_has_the_four_stages_and_deploys_what_the_build_hands_on(buildspec):
    stages = template("pipeline.template.yml")["Resources"]["Pipeline"]["Properties"]["Stages"]
    assert [stage["Name"] for stage in stages] == ["Source", "Build", "Deploy_DEV", "Deploy_PROD"]

    artifact_files = {
        path.name for pattern in buildspec["artifacts"]["files"] for path in PROJECT.glob(pattern)
    }
    for stage, stack, mode, file in [
        (stages[2], "ProductService-DEV", "REPLACE_ON_FAILURE", "dev.params.json"),
        (stages[3], "ProductService-PROD", "CREATE_UPDATE", "prod.params.json"),
    ]:
        [action] = stage["Actions"]
        assert action["Configuration"] == {
            "ActionMode": mode,
            "StackName": stack,
            "TemplatePath": "buildResults::cloudformation.template.yml",
            "TemplateConfiguration": f"buildResults::{file}",
            "RoleArn": {"GetAtt": "PipelineRole.Arn"},
            "Capabilities": "CAPABILITY_IAM",
        }
        assert {"cloudformation.template.yml", file} <= artifact_files


def test_the_pipeline_needs_no_parameters_and_no_named_roles():
    document = template("pipeline.template.yml")
    assert all("Default" in parameter for parameter in document["Parameters"].values())
    roles = [each for each in document["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 1
    assert "RoleName" not in roles[0]["Properties"]


def test_the_buildspec_has_the_shape_that_codebuild_reads(buildspec):
    assert buildspec["version"] == 0.2
    assert set(buildspec) == {"version", "phases", "artifacts"}
    assert list(buildspec["phases"]) == ["pre_build", "build", "post_build"]
    for phase in buildspec["phases"].values():
        assert all(isinstance(command, str) for command in phase["commands"])
    assert buildspec["phases"]["pre_build"]["commands"][1].startswith(LOGIN)
    assert buildspec["artifacts"] == {
        "files": ["cloudformation.template.yml", "parameters/*.params.json"],
        "discard-paths": True,
    }


# Stand in for the programs that a build calls, and note how they were called.
DOCKER = '#!/bin/sh\necho "docker $*" >> calls\n'
AWS_1 = '#!/bin/sh\ntest "$2" = get-login && echo docker login -u AWS -p secret https://registry\n'
AWS_2 = '#!/bin/sh\ntest "$2" = get-login-password && echo secret\n'


@pytest.fixture
def run_phase(tmp_path, buildspec):
    """Runs the commands of one phase after pre_build's first, as CodeBuild does, in a copy of the project."""
    (tmp_path / "parameters").mkdir()
    for environment in ("dev", "prod"):
        name = f"parameters/{environment}.params.json"
        (tmp_path / name).write_text((PROJECT / name).read_text())

    def run(phase, aws=AWS_1, succeeding="1"):
        programs = tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        for name, text in (("docker", DOCKER), ("aws", aws)):
            (programs / name).write_text(text)
            (programs / name).chmod(stat.S_IRWXU)
        commands = buildspec["phases"]["pre_build"]["commands"][:1] + buildspec["phases"][phase]["commands"]
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(commands)],
            cwd=tmp_path,
            env={
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "DOCKER_IMAGE_URL": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/products",
                "CODEBUILD_RESOLVED_SOURCE_VERSION": "4f2a9c1",
                "CODEBUILD_BUILD_SUCCEEDING": succeeding,
            },
            check=False,
        )
        calls = tmp_path / "calls"
        return done.returncode, calls.read_text().splitlines() if calls.exists() else []

    return run


IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/products:4f2a9c1"


def test_the_login_works_with_both_versions_of_the_aws_cli(run_phase):
    first = "docker login -u AWS -p secret https://registry"
    second = "docker login --username AWS --password-stdin 111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    assert run_phase("pre_build", AWS_1) == (0, [first])
    assert run_phase("pre_build", AWS_2) == (0, [first, second])


def test_the_build_writes_the_image_into_the_parameter_files(run_phase, tmp_path):
    assert run_phase("build") == (0, [f"docker build --build-arg GIT_SHA=4f2a9c1 --tag {IMAGE} ."])
    for environment in ("dev", "prod"):
        document = json.loads((tmp_path / f"parameters/{environment}.params.json").read_text())
        assert document["Parameters"]["Image"] == IMAGE


def test_a_failed_build_pushes_nothing(run_phase):
    assert run_phase("post_build", succeeding="0") == (1, [])
    assert run_phase("post_build", succeeding="1") == (0, [f"docker push {IMAGE}"])
