"""Tags, in the three spellings that AWS services use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Tags = dict[str, str]


def from_list(items: Iterable[Mapping[str, str]] | None) -> Tags:
    """`[{"Key": k, "Value": v}]` or `[{"key": k, "value": v}]` to a dict."""
    return {i.get("Key", i.get("key", "")): i.get("Value", i.get("value", "")) or "" for i in items or ()}


def upper(tags: Tags) -> list[dict[str, str]]:
    """`[{"Key": k, "Value": v}]`: EC2, IAM, CloudFormation, S3, ECR, ELB."""
    return [{"Key": k, "Value": v} for k, v in tags.items()]


def lower(tags: Tags) -> list[dict[str, str]]:
    """`[{"key": k, "value": v}]`: ECS, CodeBuild, CodePipeline."""
    return [{"key": k, "value": v} for k, v in tags.items()]
