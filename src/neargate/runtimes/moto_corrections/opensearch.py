"""OpenSearch Service and the older Elasticsearch Service: what AWS says of a domain besides, of what is not there."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction

_NO_UPDATE: Json = {
    "NewVersion": "",
    "UpdateAvailable": False,
    "Cancellable": False,
    "UpdateStatus": "COMPLETED",
    "Description": "There is no software update available for this domain.",
    "AutomatedUpdateDate": 0.0,
    "OptionalDeployment": True,
}


def _domain(asked: Asked, answer: Json) -> Json:
    status: Json = {
        "ServiceSoftwareOptions": _NO_UPDATE,
        "DomainProcessingStatus": "Active",
        **answer["DomainStatus"],
    }
    older = status.get("ElasticsearchClusterConfig")
    if older:
        nothing = {"ColdStorageOptions": {"Enabled": False}, "WarmEnabled": False}
        status["ElasticsearchClusterConfig"] = {**nothing, **older}
    return {**answer, "DomainStatus": status}


CORRECTIONS: dict[str, Correction] = dict.fromkeys(
    ("CreateDomain", "DescribeDomain", "CreateElasticsearchDomain", "DescribeElasticsearchDomain"), _domain
)
