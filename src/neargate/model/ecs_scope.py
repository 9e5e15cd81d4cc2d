"""What every record of ECS has: the account and region it is in."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Regional:
    account: str
    region: str

    def scope(self, *parts: str) -> str:
        return "/".join((self.account, self.region, *parts))

    def ecs_arn(self, resource: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.account}:{resource}"
