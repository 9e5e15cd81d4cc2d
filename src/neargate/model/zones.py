"""AWS's regions and their availability zones, as an ordinary account sees them.

Zone names map to zone ids differently in every AWS account; this is one account's mapping, the same for all
accounts here.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Zone:
    """One availability zone: `us-east-1a`, `use1-az6`."""

    region: str
    name: str
    id: str

    @property
    def group(self) -> str:
        return f"{self.region}-zg-1"


# region: zone-id prefix, then letter:number of each zone; a leading * marks regions an account must opt in to.
_TABLE = """
*af-south-1 afs1 a:1 b:2 c:3
*ap-east-1 ape1 a:1 b:2 c:3
*ap-east-2 ape2 a:1 b:2 c:3
ap-northeast-1 apne1 a:4 c:1 d:2
ap-northeast-2 apne2 a:1 b:2 c:3 d:4
ap-northeast-3 apne3 a:3 b:1 c:2
ap-south-1 aps1 a:1 b:3 c:2
*ap-south-2 aps2 a:1 b:2 c:3
ap-southeast-1 apse1 a:1 b:2 c:3
ap-southeast-2 apse2 a:1 b:3 c:2
*ap-southeast-3 apse3 a:1 b:2 c:3
*ap-southeast-4 apse4 a:1 b:2 c:3
*ap-southeast-5 apse5 a:1 b:2 c:3
*ap-southeast-6 apse6 a:1 b:2 c:3
*ap-southeast-7 apse7 a:1 b:2 c:3
ca-central-1 cac1 a:1 b:2 d:4
*ca-west-1 caw1 a:1 b:2 c:3
cn-north-1 cnn1 a:1 b:2 d:4
cn-northwest-1 cnnw1 a:1 b:2 c:3
eu-central-1 euc1 a:2 b:3 c:1
*eu-central-2 euc2 a:1 b:2 c:3
eu-north-1 eun1 a:1 b:2 c:3
*eu-south-1 eus1 a:1 b:2 c:3
*eu-south-2 eus2 a:1 b:2 c:3
eu-west-1 euw1 a:1 b:2 c:3
eu-west-2 euw2 a:2 b:3 c:1
eu-west-3 euw3 a:1 b:2 c:3
*il-central-1 ilc1 a:1 b:2 c:3
*me-central-1 mec1 a:1 b:2 c:3
*me-south-1 mes1 a:1 b:2 c:3
*mx-central-1 mxc1 a:1 b:2 c:3
sa-east-1 sae1 a:1 b:2 c:3
us-east-1 use1 a:6 b:1 c:2 d:4 e:3 f:5
us-east-2 use2 a:1 b:2 c:3
us-gov-east-1 usge1 a:1 b:2 c:3
us-gov-west-1 usgw1 a:1 b:2 c:3
us-west-1 usw1 a:3 b:1
us-west-2 usw2 a:2 b:1 c:3 d:4
"""


def _parse() -> tuple[dict[str, tuple[Zone, ...]], frozenset[str]]:
    table: dict[str, tuple[Zone, ...]] = {}
    opt_in = set()
    for line in _TABLE.split("\n"):
        if not line:
            continue
        region, prefix, *letters = line.lstrip("*").split()
        if line.startswith("*"):
            opt_in.add(region)
        pairs = [pair.split(":") for pair in letters]
        table[region] = tuple(Zone(region, region + a, f"{prefix}-az{number}") for a, number in pairs)
    return table, frozenset(opt_in)


ZONES, OPT_IN = _parse()
"""Region to its zones in order of name; the regions that an account must opt in to."""


def partition(region: str) -> str:
    """`aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def zones(region: str) -> tuple[Zone, ...]:
    """A region's zones. A region that AWS does not have here yet gets three, in AWS's form."""
    return ZONES.get(region) or tuple(
        Zone(region, f"{region}{letter}", f"{region.replace('-', '')}-az{number}")
        for number, letter in enumerate("abc", start=1)
    )


def default_subnet_order(region: str) -> tuple[Zone, ...]:
    """The zones in the order in which AWS gave them the default VPC's /20 blocks, 172.31.0.0/20 first.

    As seen in accounts: the first block is az4's in us-east-1 and az3's elsewhere, the others go by zone id.
    """
    first = "az4" if region == "us-east-1" else "az3"
    return tuple(sorted(zones(region), key=lambda zone: (not zone.id.endswith(first), zone.id)))
