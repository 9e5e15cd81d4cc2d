"""What a correction is told, and what it is."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model.records import Json


@attrs.frozen
class Asked:
    """The request that an answer belongs to, and for whom. `kept` is what a preparation leaves for the correction."""

    account: str
    region: str
    request: Json
    kept: Json = attrs.field(factory=dict)


Addition = Callable[[Asked], Json]
Correction = Callable[[Asked, Json], Json]
Preparation = Callable[[Asked], Json]
