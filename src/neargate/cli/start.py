"""`neargate start`: the server in this process, or, detached, in a session of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from neargate.cli.cloud import Unreachable, own
from neargate.cli.place import DEFAULT_PORT, Announced, Place, data_option, default_data

_ANSWER_SECONDS = 20.0


@click.command()
@click.option(
    "--port",
    default=DEFAULT_PORT,
    envvar="NEARGATE_PORT",
    show_envvar=True,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 = any free one.",
)
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--detach", is_flag=True, help="Return when it answers; it goes on without this terminal.")
@click.option(
    "--on-stop",
    type=click.Choice(["keep", "stop"]),
    default="keep",
    show_default=True,
    help="What becomes of running tasks when the server stops.",
)
def start(port: int, data: Path | None, host: str, detach: bool, on_stop: Literal["keep", "stop"]) -> None:
    """Start the local cloud. It says where it answers, and works until Ctrl-C or `neargate stop`."""
    directory = data.absolute() if data else default_data()
    if detach:
        announced = start_detached(directory, port=port, host=host, on_stop=on_stop)
        click.echo(address_line(announced, directory))
    else:
        _serve(directory, port, host, on_stop)


def _serve(data: Path, port: int, host: str, on_stop: Literal["keep", "stop"]) -> None:
    from neargate.app import Options, PortInUse, Server, configure_logging
    from neargate.data_directory import DataDirectoryInUse
    from neargate.store.sqlite import StoreCorrupt

    try:
        data.mkdir(parents=True, exist_ok=True)
        configure_logging(data / "neargate.log")
        Server(Options(data=data, host=host, port=port, on_stop=on_stop)).run()
    except (PortInUse, DataDirectoryInUse, StoreCorrupt) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"The data directory {data} cannot be used: {error.strerror or error}."
        ) from error


def address_line(announced: Announced, data: Path) -> str:
    """The one line that a start prints."""
    version = own(announced.address, "GET", "health")["version"]
    return f"Neargate {version} answers at {announced.address} (data in {data})"


def start_detached(
    data: Path, *, port: int = DEFAULT_PORT, host: str = "127.0.0.1", on_stop: str = "keep"
) -> Announced:
    """Start the server in a session of its own and wait until it answers. Raises ClickException with its error."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        log = (data / "neargate.log").open("ab")
    except OSError as error:
        raise click.ClickException(
            f"The data directory {data} cannot be used: {error.strerror or error}."
        ) from error
    with log:
        before = log.tell()
        process = subprocess.Popen(
            command(data, port, host, on_stop),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    place = Place(data)
    until = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise click.ClickException(_last_error(Path(log.name), before, process.returncode))
        announced = place.announced()
        if announced is not None and announced.pid == process.pid and answers(announced):
            return announced
        time.sleep(0.02)
    raise click.ClickException(
        f"The server (process {process.pid}) does not answer after {_ANSWER_SECONDS:.0f} s. Its log is {log.name}."
    )


def command(data: Path, port: int, host: str, on_stop: str) -> Sequence[str]:
    """The command that serves in the foreground."""
    return (
        *(sys.executable, "-m", "neargate.cli", "start"),
        *("--port", str(port), "--data", str(data), "--host", host, "--on-stop", on_stop),
    )


def answers(announced: Announced) -> bool:
    """Whether the server that announced itself is the one that answers there."""
    try:
        return bool(own(announced.address, "GET", "health", seconds=2)["pid"] == announced.pid)
    except Unreachable:
        return False


def _last_error(log: Path, before: int, code: int) -> str:
    """The sentence that the server ended with, from what it wrote after byte `before`."""
    with log.open("rb") as file:
        file.seek(before)
        lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    last = lines[-1] if lines else "it said nothing"
    return f"The server ended with {code}: {last} (its log is {log})"
