"""The AWS::EC2:: resource types, from the modules that declare them."""

from __future__ import annotations

from neargate.resources import ec2_endpoints, ec2_groups, ec2_links, ec2_network, ec2_routing

TYPES = {
    declared.type: declared
    for module in (ec2_endpoints, ec2_groups, ec2_links, ec2_network, ec2_routing)
    for declared in module.TYPES
}
