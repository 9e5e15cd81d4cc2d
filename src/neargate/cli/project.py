"""What a project's files say: its pipeline template, the ids that its parameter files name, its stack's name.

Pure functions over file names and texts. The files are those of the commit that is delivered.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import click
import yaml

PIPELINE_TEMPLATES = ("pipeline.template.yml", "pipeline.template.yaml", "pipeline.template.json")
_TEMPLATE_ENDINGS = (".yml", ".yaml", ".json", ".template")
_PIPELINE = "AWS::CodePipeline::Pipeline"
_ID = re.compile(r"\b(?P<kind>vpc|subnet|sg|fs)-(?:[0-9a-f]{17}|[0-9a-f]{8})\b")
_MEMBERS = {"vpc": "vpcs", "subnet": "subnets", "sg": "security_groups", "fs": "file_systems"}
_CERTIFICATE = re.compile(r"\barn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}\b")

Read = Callable[[str], str]


@attrs.frozen
class Named:
    """The ids of a real account that one parameter file names, in its order."""

    file: str
    vpcs: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    file_systems: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    """ARNs of ACM's."""

    @property
    def ids(self) -> tuple[str, ...]:
        resources = self.vpcs + self.subnets + self.security_groups + self.file_systems
        return resources + self.certificates

    def group(self) -> dict[str, list[str]]:
        """As `POST /_neargate/adopt` takes it."""
        return {
            "vpcs": list(self.vpcs),
            "subnets": list(self.subnets),
            "security_groups": list(self.security_groups),
            "file_systems": list(self.file_systems),
            "certificates": list(self.certificates),
        }


def stack_name(directory: str, settings: Mapping[str, Any]) -> str:
    """`product-service` → `ProductService-Pipeline`, unless neargate.toml names another."""
    configured = settings.get("pipeline-stack")
    if configured:
        return str(configured)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", directory) if word]
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or not name[0].isalpha():
        name = f"Project{name}"
    return f"{name}-Pipeline"


def settings(files: Iterable[str], read: Read) -> Mapping[str, Any]:
    """The `[project]` table of neargate.toml; empty where there is none. Raises ClickException."""
    if "neargate.toml" not in files:
        return {}
    try:
        project = tomllib.loads(read("neargate.toml")).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise click.ClickException(f"neargate.toml cannot be read: {error}") from error
    if not isinstance(project, dict):
        raise click.ClickException("neargate.toml: [project] has to be a table.")
    return project


def pipeline_template(files: Iterable[str], read: Read) -> str:
    """The file with the pipeline: `pipeline.template.*`, else the only template here that declares one.

    Raises ClickException where there is none, or more than one.
    """
    here = [name for name in files if "/" not in name]
    for name in PIPELINE_TEMPLATES:
        if name in here:
            return name
    declaring = [
        name
        for name in here
        if name.endswith(_TEMPLATE_ENDINGS) and _PIPELINE in resource_types(read(name)).values()
    ]
    if len(declaring) == 1:
        return declaring[0]
    if declaring:
        raise click.ClickException(
            f"More than one template declares a pipeline: {', '.join(declaring)}. Name the one to use "
            f"{PIPELINE_TEMPLATES[0]}."
        )
    raise click.ClickException(
        f"No template with an {_PIPELINE} is in the project's commit. neargate up delivers what a pipeline "
        f"describes ({PIPELINE_TEMPLATES[0]}); for one stack without a pipeline: neargate deploy TEMPLATE"
    )


def resource_types(text: str) -> dict[str, str]:
    """Logical ids and types of a template's resources; empty where the text is no template."""
    try:
        document = yaml.load(text, _Shallow)
    except yaml.YAMLError:
        return {}
    resources = document.get("Resources") if isinstance(document, dict) else None
    if not isinstance(resources, dict):
        return {}
    return {
        str(name): str(resource["Type"])
        for name, resource in resources.items()
        if isinstance(resource, dict) and "Type" in resource
    }


class _Shallow(yaml.SafeLoader):
    """Reads templates for their outline: `!Sub` and its kind come out as None, dates stay text."""


def _no_value(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> None:
    return None


_Shallow.add_multi_constructor("!", _no_value)
_Shallow.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parameters(text: str) -> dict[str, str] | None:
    """The parameters of a parameter file, None where the text is none.

    Three forms: `{"Parameters": {name: value}}` (CodePipeline), `[{"ParameterKey", "ParameterValue"}]` (the AWS
    CLI), `["Name=value"]` (the AWS CLI's `deploy`).
    """
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if isinstance(document, dict) and isinstance(document.get("Parameters"), dict):
        return {str(name): _text(value) for name, value in document["Parameters"].items() if _is_value(value)}
    if isinstance(document, list) and document:
        if all(isinstance(item, dict) and "ParameterKey" in item for item in document):
            return {str(item["ParameterKey"]): _text(item.get("ParameterValue", "")) for item in document}
        if all(isinstance(item, str) and "=" in item for item in document):
            return dict(item.split("=", 1) for item in document)
    return None


def _is_value(value: object) -> bool:
    """Templates have a "Parameters" object too; its values are objects."""
    return not isinstance(value, dict)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def named_ids(files: Iterable[str], read: Read) -> list[Named]:
    """What each parameter file of the project names, files without an id left out."""
    named = []
    for file in sorted(files):
        if not file.endswith(".json") or "node_modules/" in file:
            continue
        values = parameters(read(file))
        if not values:
            continue
        found: dict[str, list[str]] = {member: [] for member in _MEMBERS.values()}
        text = "\n".join(values.values())
        for match in _ID.finditer(text):
            members = found[_MEMBERS[match["kind"]]]
            if match.group() not in members:
                members.append(match.group())
        found["certificates"] = list(dict.fromkeys(_CERTIFICATE.findall(text)))
        group = Named(file, **{member: tuple(ids) for member, ids in found.items()})
        if group.ids:
            named.append(group)
    return named
