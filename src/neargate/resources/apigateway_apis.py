"""AWS::ApiGateway: RestApi and what stands in one: Resource, Method, Model, RequestValidator, Authorizer,
GatewayResponse. Over the API Gateway that moto answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import (
    by_name,
    call,
    changed,
    document,
    errors_of,
    flag,
    missing_is_fine,
    or_undone,
    without,
)
from neargate.resources.tagging import Tagging

ERROR = errors_of("ApiGateway")
TAGS = Tagging("apigateway", "resourceArn", tags="tags", keys="tagKeys", form=dict)


def api_of(subject: Desired | Existing) -> Json:
    """The member that names the API which a resource belongs to."""
    desired = subject.desired if isinstance(subject, Existing) else subject
    return {"restApiId": desired.properties["RestApiId"]}


def patch(op: str, path: str, value: Any = None) -> Json:
    """One patch operation; values travel as text."""
    made: Json = {"op": op, "path": path}
    if value is not None:
        made["value"] = (
            str(value).lower()
            if isinstance(value, bool)
            else document(value)
            if isinstance(value, dict | list)
            else str(value)
        )
    return made


def replaced(was: Json, now: Json, paths: Mapping[str, str]) -> list[Json]:
    """The patches for properties that changed: `paths` maps a property to where the API has it."""
    found = []
    for name, path in paths.items():
        if was.get(name) != now.get(name):
            found.append(patch("replace", path, now[name]) if name in now else patch("remove", path))
    return found


# -- API -----------------------------------------------------------------------------------------------------

_API = ("ApiKeySourceType", "Description", "DisableExecuteApiEndpoint", "EndpointConfiguration")


def _create_api(want: Desired) -> Steps[Identity]:
    p = want.properties
    body = yield from _body(p)
    given: Json = {name: p[name] for name in _API if name in p}
    if "ApiKeySourceType" in given:
        given["apiKeySource"] = given.pop("ApiKeySourceType")
    if "MinimumCompressionSize" in p:
        given["MinimumCompressionSize"] = p["MinimumCompressionSize"]
    if "Policy" in p:
        given["Policy"] = document(p["Policy"])
    answer = yield call("apigateway", "CreateRestApi", given, name=_name(p, body), **TAGS.at_create(want))
    made = Existing(answer["id"], want)
    yield from or_undone(_fill(made, body), _delete_api(made))
    return Identity(made.id)


def _fill(made: Existing, body: bytes | None) -> Steps[None]:
    p = made.desired.properties
    if body is not None:
        yield _import(made.id, p, body, "overwrite")
    types = p.get("BinaryMediaTypes") or []
    if types:
        patches = [
            _media(op, one) for op, one in zip(["replace"] + ["add"] * len(types), types, strict=False)
        ]
        yield Call("apigateway", "UpdateRestApi", {"restApiId": made.id, "patchOperations": patches})


def _media(op: str, media_type: str) -> Json:
    return patch(op, f"/binaryMediaTypes/{media_type.replace('/', '~1')}", media_type)


def _body(properties: Json) -> Steps[bytes | None]:
    """The OpenAPI document, from the template or from S3."""
    if "Body" in properties:
        return json.dumps(properties["Body"]).encode()
    place = properties.get("BodyS3Location")
    if place is None:
        return None
    request: Json = {"Bucket": place["Bucket"], "Key": place["Key"], "Range": "bytes=0-"}
    if "Version" in place:
        request["VersionId"] = place["Version"]
    answer = yield Call("s3", "GetObject", request)
    content: bytes = answer["Body"]
    return content


def _name(properties: Json, body: bytes | None) -> str:
    """The template's name, or the title of the document."""
    if "Name" in properties:
        return str(properties["Name"])
    try:
        title = json.loads(body or b"{}").get("info", {}).get("title")
    except ValueError:
        title = None
    if not title:
        raise AwsError("InvalidRequest", "Invalid request provided: Name is required")
    return str(title)


def _import(api: str, properties: Json, body: bytes, mode: str) -> Call:
    request: Json = {"restApiId": api, "mode": mode, "body": body}
    if "FailOnWarnings" in properties:
        request["failOnWarnings"] = flag(properties["FailOnWarnings"])
    if properties.get("Parameters"):
        request["parameters"] = {name: str(value) for name, value in properties["Parameters"].items()}
    return Call("apigateway", "PutRestApi", request)


