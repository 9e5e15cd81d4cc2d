"""One health check of one target, as Elastic Load Balancing sends it."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

from neargate.model.elbv2 import HealthCheck
from neargate.planners.target_health import FAILED, TIMED_OUT, Outcome, answered, passed

_LARGEST_HEAD = 64 << 10


async def probe(address: str, port: int, check: HealthCheck) -> Outcome:
    """Ask once, on a connection of its own. Never raises for what the target does."""
    try:
        async with asyncio.timeout(check.timeout):
            if check.protocol in ("HTTP", "HTTPS"):
                return answered(await _status(address, port, check), check.matcher)
            await _connect(address, port, check)
            return passed()
    except TimeoutError:
        return TIMED_OUT
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
        return FAILED


async def _connect(address: str, port: int, check: HealthCheck) -> None:
    _, writer = await asyncio.open_connection(address, port, ssl=_tls(check))
    writer.close()


async def _status(address: str, port: int, check: HealthCheck) -> int:
    """The status code of the answer. The rest of it is not waited for; redirects are not followed."""
    reader, writer = await asyncio.open_connection(address, port, ssl=_tls(check), limit=_LARGEST_HEAD)
    try:
        request = (
            f"GET {check.path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n"
            "User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n"
        )
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        version, status, *_ = head.partition(b"\r\n")[0].split(b" ", 2)
        if not version.startswith(b"HTTP/"):
            raise ValueError(version)
        return int(status)
    finally:
        writer.close()


def _tls(check: HealthCheck) -> ssl.SSLContext | None:
    return _trusting() if check.protocol in ("HTTPS", "TLS") else None


@cache
def _trusting() -> ssl.SSLContext:
    """As on AWS, no target's certificate is verified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
