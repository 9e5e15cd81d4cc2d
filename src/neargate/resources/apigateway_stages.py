"""AWS::ApiGateway: Deployment and Stage, and who may use them: ApiKey, UsagePlan, UsagePlanKey; where they answer:
DomainName, BasePathMapping; Account."""

from __future__ import annotations

from neargate.model.errors import AwsError, not_implemented
from neargate.model.records import Json
from neargate.planners.physical_names import physical_name
from neargate.resources.apigateway_apis import ERROR, TAGS, api_of, patch, replaced
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, changed, missing_is_fine, pick, without

_MISSING = "NotFoundException"
_STAGE_SWITCHES = ("CacheClusterEnabled", "CacheClusterSize", "TracingEnabled", "Variables")
_STAGE_DESCRIPTION = frozenset({*_STAGE_SWITCHES, "Description"})


# -- deployment ----------------------------------------------------------------------------------------------


def _create_deployment(want: Desired) -> Steps[Identity]:
    """With a stage's name, that stage too is made, or moved to this deployment."""
    p = want.properties
    stage = p.get("StageDescription") or {}
    for name in stage:
        if name not in _STAGE_DESCRIPTION:
            raise not_implemented(f"apigateway: a deployment's StageDescription.{name}", "apigateway")
    request: Json = pick(p, ("Description", "RestApiId", "StageName"))
    if "StageName" in p:
        request.update(pick(stage, _STAGE_SWITCHES))
        if "Description" in stage:
            request["StageDescription"] = stage["Description"]
    answer = yield call("apigateway", "CreateDeployment", request)
    return Identity(answer["id"])


def _update_deployment(old: Existing, want: Desired) -> Steps[None]:
    """Only what stands around a deployment can change; what it deployed stays."""
    if changed(old.desired.properties, want.properties, "StageName", "StageDescription"):
        raise AwsError(
            "InvalidRequest", "The stage of a deployment cannot be changed: give it another logical id."
        )
    yield from ()


