"""AWS::Redshift::Cluster, over the Redshift that moto answers: a cluster on paper, no database runs."""

from __future__ import annotations

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
from neargate.resources.shapes import by_name, call, errors_of, pick
from neargate.resources.tagging import Tagging

_TAGS = Tagging("redshift", "ResourceName", tag="CreateTags", untag="DeleteTags")
_CREATED = (
    "AllowVersionUpgrade AutomatedSnapshotRetentionPeriod AvailabilityZone ClusterParameterGroupName "
    "ClusterSecurityGroups ClusterSubnetGroupName ClusterType ClusterVersion DBName Encrypted EnhancedVpcRouting "
    "IamRoles KmsKeyId MasterUserPassword MasterUsername NodeType NumberOfNodes Port PreferredMaintenanceWindow "
    "PubliclyAccessible VpcSecurityGroupIds"
).split()
_MODIFIED = (
    "AllowVersionUpgrade AutomatedSnapshotRetentionPeriod ClusterParameterGroupName ClusterSecurityGroups ClusterType "
    "ClusterVersion Encrypted EnhancedVpcRouting MasterUserPassword NodeType NumberOfNodes PreferredMaintenanceWindow "
    "PubliclyAccessible VpcSecurityGroupIds"
).split()


def _create(want: Desired) -> Steps[Identity]:
    yield call(
        "redshift",
        "CreateCluster",
        pick(want.properties, _CREATED),
        ClusterIdentifier=want.name,
        **_TAGS.at_create(want),
    )
    return Identity(want.name or "")


def _update(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    changes = {name: now[name] for name in _MODIFIED if name in now and now[name] != was.get(name)}
    if changes:
        yield call("redshift", "ModifyCluster", changes, ClusterIdentifier=old.id)
    yield from _TAGS.change(old, want, f"arn:aws:redshift:{want.region}:{want.account}:cluster:{old.id}")


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("redshift", "DescribeClusters", {"ClusterIdentifier": existing.id})
    (cluster,) = answer["Clusters"]
    endpoint = {"Address": cluster["Endpoint"]["Address"], "Port": str(cluster["Endpoint"]["Port"])}
    return {"Endpoint": endpoint, "ClusterNamespaceArn": cluster.get("ClusterNamespaceArn", "")}


def _delete(existing: Existing) -> Steps[None]:
    request = {"ClusterIdentifier": existing.id, "SkipFinalClusterSnapshot": True}
    yield Call("redshift", "DeleteCluster", request)


TYPES = by_name(
    ResourceType(
        type="AWS::Redshift::Cluster",
        honoured=frozenset({*_CREATED, "ClusterIdentifier", "Tags"}),
        naming=Naming("ClusterIdentifier", max_length=63, style="lower"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=errors_of("Redshift", {"ClusterNotFound": "NotFound"}),
    )
)
