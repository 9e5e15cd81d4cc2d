"""ECS's two loops: services turn into task records, task records into containers."""

from neargate.drivers.ecs.metadata import TaskMetadata
from neargate.drivers.ecs.names import TaskNames
from neargate.drivers.ecs.service_driver import ServiceDriver
from neargate.drivers.ecs.task_driver import TaskDriver

__all__ = ["ServiceDriver", "TaskDriver", "TaskMetadata", "TaskNames"]
