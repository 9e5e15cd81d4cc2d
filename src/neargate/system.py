"""Time and chance of the real world: the adapters behind the `Clock` and `Ids` ports."""

from __future__ import annotations

import secrets
import time
import uuid


class SystemClock:
    def now(self) -> float:
        return time.time()


class SystemIds:
    def uuid(self) -> str:
        return str(uuid.uuid4())

    def hex(self, length: int) -> str:
        return secrets.token_hex((length + 1) // 2)[:length]

    def digits(self, length: int) -> str:
        return str(secrets.randbelow(10**length)).zfill(length)

    def letters(self, length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))
