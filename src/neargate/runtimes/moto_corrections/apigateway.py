"""API Gateway: what AWS leaves out of its answers and what it says besides, tags of everything, Swagger documents."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Addition, Asked, Correction, Preparation

_SCHEMA = "http://json-schema.org/draft-04/schema#"
_DEFAULT_MODELS = {
    "Empty": {"$schema": _SCHEMA, "title": "Empty Schema", "type": "object"},
    "Error": {
        "$schema": _SCHEMA,
        "title": "Error Schema",
        "type": "object",
        "properties": {"message": {"type": "string"}},
    },
}
_VERBS = frozenset({"any", "delete", "get", "head", "options", "patch", "post", "put"})


def _backend(asked: Asked) -> Any:
    from moto.apigateway.models import apigateway_backends

    return apigateway_backends[asked.account][asked.region]


def _without_empty(answer: Json, *names: str) -> Json:
    return {
        name: value for name, value in answer.items() if name not in names or value not in ("", {}, [], None)
    }


def _each(member: str, correct: Correction) -> Correction:
    """A correction for every item of a list."""

    def corrected(asked: Asked, answer: Json) -> Json:
        return {**answer, member: [correct(asked, item) for item in answer.get(member) or ()]}

    return corrected


# -- APIs ----------------------------------------------------------------------------------------------------


def _api(asked: Asked, answer: Json) -> Json:
    """moto's version is always `V1`, AWS's the document's; the address type is IPv4 unless told."""
    shown = _without_empty(answer, "binaryMediaTypes", "description", "tags")
    shown.pop("version", None)
    version = getattr(_backend(asked).apis.get(answer["id"]), "neargate_version", None)
    if version is not None:
        shown["version"] = version
    shown["endpointConfiguration"] = {"ipAddressType": "ipv4", **(shown.get("endpointConfiguration") or {})}
    return shown


def _new_api(asked: Asked, answer: Json) -> Json:
    """Every API begins with two models."""
    api = _backend(asked).apis[answer["id"]]
    for name, schema in _DEFAULT_MODELS.items():
        api.add_model(
            name=name,
            description=f"This is a default {name.lower()} schema model",
            schema=json.dumps(schema),
            content_type="application/json",
        )
    return _api(asked, answer)


def _imported(asked: Asked, answer: Json) -> Json:
    """A document brings its version, and where it takes the place of another one a new root resource."""
    api = _backend(asked).apis[answer["id"]]
    api.root_resource_id = api.default.id
    api.neargate_version = ((_parsed(asked.request["body"]) or {}).get("info") or {}).get("version")
    return _api(asked, {**answer, "rootResourceId": api.root_resource_id})


def _document(asked: Asked) -> Json:
    """A document as moto reads it: Swagger 2.0 has the paths where OpenAPI 3 has them, which is all that moto takes."""
    document = _parsed(asked.request["body"])
    if document is None:
        return asked.request
    if str(document.get("swagger", "")).startswith("2"):
        document = {**document, "openapi": "3.0.1"}
        del document["swagger"]
    paths = {path: _methods(item) for path, item in (document.get("paths") or {}).items()}
    body = json.dumps({**document, "paths": paths}).encode()
    return {**asked.request, "body": body}


def _parsed(body: Any) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _methods(item: dict[str, Any]) -> dict[str, Any]:
    named = {"any" if name == "x-amazon-apigateway-any-method" else name: one for name, one in item.items()}
    return {name: one for name, one in named.items() if name in _VERBS}


# -- integrations --------------------------------------------------------------------------------------------


def _integration(asked: Asked, answer: Json) -> Json:
    shown = dict(answer)
    if shown.get("type") != "MOCK":
        shown.setdefault("connectionType", "INTERNET")
    for code, response in (shown.get("integrationResponses") or {}).items():
        shown["integrationResponses"][code] = _without_empty(
            response, "responseTemplates", "responseParameters"
        )
    return shown


def _method(asked: Asked, answer: Json) -> Json:
    if answer.get("methodIntegration"):
        return {**answer, "methodIntegration": _integration(asked, answer["methodIntegration"])}
    return answer


# -- stages --------------------------------------------------------------------------------------------------


def _the_stage(asked: Asked, name: str) -> Any:
    return _backend(asked).apis[asked.request["restApiId"]].stages.get(name)


