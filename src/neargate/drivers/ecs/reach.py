"""Whether a task's network leads to what its start needs: registries, logs, secrets.

On AWS a task in a subnet without a way out waits for minutes and then stops; here it is told at once.
"""

from __future__ import annotations

from neargate.drivers.ecs import actors
from neargate.model.ecs import Task
from neargate.services.dispatch import Dispatcher
from neargate.services.ec2.reach import reaches


class Reach:
    """Asks the recorded network of a task's interface."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def internet(self, task: Task) -> bool:
        """True where the task's interface has a way out of its VPC."""
        return self.service(task)

    def service(self, task: Task, *names: str) -> bool:
        """True where AWS's services of these names (`ecr.api`, `logs`) are reached, over the way out or endpoints."""
        caller = actors.scheduler(task.account, task.region)
        request = {
            "SubnetId": task.attachment.subnet,
            "GroupIds": list(task.attachment.groups),
            "PublicIp": task.attachment.public_ip,
            "Services": list(names),
        }
        return self._dispatcher.store.read(
            lambda view: bool(reaches(self._dispatcher.context(view, caller), request)["Reached"])  # type: ignore[arg-type]
        )