def _read_deployment(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetDeployment", {**api_of(existing), "deploymentId": existing.id})
    return {"DeploymentId": existing.id}


def _delete_deployment(existing: Existing) -> Steps[None]:
    """A stage that this deployment made and that still shows it goes first; one that was moved on stays."""
    name = existing.desired.properties.get("StageName")
    if name is not None:
        look = Call("apigateway", "GetStage", {**api_of(existing), "stageName": name})
        stage = yield from missing_is_fine(look, _MISSING)
        if stage.get("deploymentId") == existing.id:
            yield Call("apigateway", "DeleteStage", {**api_of(existing), "stageName": name})
    yield Call("apigateway", "DeleteDeployment", {**api_of(existing), "deploymentId": existing.id})


# -- stage ---------------------------------------------------------------------------------------------------

_STAGE = ("DeploymentId", "Description", "DocumentationVersion", *_STAGE_SWITCHES)
_METHOD_SETTINGS = {
    "CacheDataEncrypted": "caching/dataEncrypted",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}


def _create_stage(want: Desired) -> Steps[Identity]:
    name = want.name or ""
    given = {**api_of(want), **pick(want.properties, _STAGE)}
    yield call("apigateway", "CreateStage", given, stageName=name, **TAGS.at_create(want))
    yield from _patch_stage(want, name, _settings({}, want.properties))
    return Identity(name)


def _patch_stage(want: Desired, name: str, patches: list[Json]) -> Steps[None]:
    if patches:
        request = {**api_of(want), "stageName": name, "patchOperations": patches}
        yield Call("apigateway", "UpdateStage", request)


def _settings(was: Json, now: Json) -> list[Json]:
    """What a stage has besides its creation's members: access logs and settings of its methods."""
    patches: list[Json] = []
    log = now.get("AccessLogSetting")
    if log != was.get("AccessLogSetting"):
        if not log:
            patches.append(patch("remove", "/accessLogSettings"))
        for name, member in (("DestinationArn", "destinationArn"), ("Format", "format")):
            if log and name in log:
                value = str(log[name]).removesuffix(":*")
                patches.append(patch("replace", f"/accessLogSettings/{member}", value))
    if now.get("MethodSettings") != was.get("MethodSettings"):
        for setting in now.get("MethodSettings") or ():
            path = str(setting.get("ResourcePath", "/*")).removeprefix("/").replace("/", "~1") or "~1"
            where = f"/{path}/{setting.get('HttpMethod', '*')}"
            patches += [
                patch("replace", f"{where}/{tail}", setting[name])
                for name, tail in _METHOD_SETTINGS.items()
                if name in setting
            ]
    return patches


def _update_stage(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    paths = {
        "CacheClusterEnabled": "/cacheClusterEnabled",
        "CacheClusterSize": "/cacheClusterSize",
        "DeploymentId": "/deploymentId",
        "Description": "/description",
        "TracingEnabled": "/tracingEnabled",
    }
    defaults = {"CacheClusterEnabled": False, "Description": "", "TracingEnabled": False}
    patches = replaced({**defaults, **was}, {**defaults, **now}, paths)
    before, after = was.get("Variables") or {}, now.get("Variables") or {}
    patches += [patch("remove", f"/variables/{name}") for name in before if name not in after]
    patches += [
        patch("replace", f"/variables/{name}", value)
        for name, value in after.items()
        if before.get(name) != value
    ]
    yield from _patch_stage(want, old.id, patches + _settings(was, now))
    api = want.properties["RestApiId"]
    yield from TAGS.change(old, want, f"arn:aws:apigateway:{want.region}::/restapis/{api}/stages/{old.id}")


def _read_stage(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetStage", {**api_of(existing), "stageName": existing.id})
    return {}


def _delete_stage(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteStage", {**api_of(existing), "stageName": existing.id})


# -- key -----------------------------------------------------------------------------------------------------


def _create_key(want: Desired) -> Steps[Identity]:
    given = {"Enabled": False, **without(want.properties, "Name", "Tags")}
    answer = yield call("apigateway", "CreateApiKey", given, name=want.name, **TAGS.at_create(want))
    return Identity(answer["id"])


def _update_key(old: Existing, want: Desired) -> Steps[None]:
    paths = {"CustomerId": "/customerId", "Description": "/description", "Enabled": "/enabled"}
    defaults = {"CustomerId": "", "Description": "", "Enabled": False}
    patches = replaced({**defaults, **old.desired.properties}, {**defaults, **want.properties}, paths)
    if patches:
        yield Call("apigateway", "UpdateApiKey", {"apiKey": old.id, "patchOperations": patches})
    yield from TAGS.change(old, want, f"arn:aws:apigateway:{want.region}::/apikeys/{old.id}")


def _read_key(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetApiKey", {"apiKey": existing.id})
    return {"APIKeyId": existing.id}


def _delete_key(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteApiKey", {"apiKey": existing.id})


# -- usage plan ----------------------------------------------------------------------------------------------

_PLAN_PATHS = {"Description": "/description", "UsagePlanName": "/name"}


def _create_plan(want: Desired) -> Steps[Identity]:
    given = without(want.properties, "Tags", "UsagePlanName")
    answer = yield call("apigateway", "CreateUsagePlan", given, name=want.name, **TAGS.at_create(want))
    return Identity(answer["id"])


def _update_plan(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    patches = replaced({"Description": "", **was}, {"Description": "", **now}, _PLAN_PATHS)
    for name, path in (("Quota", "/quota"), ("Throttle", "/throttle")):
        if was.get(name) != now.get(name):
            limits = now.get(name) or {}
            patches += [] if limits else [patch("remove", path)]
            patches += [patch("replace", f"{path}/{key[0].lower()}{key[1:]}", limits[key]) for key in limits]
    before, after = (_stages(each) for each in (was, now))
    patches += [patch("remove", "/apiStages", stage) for stage in before if stage not in after]
    patches += [patch("add", "/apiStages", stage) for stage in after if stage not in before]
    if patches:
        yield Call("apigateway", "UpdateUsagePlan", {"usagePlanId": old.id, "patchOperations": patches})
    yield from TAGS.change(old, want, f"arn:aws:apigateway:{want.region}::/usageplans/{old.id}")


def _stages(properties: Json) -> list[str]:
    return [f"{stage['ApiId']}:{stage['Stage']}" for stage in properties.get("ApiStages") or ()]


def _read_plan(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetUsagePlan", {"usagePlanId": existing.id})
    return {"Id": existing.id}


def _delete_plan(existing: Existing) -> Steps[None]:
    stages = [patch("remove", "/apiStages", stage) for stage in _stages(existing.desired.properties)]
    if stages:  # a plan with stages cannot be deleted
        yield Call("apigateway", "UpdateUsagePlan", {"usagePlanId": existing.id, "patchOperations": stages})
    yield Call("apigateway", "DeleteUsagePlan", {"usagePlanId": existing.id})


def _create_plan_key(want: Desired) -> Steps[Identity]:
    answer = yield call("apigateway", "CreateUsagePlanKey", want.properties)
    return Identity(f"{answer['id']}:{want.properties['UsagePlanId']}")


def _read_plan_key(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_plan_key(existing: Existing) -> Steps[None]:
    p = existing.desired.properties
    request = {"usagePlanId": p["UsagePlanId"], "keyId": p["KeyId"]}
    yield from missing_is_fine(Call("apigateway", "DeleteUsagePlanKey", request), _MISSING)


# -- account -------------------------------------------------------------------------------------------------


def _put_account(want: Desired) -> Steps[None]:
    role = want.properties.get("CloudWatchRoleArn", "")
    request = {"patchOperations": [patch("replace", "/cloudwatchRoleArn", role)]}
    yield Call("apigateway", "UpdateAccount", request)


def _create_account(want: Desired) -> Steps[Identity]:
    yield from _put_account(want)
    return Identity(physical_name("legacy", 128, want.stack_name, want.logical_id, want.token))


def _update_account(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_account(want)


def _read_account(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_account(existing: Existing) -> Steps[None]:
    """The account's settings are the region's, not the stack's: they stay, as on AWS."""
    yield from ()


# -- domain name and base path -------------------------------------------------------------------------------

_DOMAIN = (
    "CertificateArn",
    "DomainName",
    "EndpointConfiguration",
    "RegionalCertificateArn",
    "SecurityPolicy",
)


def _create_domain(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, _DOMAIN)
    yield call("apigateway", "CreateDomainName", given, **TAGS.at_create(want))
    return Identity(want.properties["DomainName"])


def _read_domain(existing: Existing) -> Steps[Json]:
    found = yield Call("apigateway", "GetDomainName", {"domainName": existing.id})
    where = existing.desired
    return {
        "DistributionDomainName": found.get("distributionDomainName", ""),
        "DistributionHostedZoneId": found.get("distributionHostedZoneId", ""),
        "DomainNameArn": f"arn:aws:apigateway:{where.region}::/domainnames/{existing.id}",
        "RegionalDomainName": found.get("regionalDomainName", ""),
        "RegionalHostedZoneId": found.get("regionalHostedZoneId", ""),
    }


def _delete_domain(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteDomainName", {"domainName": existing.id})


def _create_mapping(want: Desired) -> Steps[Identity]:
    yield call("apigateway", "CreateBasePathMapping", want.properties)
    return Identity("|".join(_mapping(want.properties).values()))


def _mapping(properties: Json) -> Json:
    return {
        "domainName": properties["DomainName"],
        "basePath": properties.get("BasePath") or "(none)",
    }


def _update_mapping(old: Existing, want: Desired) -> Steps[None]:
    paths = {"RestApiId": "/restapiId", "Stage": "/stage"}
    patches = replaced(old.desired.properties, want.properties, paths)
    if patches:
        request = {**_mapping(want.properties), "patchOperations": patches}
        yield Call("apigateway", "UpdateBasePathMapping", request)


def _read_mapping(existing: Existing) -> Steps[Json]:
    yield Call("apigateway", "GetBasePathMapping", _mapping(existing.desired.properties))
    return {}


def _delete_mapping(existing: Existing) -> Steps[None]:
    yield Call("apigateway", "DeleteBasePathMapping", _mapping(existing.desired.properties))


TYPES = by_name(
    ResourceType(
        type="AWS::ApiGateway::Deployment",
        honoured=frozenset({"Description", "RestApiId", "StageDescription", "StageName"}),
        create=_create_deployment,
        read=_read_deployment,
        update=_update_deployment,
        delete=_delete_deployment,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Stage",
        honoured=frozenset({*_STAGE, "AccessLogSetting", "MethodSettings", "RestApiId", "StageName", "Tags"}),
        naming=Naming("StageName", max_length=128, unique=False),
        create=_create_stage,
        read=_read_stage,
        update=_update_stage,
        delete=_delete_stage,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::ApiKey",
        honoured=frozenset(
            "CustomerId Description Enabled GenerateDistinctId Name StageKeys Tags Value".split()
        ),
        naming=Naming("Name", max_length=256, unique=False),
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::UsagePlan",
        honoured=frozenset({*_PLAN_PATHS, "ApiStages", "Quota", "Tags", "Throttle"}),
        naming=Naming("UsagePlanName", max_length=256, unique=False),
        create=_create_plan,
        read=_read_plan,
        update=_update_plan,
        delete=_delete_plan,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::UsagePlanKey",
        honoured=frozenset({"KeyId", "KeyType", "UsagePlanId"}),
        create=_create_plan_key,
        read=_read_plan_key,
        delete=_delete_plan_key,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::Account",
        honoured=frozenset({"CloudWatchRoleArn"}),
        create=_create_account,
        read=_read_account,
        update=_update_account,
        delete=_delete_account,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::DomainName",
        honoured=frozenset({*_DOMAIN, "Tags"}),
        create=_create_domain,
        read=_read_domain,
        delete=_delete_domain,
        error=ERROR,
    ),
    ResourceType(
        type="AWS::ApiGateway::BasePathMapping",
        honoured=frozenset({"BasePath", "DomainName", "RestApiId", "Stage"}),
        create=_create_mapping,
        read=_read_mapping,
        update=_update_mapping,
        delete=_delete_mapping,
        error=ERROR,
    ),
)