def _stage(asked: Asked, answer: Json) -> Json:
    shown = {"cacheClusterStatus": "NOT_AVAILABLE", "tracingEnabled": False, **answer}
    kept = _the_stage(asked, answer["stageName"])
    for member in ("createdDate", "lastUpdatedDate"):
        when = getattr(kept, f"neargate_{member}", None)
        if when is not None:
            shown[member] = when
    return _without_empty(shown, "variables", "description", "tags")


def _touched(*members: str) -> Correction:
    """moto does not note when a stage was made and changed: noted here, on its stage."""

    def corrected(asked: Asked, answer: Json) -> Json:
        kept = _the_stage(asked, answer["stageName"])
        for member in members:
            setattr(kept, f"neargate_{member}", float(int(time.time())))
        return _stage(asked, answer)

    return corrected


def _deployed(asked: Asked, answer: Json) -> Json:
    """A deployment with a stage's name made that stage."""
    name = asked.request.get("stageName")
    if name:
        kept = _the_stage(asked, name)
        kept.neargate_createdDate = kept.neargate_lastUpdatedDate = float(int(time.time()))
    return answer


def _deletable(asked: Asked) -> Json:
    """moto holds a deployment for in use while the stage that it once made exists, wherever that stage has moved."""
    api = _backend(asked).apis.get(asked.request["restApiId"])
    deployment = None if api is None else api.deployments.get(asked.request["deploymentId"])
    if api is not None and deployment is not None:
        stage = api.stages.get(deployment.stage_name)
        if stage is not None and stage.deployment_id != deployment.id:
            deployment.stage_name = None
        users = [name for name, one in api.stages.items() if one.deployment_id == deployment.id]
        if users:
            deployment.stage_name = users[0]
    return asked.request


# -- plans ---------------------------------------------------------------------------------------------------


def _plan(asked: Asked, answer: Json) -> Json:
    shown = _without_empty(answer, "description", "throttle", "tags")
    quota = shown.get("quota")
    if quota:
        numbers = {name: int(quota[name]) for name in ("limit", "offset") if name in quota}
        shown["quota"] = {"offset": 0, **quota, **numbers}
    return shown


# -- tags ----------------------------------------------------------------------------------------------------


def _tagged(asked: Asked) -> Any:
    """The object of moto's that an ARN names. Raises AwsError (NotFoundException)."""
    backend = _backend(asked)
    kind, _, rest = asked.request["resourceArn"].partition("::/")[2].partition("/")
    name, _, stage = rest.partition("/stages/")
    places: dict[str, Any] = {
        "restapis": backend.apis,
        "apikeys": backend.keys,
        "usageplans": backend.usage_plans,
        "domainnames": backend.domain_names,
    }
    found = places.get(kind, {}).get(name)
    if found is not None and stage:
        found = found.stages.get(stage)
    if found is None:
        raise AwsError("NotFoundException", "Invalid resource identifier specified", status=404)
    return found


def _tag(asked: Asked) -> Json:
    found = _tagged(asked)
    found.tags = {**(found.tags or {}), **asked.request["tags"]}
    return {}


def _untag(asked: Asked) -> Json:
    found = _tagged(asked)
    gone = asked.request["tagKeys"]
    found.tags = {name: value for name, value in (found.tags or {}).items() if name not in gone}
    return {}


def _tags(asked: Asked) -> Json:
    return {"tags": dict(_tagged(asked).tags or {})}


def _for(names: Iterable[str], correct: Callable[..., Any]) -> dict[str, Any]:
    return dict.fromkeys(names, correct)


PREPARATIONS: dict[str, Preparation] = {
    "DeleteDeployment": _deletable,
    "ImportRestApi": _document,
    "PutRestApi": _document,
}
CORRECTIONS: dict[str, Correction] = {
    **_for(("CreateRestApi", "ImportRestApi"), _new_api),
    **_for(("GetRestApi", "UpdateRestApi"), _api),
    "PutRestApi": _imported,
    "GetRestApis": _each("items", _api),
    **_for(("GetIntegration", "PutIntegration"), _integration),
    "GetMethod": _method,
    "CreateStage": _touched("createdDate", "lastUpdatedDate"),
    "UpdateStage": _touched("lastUpdatedDate"),
    "GetStage": _stage,
    "GetStages": _each("item", _stage),
    "CreateDeployment": _deployed,
    **_for(("CreateUsagePlan", "GetUsagePlan", "UpdateUsagePlan"), _plan),
    "GetUsagePlans": _each("items", _plan),
}
ADDITIONS: dict[str, Addition] = {"TagResource": _tag, "UntagResource": _untag, "GetTags": _tags}
