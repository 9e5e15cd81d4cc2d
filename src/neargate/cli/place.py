"""Where a command works: the local cloud of one data directory, or a real AWS account."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

DEFAULT_REGION = "us-east-1"
DEFAULT_PORT = 4566


def alive(pid: int) -> bool:
    """Whether the process runs. One that has ended does not, although nobody may have taken notice of it yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process is a process
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True  # no /proc here, or it ended just now


def default_data(environ: Mapping[str, str] | None = None) -> Path:
    """NEARGATE_DATA, else `neargate/cloud` in the user's data directory: where the server, too, puts it."""
    environ = os.environ if environ is None else environ
    if explicit := environ.get("NEARGATE_DATA"):
        return Path(explicit).expanduser().absolute()
    base = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "neargate" / "cloud"


@attrs.frozen
class Announced:
    """What the server of a data directory said of itself when it began to answer."""

    pid: int
    address: str


@attrs.frozen
class Place:
    """`data` names the local cloud; `aws` means the real one, with `profile`.

    `region` may be left to the environment.
    """

    data: Path
    aws: bool = False
    profile: str | None = None
    region: str | None = None

    def announced(self) -> Announced | None:
        """The server that works in the data directory, as `server.json` names it. It may have died since."""
        try:
            said = json.loads((self.data / "server.json").read_text())
            announced = Announced(pid=int(said["pid"]), address=str(said["address"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return announced if alive(announced.pid) else None

    def region_name(self, environ: Mapping[str, str] | None = None) -> str:
        """The region a local command works in."""
        environ = os.environ if environ is None else environ
        return self.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION

    def access_key(self, environ: Mapping[str, str] | None = None) -> str:
        """The local access key: 12 digits are an account of their own, all else is account 000000000000.

        A real key stays where it is: it is nothing that the local cloud should see.
        """
        environ = os.environ if environ is None else environ
        given = environ.get("AWS_ACCESS_KEY_ID", "")
        return given if given.isdecimal() and len(given) == 12 else "test"

    def account(self, environ: Mapping[str, str] | None = None) -> str:
        key = self.access_key(environ)
        return key if key.isdecimal() else "000000000000"


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data DIR` as the keyword `data`."""
    option = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data directory of the local cloud. [default: NEARGATE_DATA or ~/.local/share/neargate/cloud]",
    )
    return option(command)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data`, `--aws`, `--profile` and `--region`, before or after the command's name, as the argument `place`."""

    @data_option
    @click.option("--aws", is_flag=True, help="Work on the real AWS account.")
    @click.option("--profile", help="With --aws: the profile to use.")
    @click.option("--region", help="The region to work in.")
    @click.pass_context
    @functools.wraps(command)
    def placed(
        ctx: click.Context,
        /,
        *arguments: Any,
        data: Path | None,
        aws: bool,
        profile: str | None,
        region: str | None,
        **options: Any,
    ) -> Any:
        before: dict[str, Any] = ctx.obj or {}
        profile = profile or before.get("profile")
        real = aws or bool(before.get("aws"))
        if profile and not real:
            raise click.UsageError("--profile names credentials of a real account: it goes with --aws.")
        place = Place(
            data=data.absolute() if data else default_data(),
            aws=real,
            profile=profile,
            region=region or before.get("region"),
        )
        return command(place, *arguments, **options)

    return placed
