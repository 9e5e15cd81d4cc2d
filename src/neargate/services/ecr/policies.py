"""Repository policies and lifecycle policies: checked as JSON, recorded, returned. Neither has effect yet."""

from __future__ import annotations

import json

import attrs

from neargate.model.ecr import Repository
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecr.lookup import require_repository


@operation("ecr", "SetRepositoryPolicy")
def set_repository_policy(cx: Context, request: Json) -> Json:
    repository, text = require_repository(cx, request), request["policyText"]
    policy = _json(text)
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
        )
    cx.tx.put(attrs.evolve(repository, policy=text))
    return _named(repository, policyText=text)


@operation("ecr", "GetRepositoryPolicy", reads=True)
def get_repository_policy(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    return _named(repository, policyText=_policy(repository))


@operation("ecr", "DeleteRepositoryPolicy")
def delete_repository_policy(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    text = _policy(repository)
    cx.tx.put(attrs.evolve(repository, policy=None))
    return _named(repository, policyText=text)


@operation("ecr", "PutLifecyclePolicy")
def put_lifecycle_policy(cx: Context, request: Json) -> Json:
    repository, text = require_repository(cx, request), request["lifecyclePolicyText"]
    policy = _json(text)
    rules = policy.get("rules") if isinstance(policy, dict) else None
    if not isinstance(rules, list) or not rules or not all(map(_is_rule, rules)):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
            "'Lifecycle policy validation failure: every rule needs rulePriority, selection (tagStatus, "
            "countType, countNumber) and action'",
        )
    priorities = [rule["rulePriority"] for rule in rules]
    if len(set(priorities)) != len(priorities):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
            "'Lifecycle policy validation failure: rulePriority must be unique'",
        )
    cx.tx.put(attrs.evolve(repository, lifecycle_policy=text))
    return _named(repository, lifecyclePolicyText=text)


@operation("ecr", "GetLifecyclePolicy", reads=True)
def get_lifecycle_policy(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    return _named(repository, lifecyclePolicyText=_lifecycle_policy(repository))


@operation("ecr", "DeleteLifecyclePolicy")
def delete_lifecycle_policy(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    text = _lifecycle_policy(repository)
    cx.tx.put(attrs.evolve(repository, lifecycle_policy=None))
    return _named(repository, lifecyclePolicyText=text)


def _named(repository: Repository, **members: str) -> Json:
    return {"registryId": repository.account, "repositoryName": repository.name, **members}


def _json(text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return None
    return parsed


def _is_rule(rule: object) -> bool:
    if not isinstance(rule, dict) or not isinstance(rule.get("rulePriority"), int):
        return False
    selection, action = rule.get("selection"), rule.get("action")
    return (
        isinstance(selection, dict)
        and {"tagStatus", "countType", "countNumber"} <= selection.keys()
        and isinstance(action, dict)
        and "type" in action
    )


def _policy(repository: Repository) -> str:
    if repository.policy is None:
        raise AwsError(
            "RepositoryPolicyNotFoundException",
            f"Repository policy does not exist for the repository with name '{repository.name}' "
            f"in the registry with id '{repository.account}'",
        )
    return repository.policy


def _lifecycle_policy(repository: Repository) -> str:
    if repository.lifecycle_policy is None:
        raise AwsError(
            "LifecyclePolicyNotFoundException",
            f"Lifecycle policy does not exist for the repository with name '{repository.name}' "
            f"in the registry with id '{repository.account}'",
        )
    return repository.lifecycle_policy
