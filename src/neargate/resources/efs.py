"""AWS::EFS::FileSystem and AccessPoint, over the EFS that moto answers. Tasks mount them as volumes."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, changed, document, errors_of, or_undone, pick
from neargate.resources.tagging import Tagging

_TAGS = Tagging("efs", "ResourceId")
_GIVEN = (
    "AvailabilityZoneName",
    "Encrypted",
    "KmsKeyId",
    "PerformanceMode",
    "ProvisionedThroughputInMibps",
    "ThroughputMode",
)


# -- file system ---------------------------------------------------------------------------------------------


def _create_system(want: Desired) -> Steps[Identity]:
    backup = (want.properties.get("BackupPolicy") or {}).get("Status") == "ENABLED"
    answer = yield call(
        "efs",
        "CreateFileSystem",
        pick(want.properties, _GIVEN),
        CreationToken=want.token,
        Backup=backup,
        **_TAGS.at_create(want),
    )
    made = Existing(answer["FileSystemId"], want)
    yield from or_undone(_configure(made.id, want), _delete_system(made))
    return Identity(made.id)


def _configure(system: str, want: Desired) -> Steps[None]:
    p = want.properties
    if "LifecyclePolicies" in p:
        yield _lifecycle(system, want)
    if "FileSystemPolicy" in p:
        yield _policy(system, want)


def _lifecycle(system: str, want: Desired) -> Call:
    policies = {"LifecyclePolicies": want.properties.get("LifecyclePolicies") or []}
    return call("efs", "PutLifecycleConfiguration", policies, FileSystemId=system)


def _policy(system: str, want: Desired) -> Call:
    text = document(want.properties["FileSystemPolicy"])
    return Call("efs", "PutFileSystemPolicy", {"FileSystemId": system, "Policy": text})


def _update_system(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "LifecyclePolicies"):
        yield _lifecycle(old.id, want)
    if changed(was, now, "FileSystemPolicy"):
        if "FileSystemPolicy" in now:
            yield _policy(old.id, want)
        else:
            yield Call("efs", "DeleteFileSystemPolicy", {"FileSystemId": old.id})
    if changed(was, now, "BackupPolicy"):
        policy = now.get("BackupPolicy") or {"Status": "DISABLED"}
        yield call("efs", "PutBackupPolicy", {"BackupPolicy": policy}, FileSystemId=old.id)
    throughput = ("ThroughputMode", "ProvisionedThroughputInMibps")
    if changed(was, now, *throughput):
        yield call("efs", "UpdateFileSystem", pick(now, throughput), FileSystemId=old.id)
    yield from _TAGS.change(old, want)


def _read_system(existing: Existing) -> Steps[Json]:
    answer = yield Call("efs", "DescribeFileSystems", {"FileSystemId": existing.id})
    return {"Arn": answer["FileSystems"][0]["FileSystemArn"], "FileSystemId": existing.id}


def _delete_system(existing: Existing) -> Steps[None]:
    yield Call("efs", "DeleteFileSystem", {"FileSystemId": existing.id})


# -- access point --------------------------------------------------------------------------------------------


def _create_point(want: Desired) -> Steps[Identity]:
    p = want.properties
    answer = yield call(
        "efs",
        "CreateAccessPoint",
        pick(p, ("FileSystemId", "PosixUser", "RootDirectory")),
        ClientToken=p.get("ClientToken", want.token),
        **_TAGS.at_create(want),
    )
    return Identity(answer["AccessPointId"])


def _update_point(old: Existing, want: Desired) -> Steps[None]:
    yield from _TAGS.change(old, want)


def _read_point(existing: Existing) -> Steps[Json]:
    answer = yield Call("efs", "DescribeAccessPoints", {"AccessPointId": existing.id})
    return {"AccessPointId": existing.id, "Arn": answer["AccessPoints"][0]["AccessPointArn"]}


def _delete_point(existing: Existing) -> Steps[None]:
    yield Call("efs", "DeleteAccessPoint", {"AccessPointId": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::EFS::FileSystem",
        honoured=frozenset(
            {*_GIVEN, "BackupPolicy", "FileSystemPolicy", "FileSystemTags", "LifecyclePolicies"}
        ),
        create=_create_system,
        read=_read_system,
        update=_update_system,
        delete=_delete_system,
        error=errors_of("Efs"),
    ),
    ResourceType(
        type="AWS::EFS::AccessPoint",
        honoured=frozenset({"AccessPointTags", "ClientToken", "FileSystemId", "PosixUser", "RootDirectory"}),
        create=_create_point,
        read=_read_point,
        update=_update_point,
        delete=_delete_point,
        error=errors_of("Efs"),
    ),
)
