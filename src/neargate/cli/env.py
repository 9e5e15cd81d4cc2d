"""`neargate env`: `eval "$(neargate env)"`, and every AWS client works on the local cloud."""

from __future__ import annotations

import shlex

import click

from neargate.cli.cloud import Cloud
from neargate.cli.place import Place, place_options


@click.command()
@place_options
def env(place: Place) -> None:
    """Print export lines. Use them so: eval "$(neargate env)" """
    if place.aws:
        raise click.UsageError("With --aws there is nothing to export: your own AWS configuration is used.")
    address = Cloud(place).address()
    for line in lines(address, place.region_name(), place.access_key()):
        click.echo(line)


def lines(address: str, region: str, access_key: str) -> list[str]:
    """The settings that every AWS SDK reads, as a POSIX shell takes them."""
    settings = {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # no stream-127.0.0.1 can be found
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