def _update_api(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "Body", "BodyS3Location"):
        body = yield from _body(now)
        if body is not None:
            yield _import(old.id, now, body, now.get("Mode", "overwrite"))
    paths = {
        "ApiKeySourceType": "/apiKeySource",
        "Description": "/description",
        "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
        "Name": "/name",
        "Policy": "/policy",
    }
    patches = replaced(was, now, paths)
    before, after = was.get("BinaryMediaTypes") or [], now.get("BinaryMediaTypes") or []
    patches += [_media("add", one) for one in after if one not in before]
    patches += [_media("remove", one) for one in before if one not in after]
    if changed(was, now, "EndpointConfiguration") and now.get("EndpointConfiguration"):
        (kind,) = now["EndpointConfiguration"].get("Types") or ["EDGE"]
        patches.append(patch("replace", "/endpointConfiguration/types/0", kind))
    if patches:
        yield Call("apigateway", "UpdateRestApi", {"restApiId": old.id, "patchOperations": patches})
    yield from TAGS.change(old, want, f"arn:aws:apigateway:{want.region}::/restapis/{old.id}")


def _read_api(existing: Existing) -> Steps[Json]:
    found = yield Call("apigateway", "GetResources", {"restApiId": existing.id})
    root = next(one["id"] for one in found["items"] if one["path"] == "/")
    return {"RestApiId": existing.id, "RootResourceId": root}


