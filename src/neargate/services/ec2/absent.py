"""What cannot exist here yet: lists of it are empty, and an id of it is the id of nothing."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2.estate import reads


def _declare(name: str, answer: str, ids: str, code: str, text: str) -> None:
    """`ids` is the request member with ids, `answer` the result member; `text` is AWS's, with the id in it."""

    def describe(cx: Context, request: Json) -> Json:
        for wanted in request.get(ids) or ():
            raise AwsError(code, text.format(wanted))
        return {answer: []}

    reads(name)(describe)


for _row in (
    (
        "DescribeVpnConnections",
        "VpnConnections",
        "VpnConnectionIds",
        "InvalidVpnConnectionID.NotFound",
        "The vpnConnection ID '{}' does not exist",
    ),
    (
        "DescribeCustomerGateways",
        "CustomerGateways",
        "CustomerGatewayIds",
        "InvalidCustomerGatewayID.NotFound",
        "The customerGateway ID '{}' does not exist",
    ),
    (
        "DescribeInstances",
        "Reservations",
        "InstanceIds",
        "InvalidInstanceID.NotFound",
        "The instance ID '{}' does not exist",
    ),
):
    _declare(*_row)
