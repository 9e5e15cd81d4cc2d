"""The services of AWS that a VPC endpoint can lead to."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.zones import zones
from neargate.services.ec2.estate import reads
from neargate.services.ec2.selection import Fields, page, select

_GATEWAY = ("s3", "dynamodb")
_INTERFACE = tuple(
    """
    access-analyzer account acm-pca airflow.api airflow.env airflow.ops appconfig appconfigdata
    application-autoscaling appmesh-envoy-management apprunner apprunner.requests appstream.api
    appsync-api aps aps-workspaces athena auditmanager autoscaling autoscaling-plans backup backup-gateway
    batch bedrock bedrock-agent bedrock-agent-runtime bedrock-runtime cassandra cloudcontrolapi
    clouddirectory cloudformation cloudhsmv2 cloudtrail codeartifact.api codeartifact.repositories
    codebuild codecommit codeconnections.api codedeploy codedeploy-commands-secure codeguru-profiler
    codeguru-reviewer codepipeline codestar-connections.api comprehend comprehendmedical config databrew
    dataexchange datasync deviceadvisor.iot discovery dms dynamodb ebs ec2 ec2messages ecr.api ecr.dkr ecs
    ecs-agent ecs-telemetry eks eks-auth elastic-inference.runtime elasticache elasticbeanstalk
    elasticbeanstalk-health elasticfilesystem elasticloadbalancing elasticmapreduce email-smtp
    emr-containers emr-serverless events execute-api fis forecast forecastquery frauddetector fsx
    git-codecommit glue grafana groundstation guardduty-data healthlake imagebuilder inspector2 iot.data
    iotsitewise.api kafka kendra kinesis-firehose kinesis-streams kms lakeformation lambda license-manager
    logs lookoutmetrics lookoutvision macie2 mediaconnect memory-db monitoring networkmonitor
    organizations panorama personalize personalize-runtime pinpoint pipes polly private-networks profile
    proton qldb.session rds rds-data redshift redshift-data refactor-spaces rekognition resource-groups
    robomaker rum rum-dataplane s3 s3-outposts sagemaker.api sagemaker.featurestore-runtime
    sagemaker.runtime scheduler schemas secretsmanager securityhub servicecatalog servicediscovery signin
    sms snow-device-management sns sqs ssm ssm-contacts ssm-incidents ssmmessages states storagegateway
    streaming-rekognition sts swf sync-states synthetics tagging textract timestream.ingest-cell1
    timestream.query-cell1 transcribe transfer translate transcribestreaming voiceid vpc-lattice
    workspaces xray
    """.split()
)


def kinds(region: str, service: str) -> tuple[str, ...]:
    """The endpoint types that a service name (`com.amazonaws.us-east-1.s3`) has; none where there is no such
    service."""
    prefix = f"com.amazonaws.{region}."
    short = service.removeprefix(prefix) if service.startswith(prefix) else ""
    found = ("Gateway",) if short in _GATEWAY else ()
    return (*found, "Interface") if short in _INTERFACE else found


def missing(service: str) -> AwsError:
    return AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")


def private_names(region: str, service: str) -> list[str]:
    """The names that private DNS would answer: `logs.us-east-1.amazonaws.com`."""
    short = service.removeprefix(f"com.amazonaws.{region}.")
    special = {
        "ecr.api": [f"api.ecr.{region}.amazonaws.com"],
        "ecr.dkr": [f"*.dkr.ecr.{region}.amazonaws.com"],
        "s3": [f"s3.{region}.amazonaws.com", f"*.s3.{region}.amazonaws.com"],
        "execute-api": [f"*.execute-api.{region}.amazonaws.com"],
        "kinesis-streams": [f"kinesis.{region}.amazonaws.com"],
        "kinesis-firehose": [f"firehose.{region}.amazonaws.com"],
        "email-smtp": [f"email-smtp.{region}.amazonaws.com"],
    }
    reverse = ".".join(reversed(short.split(".")))
    return special.get(short) or [f"{reverse}.{region}.amazonaws.com"]


@reads("DescribeVpcEndpointServices")
def describe_vpc_endpoint_services(cx: Context, request: Json) -> Json:
    every = [
        (f"com.amazonaws.{cx.region}.{short}", kind)
        for kind, group in (("Gateway", _GATEWAY), ("Interface", _INTERFACE))
        for short in group
    ]
    every.sort()
    for wanted in request.get("ServiceNames") or ():
        if wanted not in {name for name, _ in every}:
            raise missing(wanted)
    named = request.get("ServiceNames") or ()
    details = [_described(cx.region, *one) for one in every if not named or one[0] in named]
    found = select(details, request.get("Filters"), _fields)
    answer = page(request, "ServiceDetails", found, dict)
    names = dict.fromkeys(one["ServiceName"] for one in answer["ServiceDetails"])
    return {**answer, "ServiceNames": list(names)}


def _described(region: str, name: str, kind: str) -> Json:
    short = name.removeprefix(f"com.amazonaws.{region}.")
    answer: Json = {
        "ServiceName": name,
        "ServiceType": [{"ServiceType": kind}],
        "ServiceRegion": region,
        "AvailabilityZones": [zone.name for zone in zones(region)],
        "AvailabilityZoneIds": [zone.id for zone in zones(region)],
        "Owner": "amazon",
        "BaseEndpointDnsNames": [f"{short}.{region}.vpce.amazonaws.com"],
        "VpcEndpointPolicySupported": True,
        "AcceptanceRequired": False,
        "ManagesVpcEndpoints": False,
        "Tags": [],
        "SupportedIpAddressTypes": ["ipv4"],
    }
    if kind == "Interface":
        names = private_names(region, name)
        answer["PrivateDnsName"] = names[0]
        answer["PrivateDnsNames"] = [{"PrivateDnsName": one} for one in names]
        answer["PrivateDnsNameVerificationState"] = "verified"
    return answer


def _fields(service: Json) -> Fields:
    return {
        "owner": service["Owner"],
        "service-name": service["ServiceName"],
        "service-region": service["ServiceRegion"],
        "service-type": service["ServiceType"][0]["ServiceType"],
        "supported-ip-address-types": "ipv4",
        "tags": {},
    }
