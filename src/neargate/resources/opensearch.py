"""AWS::OpenSearchService::Domain and AWS::Elasticsearch::Domain, over what moto answers. No engine runs."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, document, errors_of, pick
from neargate.resources.tagging import Tagging

_SHARED = (
    "AccessPolicies AdvancedOptions AdvancedSecurityOptions CognitoOptions DomainEndpointOptions EBSOptions "
    "EncryptionAtRestOptions LogPublishingOptions NodeToNodeEncryptionOptions SnapshotOptions VPCOptions"
).split()


@attrs.frozen
class _Api:
    """One of the two APIs for the same domains. `cluster` and `version` are what each calls those properties."""

    service: str
    create: str
    update: str
    describe: str
    delete: str
    cluster: str
    version: str
    more: tuple[str, ...] = ()

    @property
    def changeable(self) -> list[str]:
        return [*_SHARED, *self.more, self.cluster]

    @property
    def tagging(self) -> Tagging:
        return Tagging(self.service, "ARN", tags="TagList", tag="AddTags", untag="RemoveTags")


_OPENSEARCH = _Api(
    service="opensearch",
    create="CreateDomain",
    update="UpdateDomainConfig",
    describe="DescribeDomain",
    delete="DeleteDomain",
    cluster="ClusterConfig",
    version="EngineVersion",
    more=("OffPeakWindowOptions", "SoftwareUpdateOptions"),
)
_ELASTICSEARCH = _Api(
    service="es",
    create="CreateElasticsearchDomain",
    update="UpdateElasticsearchDomainConfig",
    describe="DescribeElasticsearchDomain",
    delete="DeleteElasticsearchDomain",
    cluster="ElasticsearchClusterConfig",
    version="ElasticsearchVersion",
)


def _options(api: _Api, properties: Json) -> dict[str, Any]:
    given = pick(properties, api.changeable)
    if "AccessPolicies" in given:
        given["AccessPolicies"] = document(given["AccessPolicies"])
    return given


def _domain(type_name: str, api: _Api) -> ResourceType:
    def create(want: Desired) -> Steps[Identity]:
        request = {**_options(api, want.properties), **pick(want.properties, (api.version,))}
        tags: Json = api.tagging.at_create(want) if api is _OPENSEARCH else {}
        answer = yield call(api.service, api.create, request, DomainName=want.name, **tags)
        if api is not _OPENSEARCH and want.all_tags:  # the older API takes no tags with the creation
            arn, tags = answer["DomainStatus"]["ARN"], api.tagging.at_create(want)
            yield Call(api.service, "AddTags", {"ARN": arn, **tags})
        return Identity(want.name or "")

    def update(old: Existing, want: Desired) -> Steps[None]:
        was, now = _options(api, old.desired.properties), _options(api, want.properties)
        changes = {name: value for name, value in now.items() if value != was.get(name)}
        if api is _ELASTICSEARCH and api.cluster in changes:
            raise not_implemented(
                "es: another ElasticsearchClusterConfig of a domain (moto keeps the first)", "es"
            )
        if changes:
            yield call(api.service, api.update, changes, DomainName=old.id)
        version = want.properties.get(api.version)
        if version is not None and version != old.desired.properties.get(api.version):
            target = {"DomainName": old.id, "TargetVersion": version}
            yield Call(api.service, f"Upgrade{api.create.removeprefix('Create')}", target)
        yield from api.tagging.change(old, want, _arn(want, old.id))

    def read(existing: Existing) -> Steps[Json]:
        status = (yield Call(api.service, api.describe, {"DomainName": existing.id}))["DomainStatus"]
        return {
            "Arn": status["ARN"],
            "DomainArn": status["ARN"],
            "DomainEndpoint": status.get("Endpoint") or (status.get("Endpoints") or {}).get("vpc", ""),
            "DomainEndpoints": status.get("Endpoints") or {},
            "Id": status["DomainId"],
        }

    def delete(existing: Existing) -> Steps[None]:
        yield Call(api.service, api.delete, {"DomainName": existing.id})

    return ResourceType(
        type=type_name,
        honoured=frozenset({*api.changeable, api.version, "DomainName", "Tags"}),
        naming=Naming("DomainName", max_length=28, style="lower"),
        create=create,
        read=read,
        update=update,
        delete=delete,
        error=errors_of("OpenSearch" if api is _OPENSEARCH else "Elasticsearch"),
    )


def _arn(want: Desired, name: str) -> str:
    return f"arn:aws:es:{want.region}:{want.account}:domain/{name}"


TYPES = by_name(
    _domain("AWS::OpenSearchService::Domain", _OPENSEARCH),
    _domain("AWS::Elasticsearch::Domain", _ELASTICSEARCH),
)
