"""A container's log configuration and FireLens: what ECS refuses on Fargate, in its words."""

from __future__ import annotations

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.planners.task_definition_errors import refused

LOG_DRIVERS = ("awslogs", "splunk", "awsfirelens")
_AWSLOGS_REQUIRED = ("awslogs-region", "awslogs-group")
_AWSLOGS = frozenset(
    {
        "awslogs-create-group",
        "awslogs-region",
        "awslogs-group",
        "awslogs-stream-prefix",
        "awslogs-datetime-format",
        "awslogs-multiline-pattern",
        "awslogs-endpoint",
        "mode",
        "max-buffer-size",
    }
)
_AWSLOGS_LATER = ("awslogs-endpoint",)


def check_logging(container: Json, definition: Json) -> None:
    """The container's logConfiguration and firelensConfiguration. Raises AwsError."""
    router = container.get("firelensConfiguration")
    if router and (router.get("options") or {}).get("config-file-type") == "s3":
        raise refused("Fargate launch type does not support FirelensConfiguration config file from 's3'")
    log = container.get("logConfiguration")
    if log is None:
        return
    driver = log["logDriver"]
    if driver not in LOG_DRIVERS:
        raise refused(f"{driver} is not a valid log driver. Must be one of [{','.join(LOG_DRIVERS)}]")
    if driver == "awslogs":
        _check_awslogs(log.get("options") or {}, definition)
    if driver == "awsfirelens" and not any(
        other.get("firelensConfiguration") for other in definition["containerDefinitions"]
    ):
        raise refused(
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be "
            "configured in one of the containers."
        )


def _check_awslogs(options: Json, definition: Json) -> None:
    missing = [option for option in _AWSLOGS_REQUIRED if not options.get(option)]
    if missing:
        raise refused(f"Log driver awslogs requires options: {', '.join(missing)}")
    unknown = [option for option in options if option not in _AWSLOGS]
    if unknown:
        raise refused(f"Log driver awslogs disallows options: {', '.join(unknown)}")
    if not options.get("awslogs-stream-prefix"):
        raise refused(
            "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver "
            "awslogs."
        )
    if not definition.get("executionRoleArn"):
        raise refused(
            "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        )


def refuse_later(container: Json) -> None:
    """What AWS has and Neargate has not, by name."""
    if container.get("firelensConfiguration"):
        raise _later("firelensConfiguration")
    log = container.get("logConfiguration") or {}
    if log and log["logDriver"] != "awslogs":
        raise _later(f"logConfiguration.logDriver {log['logDriver']}")
    if log.get("secretOptions"):
        raise _later("logConfiguration.secretOptions")
    for option in _AWSLOGS_LATER:
        if option in (log.get("options") or {}):
            raise _later(f"logConfiguration.options.{option}")


def _later(member: str) -> Exception:
    return not_implemented(f"ecs:RegisterTaskDefinition containerDefinitions.{member}", "ecs")
