"""AWS::ApiGateway's types, as stacks make, change and remove them, over the API Gateway that moto answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.stacks import Stacks

pytest.importorskip("openapi_spec_validator", reason="moto's API Gateway needs the extra moto[apigateway]")
pytestmark = pytest.mark.anyio


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGateway::{kind}", "Properties": properties}


API = {"Ref": "Api"}
ROOT = {"Fn::GetAtt": ["Api", "RootResourceId"]}


def api(**more: Any) -> dict[str, Any]:
    return resource("RestApi", Name="shop", **more)


def method(**more: Any) -> dict[str, Any]:
    given = {"HttpMethod": "GET", "Integration": {"Type": "MOCK"}, **more}
    return resource("Method", RestApiId=API, ResourceId=ROOT, **given)


def deployment(**more: Any) -> dict[str, Any]:
    return resource("Deployment", RestApiId=API, **more) | {"DependsOn": "Get"}


async def the_api(stacks: Stacks) -> dict[str, Any]:
    (found,) = (await stacks.call("apigateway", "GetRestApis"))["items"]
    return dict(found)


def own(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


async def test_an_api_changes_in_place_and_goes(stacks: Stacks) -> None:
    policy = {"Version": "2012-10-17", "Statement": []}
    full = api(
        Description="one",
        BinaryMediaTypes=["image/png", "image/gif"],
        EndpointConfiguration={"Types": ["REGIONAL"]},
        Policy=policy,
        Tags=[{"Key": "a", "Value": "1"}],
    )
    await stacks.make(Api=full)
    found = await the_api(stacks)
    assert (found["name"], found["description"], found["binaryMediaTypes"]) == (
        "shop",
        "one",
        ["image/png", "image/gif"],
    )
    assert json.loads(found["policy"]) == policy
    assert found["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert own(found["tags"]) == {"a": "1"}
    await stacks.change(Api=api(BinaryMediaTypes=["image/gif"], Tags=[{"Key": "a", "Value": "1"}]))
    changed = await the_api(stacks)
    assert changed["id"] == found["id"] == await stacks.physical("Api")
    assert (changed.get("description", ""), changed["binaryMediaTypes"]) == ("", ["image/gif"])
    await stacks.change(Api=api(Tags=[{"Key": "b", "Value": "2"}]))
    assert own((await the_api(stacks))["tags"]) == {"b": "2"}
    await stacks.remove()
    assert (await stacks.call("apigateway", "GetRestApis"))["items"] == []


OPENAPI = {
    "openapi": "3.0.1",
    "info": {"title": "imported", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "responses": {"200": {"description": "ok"}},
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "uri": "http://a.example",
                    "httpMethod": "POST",
                },
            }
        }
    },
}


async def paths(stacks: Stacks) -> list[str]:
    name = await stacks.physical("Api")
    found = await stacks.call("apigateway", "GetResources", restApiId=name)
    return sorted(one["path"] for one in found["items"])


async def test_an_api_is_made_of_a_document_and_named_by_its_title(stacks: Stacks) -> None:
    await stacks.make(Api=resource("RestApi", Body=OPENAPI))
    assert (await the_api(stacks))["name"] == "imported"
    assert await paths(stacks) == ["/", "/pets"]
    root = (await the_api(stacks))["rootResourceId"]
    said = await stacks.outputs({"Api": resource("RestApi", Body=OPENAPI)}, Root=ROOT)
    assert (said["Root"], (await the_api(stacks))["version"]) == (root, "1")
    renamed = {**OPENAPI, "paths": {"/cats": OPENAPI["paths"]["/pets"]}}  # type: ignore[index]
    await stacks.change(Api=resource("RestApi", Body=renamed))
    assert await paths(stacks) == ["/", "/cats"]


async def test_the_document_may_lie_in_s3(stacks: Stacks) -> None:
    await stacks.call("s3", "CreateBucket", Bucket="docs")
    await stacks.call("s3", "PutObject", Bucket="docs", Key="api.json", Body=json.dumps(OPENAPI).encode())
    await stacks.make(Api=resource("RestApi", BodyS3Location={"Bucket": "docs", "Key": "api.json"}))
    assert await paths(stacks) == ["/", "/pets"]


async def test_a_method_with_its_model_and_validator(stacks: Stacks) -> None:
    def model(kind: str) -> dict[str, Any]:
        return resource("Model", RestApiId=API, Name="Pet", Schema={"type": kind})

    def validator(body: bool) -> dict[str, Any]:
        return resource("RequestValidator", RestApiId=API, Name="v", ValidateRequestBody=body)

    def post(code: str) -> dict[str, Any]:
        response = {"StatusCode": code, "ResponseTemplates": {"application/json": "{}"}}
        return resource(
            "Method",
            RestApiId=API,
            ResourceId={"Ref": "Pets"},
            HttpMethod="POST",
            RequestModels={"application/json": {"Ref": "Pet"}},
            RequestParameters={"method.request.path.id": "true"},
            RequestValidatorId={"Ref": "Check"},
            MethodResponses=[{"StatusCode": code}],
            Integration={"Type": "MOCK", "IntegrationResponses": [response]},
        )

    pets = resource("Resource", RestApiId=API, ParentId=ROOT, PathPart="pets")
    await stacks.make(Api=api(), Pets=pets, Pet=model("object"), Check=validator(True), Post=post("200"))
    template = {
        "Api": api(),
        "Pets": pets,
        "Pet": model("array"),
        "Check": validator(False),
        "Post": post("201"),
    }
    said = await stacks.outputs(
        template,
        Resource={"Fn::GetAtt": ["Pets", "ResourceId"]},
        Validator={"Fn::GetAtt": ["Check", "RequestValidatorId"]},
    )
    name = await stacks.physical("Api")
    assert await stacks.physical("Post") == f"{name}|{said['Resource']}|POST"
    found = await stacks.call(
        "apigateway", "GetMethod", restApiId=name, resourceId=said["Resource"], httpMethod="POST"
    )
    assert found["requestValidatorId"] == said["Validator"]
    assert found["requestParameters"] == {"method.request.path.id": True}
    assert list(found["methodResponses"]) == ["201"]
    assert found["methodIntegration"]["integrationResponses"]["201"]["statusCode"] == "201"
    assert found["methodIntegration"]["cacheNamespace"] == said["Resource"]
    kept = await stacks.call("apigateway", "GetModel", restApiId=name, modelName="Pet")
    assert json.loads(kept["schema"]) == {"type": "array"}
    check = await stacks.call(
        "apigateway", "GetRequestValidator", restApiId=name, requestValidatorId=said["Validator"]
    )
    assert check["validateRequestBody"] is False
    await stacks.remove()


async def test_a_stage_is_patched(stacks: Stacks) -> None:
    def stage(**more: Any) -> dict[str, Any]:
        return resource("Stage", RestApiId=API, StageName="live", DeploymentId={"Ref": "First"}, **more)

    base = {"Api": api(), "Get": method(), "First": deployment()}
    setting = {"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO", "MetricsEnabled": True}
    log = {
        "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:api:*",
        "Format": "$context.requestId",
    }
    await stacks.make(**base, Stage=stage(Variables={"a": "1", "b": "1"}, AccessLogSetting=log))
    name = await stacks.physical("Api")
    found = await stacks.call("apigateway", "GetStage", restApiId=name, stageName="live")
    assert found["accessLogSettings"] == {
        "destinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:api",
        "format": "$context.requestId",
    }
    more = {"Description": "two", "MethodSettings": [setting], "TracingEnabled": "true"}
    await stacks.change(**base, Stage=stage(Variables={"b": "2"}, Tags=[{"Key": "t", "Value": "1"}], **more))
    found = await stacks.call("apigateway", "GetStage", restApiId=name, stageName="live")
    assert (found["variables"], found["description"], found["tracingEnabled"]) == ({"b": "2"}, "two", True)
    assert found["methodSettings"]["*/*"]["loggingLevel"] == "INFO"
    assert found["methodSettings"]["*/*"]["metricsEnabled"] is True
    assert not found.get("accessLogSettings")
    assert await stacks.physical("Stage") == "live"
    await stacks.remove()


async def test_a_stage_moves_to_the_deployment_that_replaces_the_old_one(stacks: Stacks) -> None:
    base = {"Api": api(), "Get": method()}
    await stacks.make(**base, First=deployment(StageName="live"))
    name = await stacks.physical("Api")
    await stacks.change(**base, Second=deployment(StageName="live"))
    found = await stacks.call("apigateway", "GetStage", restApiId=name, stageName="live")
    assert found["deploymentId"] == await stacks.physical("Second")
    await stacks.change(**base)
    with pytest.raises(AwsError):
        await stacks.call("apigateway", "GetStage", restApiId=name, stageName="live")


async def test_a_plan_with_a_key(stacks: Stacks) -> None:
    stage = resource("Stage", RestApiId=API, StageName="live", DeploymentId={"Ref": "First"})
    base = {"Api": api(), "Get": method(), "First": deployment(), "Stage": stage}
    key = resource("ApiKey", Name="k", Enabled="true", Value="0123456789abcdefghijklmn")
    link = resource("UsagePlanKey", KeyId={"Ref": "Key"}, KeyType="API_KEY", UsagePlanId={"Ref": "Plan"})

    def plan(limit: int, *stages: Any) -> dict[str, Any]:
        quota = {"Limit": limit, "Period": "MONTH"}
        return resource("UsagePlan", UsagePlanName="gold", Quota=quota, ApiStages=list(stages))

    one = {"ApiId": API, "Stage": {"Ref": "Stage"}}
    await stacks.make(**base, Key=key, Plan=plan(10, one), Link=link)
    name = await stacks.physical("Plan")
    assert await stacks.physical("Link") == f"{await stacks.physical('Key')}:{name}"
    await stacks.change(**base, Key=key, Plan=plan(20), Link=link)
    found = await stacks.call("apigateway", "GetUsagePlan", usagePlanId=name)
    assert (int(found["quota"]["limit"]), found["apiStages"]) == (20, [])
    await stacks.change(**base, Key=key, Plan=plan(20, one), Link=link)
    keys = await stacks.call("apigateway", "GetUsagePlanKeys", usagePlanId=name)
    assert [each["value"] for each in keys["items"]] == ["0123456789abcdefghijklmn"]
    await stacks.remove()
    assert (await stacks.call("apigateway", "GetUsagePlans"))["items"] == []


async def test_a_domain_leads_to_an_api(stacks: Stacks) -> None:
    arn = (await stacks.call("acm", "RequestCertificate", DomainName="shop.example"))["CertificateArn"]
    stage = resource("Stage", RestApiId=API, StageName="live", DeploymentId={"Ref": "First"})
    domain = resource("DomainName", DomainName="shop.example", CertificateArn=arn)
    mapping = resource("BasePathMapping", DomainName={"Ref": "Domain"}, RestApiId=API, Stage={"Ref": "Stage"})
    base = {"Api": api(), "Get": method(), "First": deployment(), "Stage": stage, "Domain": domain}
    await stacks.make(**base, Path=mapping)
    said = await stacks.outputs(
        {**base, "Path": mapping}, Where={"Fn::GetAtt": ["Domain", "DistributionDomainName"]}
    )
    assert said["Where"].endswith(".cloudfront.net")
    assert await stacks.physical("Path") == "shop.example|(none)"
    await stacks.remove()
    assert (await stacks.call("apigateway", "GetDomainNames"))["items"] == []


async def test_an_authorizer_a_gateway_response_and_the_account(stacks: Stacks) -> None:
    def authorizer(source: str) -> dict[str, Any]:
        return resource(
            "Authorizer",
            RestApiId=API,
            Name="pool",
            Type="COGNITO_USER_POOLS",
            IdentitySource=f"method.request.header.{source}",
            ProviderARNs=["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"],
        )

    def response(code: str) -> dict[str, Any]:
        return resource("GatewayResponse", RestApiId=API, ResponseType="DEFAULT_4XX", StatusCode=code)

    role = "arn:aws:iam::000000000000:role/logs"
    account = resource("Account", CloudWatchRoleArn=role)
    await stacks.make(Api=api(), Pool=authorizer("A"), Wrong=response("400"), Account=account)
    await stacks.change(Api=api(), Pool=authorizer("B"), Wrong=response("404"), Account=account)
    name, pool = await stacks.physical("Api"), await stacks.physical("Pool")
    found = await stacks.call("apigateway", "GetAuthorizer", restApiId=name, authorizerId=pool)
    assert found["identitySource"] == "method.request.header.B"
    wrong = await stacks.call("apigateway", "GetGatewayResponse", restApiId=name, responseType="DEFAULT_4XX")
    assert wrong["statusCode"] == "404"
    assert (await stacks.call("apigateway", "GetAccount"))["cloudwatchRoleArn"] == role
    await stacks.remove()
    assert (await stacks.call("apigateway", "GetAccount"))["cloudwatchRoleArn"] == role


async def test_a_swagger_document_with_any_method(stacks: Stacks) -> None:
    integration = {"type": "http_proxy", "uri": "http://a.example", "httpMethod": "ANY"}
    item = {
        "parameters": [{"name": "id", "in": "query"}],
        "x-amazon-apigateway-any-method": {"responses": {}, "x-amazon-apigateway-integration": integration},
    }
    document = {"swagger": 2.0, "info": {"title": "old", "version": "7"}, "paths": {"/pets": item}}
    await stacks.make(Api=resource("RestApi", Body=document))
    name = await stacks.physical("Api")
    found = await stacks.call("apigateway", "GetResources", restApiId=name)
    (pets,) = [one for one in found["items"] if one["path"] == "/pets"]
    assert list(pets["resourceMethods"]) == ["ANY"]
    models = await stacks.call("apigateway", "GetModels", restApiId=name)
    assert sorted(model["name"] for model in models["items"]) == ["Empty", "Error"]


async def test_what_is_tagged_says_so(stacks: Stacks) -> None:
    await stacks.make(Api=api(Tags=[{"Key": "a", "Value": "1"}]))
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{await stacks.physical('Api')}"
    assert own((await stacks.call("apigateway", "GetTags", resourceArn=arn))["tags"]) == {"a": "1"}
    with pytest.raises(AwsError, match="Invalid resource identifier specified"):
        await stacks.call("apigateway", "GetTags", resourceArn=f"{arn}/stages/none")
