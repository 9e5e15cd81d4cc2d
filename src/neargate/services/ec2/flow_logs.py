"""Flow logs. They are recorded and shown; no traffic is logged."""

from __future__ import annotations

from neargate.model import tags
from neargate.model.ec2 import NetworkInterface, Regional, Subnet, Vpc
from neargate.model.ec2_assets import FlowLog
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    chosen,
    everything,
    find,
    invalid,
    new_id,
    not_found,
    reads,
    repeated,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)
_KINDS: dict[str, type[Regional]] = {"VPC": Vpc, "Subnet": Subnet, "NetworkInterface": NetworkInterface}
_S3_OPTIONS = {"FileFormat": "plain-text", "HiveCompatiblePartitions": False, "PerHourPartition": False}
_TYPES = ("cloud-watch-logs", "s3", "kinesis-data-firehose")


@writes(
    "CreateFlowLogs",
    "ResourceIds ResourceType TrafficType LogGroupName LogDestination LogDestinationType LogFormat "
    "DeliverLogsPermissionArn DeliverCrossAccountRole MaxAggregationInterval DestinationOptions TagSpecifications "
    "ClientToken",
)
def create_flow_logs(cx: Context, request: Json) -> Json:
    """One for each resource; those that have the same one already are listed as unsuccessful."""
    before = repeated(cx, FlowLog, request)
    if before is not None:
        return {"FlowLogIds": [before.id], "Unsuccessful": []}
    _check(request)
    kind = _KINDS.get(request["ResourceType"])
    if kind is None:
        raise invalid(f"Value ({request['ResourceType']}) for parameter ResourceType is invalid.")
    made, unsuccessful = [], []
    for resource in request["ResourceIds"]:
        if find(cx, kind, resource) is None:
            raise not_found(kind, [resource])
        log = _made(cx, request, resource)
        missing = _missing_bucket(cx, log)
        if missing is not None:
            unsuccessful.append({"ResourceId": resource, "Error": {"Code": "400", "Message": missing}})
            continue
        if any(_sameness(other) == _sameness(log) for other in everything(cx, FlowLog)):
            error = {
                "Code": "FlowLogAlreadyExists",
                "Message": "Error. There is an existing Flow Log with the same configuration and log destination.",
            }
            unsuccessful.append({"ResourceId": resource, "Error": error})
            continue
        cx.tx.put(log)
        made.append(log.id)
    return {"ClientToken": request.get("ClientToken") or "", "FlowLogIds": made, "Unsuccessful": unsuccessful}


def _check(request: Json) -> None:
    kind = request.get("LogDestinationType") or "cloud-watch-logs"
    if kind not in _TYPES:
        raise invalid(f"Value ({kind}) for parameter LogDestinationType is invalid.")
    if not request.get("TrafficType"):
        raise AwsError("MissingParameter", "The request must contain the parameter TrafficType")
    if request.get("LogGroupName") and request.get("LogDestination"):
        raise AwsError("InvalidParameter", "Please only provide LogGroupName or only provide LogDestination.")
    if kind != "cloud-watch-logs":
        if request.get("LogGroupName"):
            raise AwsError(
                "InvalidParameter",
                "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
            )
        if not request.get("LogDestination"):
            raise AwsError(
                "InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided."
            )
        if request.get("DeliverLogsPermissionArn"):
            raise AwsError(
                "InvalidParameter", f"DeliverLogsPermissionArn is not applicable for {kind} destination type."
            )
    elif not (request.get("LogGroupName") or request.get("LogDestination")):
        raise AwsError("InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided.")
    elif not request.get("DeliverLogsPermissionArn"):
        raise AwsError(
            "InvalidParameter",
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        )
    if (request.get("MaxAggregationInterval") or 600) not in (60, 600):
        raise AwsError("InvalidParameter", "Invalid Flow Log Max Aggregation Interval")


def _missing_bucket(cx: Context, log: FlowLog) -> str | None:
    """What AWS says where the bucket that is to take the logs does not exist."""
    if log.destination_type != "s3":
        return None
    bucket = (log.destination or "").removeprefix("arn:aws:s3:::").partition("/")[0]
    try:
        cx.invoke("s3", "HeadBucket", {"Bucket": bucket})
    except AwsError:
        return f"LogDestination: {bucket} does not exist"
    return None


def _made(cx: Context, request: Json, resource: str) -> FlowLog:
    destination = request.get("LogDestination")
    group = request.get("LogGroupName")
    kind = request.get("LogDestinationType") or "cloud-watch-logs"
    options = request.get("DestinationOptions")
    if kind == "cloud-watch-logs" and destination and group is None:
        group = destination.removesuffix(":*").rpartition("log-group:")[2]
    if kind == "s3":
        options = {**_S3_OPTIONS, **(options or {})}
    return FlowLog(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "fl"),
        resource_id=resource,
        created=cx.now,
        destination_type=kind,
        destination=destination or cx.caller.arn("logs", f"log-group:{group}:*"),
        log_group=group,
        role=request.get("DeliverLogsPermissionArn"),
        cross_account_role=request.get("DeliverCrossAccountRole"),
        traffic=request["TrafficType"],
        format=request.get("LogFormat") or _FORMAT,
        interval=request.get("MaxAggregationInterval") or 600,
        options=options,
        tags=tagging.given(cx, request, "vpc-flow-log"),
        token=request.get("ClientToken") or "",
    )


def _sameness(log: FlowLog) -> tuple[object, ...]:
    return (log.resource_id, log.destination_type, log.destination, log.traffic, log.format)


@writes("DeleteFlowLogs", "FlowLogIds")
def delete_flow_logs(cx: Context, request: Json) -> Json:
    unsuccessful = []
    for wanted in request["FlowLogIds"]:
        if not cx.tx.delete(FlowLog, cx.caller.scope(wanted)):
            error = not_found(FlowLog, [wanted])
            unsuccessful.append(
                {"ResourceId": wanted, "Error": {"Code": error.code, "Message": error.message}}
            )
    return {"Unsuccessful": unsuccessful}


@reads("DescribeFlowLogs")
def describe_flow_logs(cx: Context, request: Json) -> Json:
    filters = request.get("Filter") or request.get("Filters")
    found = select(chosen(cx, FlowLog, request.get("FlowLogIds")), filters, _fields)
    return page(request, "FlowLogs", found, _described)


def _described(log: FlowLog) -> Json:
    answer: Json = {
        "CreationTime": log.created,
        "DeliverLogsPermissionArn": log.role,
        "DeliverCrossAccountRole": log.cross_account_role,
        "DeliverLogsStatus": "SUCCESS",
        "DestinationOptions": log.options,
        "FlowLogId": log.id,
        "FlowLogStatus": "ACTIVE",
        "LogDestination": log.destination,
        "LogDestinationType": log.destination_type,
        "LogFormat": log.format,
        "LogGroupName": log.log_group,
        "MaxAggregationInterval": log.interval,
        "ResourceId": log.resource_id,
        "Tags": tags.upper(log.tags),
        "TrafficType": log.traffic,
    }
    return {member: value for member, value in answer.items() if value is not None}


def _fields(log: FlowLog) -> Fields:
    return {
        "deliver-log-status": "SUCCESS",
        "flow-log-id": log.id,
        "log-destination-type": log.destination_type,
        "log-group-name": log.log_group,
        "resource-id": log.resource_id,
        "tags": log.tags,
        "traffic-type": log.traffic,
    }
