"""What a project's files say: template, stack name, ids; and the example's own files."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from neargate.cli import project

EXAMPLE = Path(__file__).parents[3] / "examples/product-service"
PIPELINE = "Resources:\n  Pipeline:\n    Type: AWS::CodePipeline::Pipeline\n    Properties: {RoleArn: !GetAtt R.Arn}\n"
SERVICE = "Resources:\n  Service: {Type: AWS::ECS::Service}\n"


def reader(texts: dict[str, str]) -> project.Read:
    return texts.__getitem__


@pytest.mark.parametrize(
    ("directory", "stack"),
    [
        ("product-service", "ProductService-Pipeline"),
        ("shop", "Shop-Pipeline"),
        ("myApp_v2", "MyAppV2-Pipeline"),
        ("3d-viewer", "Project3dViewer-Pipeline"),
        ("...", "Project-Pipeline"),
    ],
)
def test_the_stack_is_named_after_the_directory(directory: str, stack: str) -> None:
    assert project.stack_name(directory, {}) == stack


def test_neargate_toml_names_the_stack() -> None:
    texts = {"neargate.toml": '[project]\npipeline-stack = "Shop-Delivery"\n'}
    assert project.stack_name("shop", project.settings(texts, reader(texts))) == "Shop-Delivery"


def test_a_broken_neargate_toml_is_named() -> None:
    texts = {"neargate.toml": "[project\n"}
    with pytest.raises(click.ClickException, match=r"neargate\.toml cannot be read: "):
        project.settings(texts, reader(texts))


def test_the_template_with_the_usual_name_wins() -> None:
    texts = {"a.yml": PIPELINE, "pipeline.template.yml": PIPELINE}
    assert project.pipeline_template(texts, reader(texts)) == "pipeline.template.yml"


def test_the_only_template_that_declares_a_pipeline_is_found() -> None:
    texts = {
        "delivery.yaml": PIPELINE,
        "service.yml": SERVICE,
        "deep/other.yml": PIPELINE,
        "notes.json": "[1",
    }
    assert project.pipeline_template(texts, reader(texts)) == "delivery.yaml"


def test_two_templates_with_a_pipeline_are_one_too_many() -> None:
    texts = {"a.yml": PIPELINE, "b.yml": PIPELINE}
    with pytest.raises(
        click.ClickException, match=r"declares a pipeline: a\.yml, b\.yml\. Name the one to use"
    ):
        project.pipeline_template(texts, reader(texts))


def test_a_project_without_a_pipeline_is_told_of_deploy() -> None:
    texts = {"service.yml": SERVICE}
    with pytest.raises(
        click.ClickException, match="for one stack without a pipeline: neargate deploy TEMPLATE"
    ):
        project.pipeline_template(texts, reader(texts))


def test_short_forms_and_dates_do_not_stand_in_the_way_of_an_outline() -> None:
    text = "AWSTemplateFormatVersion: 2010-09-09\nResources:\n  A: {Type: X::Y::Z, P: !Sub B, Q: !If [a, !Ref B]}"
    assert project.resource_types(text) == {"A": "X::Y::Z"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"Parameters": {"A": "x", "B": [1, 2], "C": true}}', {"A": "x", "B": "1,2", "C": "true"}),
        ('[{"ParameterKey": "A", "ParameterValue": "x"}]', {"A": "x"}),
        ('["A=x", "B=y=z"]', {"A": "x", "B": "y=z"}),
        ('{"Parameters": {"VpcId": {"Type": "String"}}}', {}),  # a template in JSON
        ('{"name": "package"}', None),
        ("[]", None),
        ("no json", None),
    ],
)
def test_parameter_files(text: str, values: dict[str, str] | None) -> None:
    assert project.parameters(text) == values


CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"


def test_ids_are_grouped_by_the_file_that_names_them() -> None:
    texts = {
        "parameters/prod.params.json": (
            '{"Parameters": {"V": "vpc-0e27a5c8819d4f63b", "S": "subnet-0a1e58d3c76b942f0", '
            f'"C": "{CERTIFICATE}"}}}}'
        ),
        "parameters/dev.params.json": (
            '{"Parameters": {"S": "subnet-03f1c9a84e7d52b60,subnet-0d85b2e6f094a17c3,subnet-03f1c9a84e7d52b60",'
            ' "G": ["sg-12345678"], "Not": "vpc-short my-vpc-0e27a5c8819d4f63bz"}}'
        ),
        "package.json": '{"Parameters": {"A": "nothing"}}',
        "node_modules/x/a.json": '{"Parameters": {"V": "vpc-0e27a5c8819d4f63b"}}',
    }
    assert project.named_ids(texts, reader(texts)) == [
        project.Named(
            "parameters/dev.params.json",
            subnets=("subnet-03f1c9a84e7d52b60", "subnet-0d85b2e6f094a17c3"),
            security_groups=("sg-12345678",),
        ),
        project.Named(
            "parameters/prod.params.json",
            vpcs=("vpc-0e27a5c8819d4f63b",),
            subnets=("subnet-0a1e58d3c76b942f0",),
            certificates=(CERTIFICATE,),
        ),
    ]


def test_the_example_is_understood() -> None:
    files = [path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*") if path.is_file()]
    texts = [name for name in files if name.endswith((".yml", ".json"))]
    assert (
        project.pipeline_template(texts, lambda name: (EXAMPLE / name).read_text()) == "pipeline.template.yml"
    )
    named = project.named_ids(texts, lambda name: (EXAMPLE / name).read_text())
    assert [(group.file, len(group.vpcs), len(group.subnets)) for group in named] == [
        ("parameters/dev.params.json", 1, 2),
        ("parameters/prod.params.json", 1, 2),
    ]