def _delete_api(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteRestApi", {"restApiId": existing.id})


# -- resource ------------------------------------------------------------------------------------------------


def _create_resource(want: Desired) -> Steps[Identity]:
    answer = yield call("apigateway", "CreateResource", want.properties)
    return Identity(answer["id"])


def _read_resource(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetResource", {**api_of(existing), "resourceId": existing.id})
    return {"ResourceId": existing.id}


def _delete_resource(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteResource", {**api_of(existing), "resourceId": existing.id})


# -- method: API|RESOURCE|VERB -------------------------------------------------------------------------------


def _names(properties: Json) -> Json:
    return {
        "restApiId": properties["RestApiId"],
        "resourceId": properties["ResourceId"],
        "httpMethod": properties["HttpMethod"],
    }


def _create_method(want: Desired) -> Steps[Identity]:
    names = _names(want.properties)
    yield from or_undone(_put_method(want.properties), _drop_method(names))
    return Identity("|".join(names.values()))


def _put_method(p: Json) -> Steps[None]:
    names = _names(p)
    given = without(p, "Integration", "MethodResponses", "RestApiId", "ResourceId", "HttpMethod")
    yield call("apigateway", "PutMethod", {"AuthorizationType": "NONE", **given}, **names)
    for response in p.get("MethodResponses") or ():
        yield call("apigateway", "PutMethodResponse", response, **names)
    integration = p.get("Integration")
    if integration:
        yield call("apigateway", "PutIntegration", _integration(p["ResourceId"], integration), **names)
        for response in integration.get("IntegrationResponses") or ():
            yield call("apigateway", "PutIntegrationResponse", response, **names)


def _integration(resource: str, given: Json) -> Json:
    """A template's integration; what API Gateway fills in where the template is silent."""
    made = without(given, "IntegrationResponses")
    return {
        "CacheNamespace": resource,
        "TimeoutInMillis": 29000,
        "PassthroughBehavior": "WHEN_NO_MATCH",
        **made,
    }


def _drop_method(names: Json) -> Steps[None]:
    yield from missing_is_fine(Call("apigateway", "DeleteMethod", names), "NotFoundException")


def _update_method(old: Existing, want: Desired) -> Steps[None]:
    yield from _drop_method(_names(want.properties))
    yield from _put_method(want.properties)


def _nothing_to_read(existing: Existing) -> Steps[Json]:
    yield from ()
    return {}


def _delete_method(existing: Existing) -> Steps[None]:
    yield from _drop_method(_names(existing.desired.properties))


# -- model ---------------------------------------------------------------------------------------------------


def _create_model(want: Desired) -> Steps[Identity]:
    p = want.properties
    given: Json = {**without(p, "Name"), "Schema": document(p.get("Schema", {}))}
    yield call("apigateway", "CreateModel", {"ContentType": "application/json", **given}, name=want.name)
    return Identity(want.name or "")


def _update_model(old: Existing, want: Desired) -> Steps[None]:
    """The API that answers cannot change a model: it is made anew under its name."""
    yield Call("apigateway", "DeleteModel", {**api_of(old), "modelName": old.id})
    yield from _create_model(want)


def _delete_model(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteModel", {**api_of(existing), "modelName": existing.id})


# -- request validator ---------------------------------------------------------------------------------------


def _create_validator(want: Desired) -> Steps[Identity]:
    answer = yield call("apigateway", "CreateRequestValidator", want.properties)
    return Identity(answer["id"])


def _update_validator(old: Existing, want: Desired) -> Steps[None]:
    patches = [
        patch("replace", f"/{name[0].lower()}{name[1:]}", flag(want.properties.get(name, False)))
        for name in ("ValidateRequestBody", "ValidateRequestParameters")
    ]
    request = {**api_of(old), "requestValidatorId": old.id, "patchOperations": patches}
    yield Call("apigateway", "UpdateRequestValidator", request)


def _read_validator(existing: Existing) -> Steps[Json]:
    request = {**api_of(existing), "requestValidatorId": existing.id}
    yield Call("apigateway", "GetRequestValidator", request)
    return {"RequestValidatorId": existing.id}


def _delete_validator(existing: Existing) -> Steps[None]:
    request = {**api_of(existing), "requestValidatorId": existing.id}
    yield Call("apigateway", "DeleteRequestValidator", request)


# -- authorizer ----------------------------------------------------------------------------------------------

_AUTHORIZER = {
    "AuthType": "/authType",
    "AuthorizerCredentials": "/authorizerCredentials",
    "AuthorizerResultTtlInSeconds": "/authorizerResultTtlInSeconds",
    "AuthorizerUri": "/authorizerUri",
    "IdentitySource": "/identitySource",
    "IdentityValidationExpression": "/identityValidationExpression",
    "Name": "/name",
    "Type": "/type",
}


def _create_authorizer(want: Desired) -> Steps[Identity]:
    answer = yield call("apigateway", "CreateAuthorizer", want.properties)
    return Identity(answer["id"])


def _update_authorizer(old: Existing, want: Desired) -> Steps[None]:
    patches = replaced(old.desired.properties, want.properties, _AUTHORIZER)
    request = {**api_of(old), "authorizerId": old.id, "patchOperations": patches}
    if patches:
        yield Call("apigateway", "UpdateAuthorizer", request)


def _read_authorizer(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetAuthorizer", {**api_of(existing), "authorizerId": existing.id})
    return {"AuthorizerId": existing.id}


def _delete_authorizer(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteAuthorizer", {**api_of(existing), "authorizerId": existing.id})


# -- gateway response ----------------------------------------------------------------------------------------


def _put_response(want: Desired) -> Steps[None]:
    yield call("apigateway", "PutGatewayResponse", want.properties)


def _create_response(want: Desired) -> Steps[Identity]:
    yield from _put_response(want)
    return Identity(physical_name("legacy", 128, want.stack_name, want.logical_id, want.token))


def _update_response(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_response(want)


def _read_response(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_response(existing: Existing) -> Steps[None]:
    request = {**api_of(existing), "responseType": existing.desired.properties["ResponseType"]}
    yield Call("apigateway", "DeleteGatewayResponse", request)


TYPES = by_name(
    ResourceType(
        type="AWS::ApiGateway::RestApi",
        honoured=frozenset(
            {
                *_API,
                "BinaryMediaTypes",
                "Body",
                "BodyS3Location",
                "FailOnWarnings",
                "MinimumCompressionSize",
                "Mode",
            }
            | {"Name", "Parameters", "Policy", "Tags"}
        ),
        create=_create_api,
        read=_read_api,
        update=_update_api,
        delete=_delete_api,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Resource",
        honoured=frozenset({"ParentId", "PathPart", "RestApiId"}),
        create=_create_resource,
        read=_read_resource,
        delete=_delete_resource,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Method",
        honoured=frozenset(
            "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod Integration MethodResponses "
            "OperationName RequestModels RequestParameters RequestValidatorId ResourceId RestApiId".split()
        ),
        create=_create_method,
        read=_nothing_to_read,
        update=_update_method,
        delete=_delete_method,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Model",
        honoured=frozenset({"ContentType", "Description", "Name", "RestApiId", "Schema"}),
        naming=Naming("Name", max_length=128, unique=False),
        create=_create_model,
        read=_nothing_to_read,
        update=_update_model,
        delete=_delete_model,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::RequestValidator",
        honoured=frozenset({"Name", "RestApiId", "ValidateRequestBody", "ValidateRequestParameters"}),
        create=_create_validator,
        read=_read_validator,
        update=_update_validator,
        delete=_delete_validator,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Authorizer",
        honoured=frozenset({*_AUTHORIZER, "ProviderARNs", "RestApiId"}),
        create=_create_authorizer,
        read=_read_authorizer,
        update=_update_authorizer,
        delete=_delete_authorizer,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::GatewayResponse",
        honoured=frozenset(
            {"ResponseParameters", "ResponseTemplates", "ResponseType", "RestApiId", "StatusCode"}
        ),
        create=_create_response,
        read=_read_response,
        update=_update_response,
        delete=_delete_response,
        error=ERROR,
    ),
)
