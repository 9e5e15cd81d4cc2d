"""`neargate deploy`: one stack from one template."""

from __future__ import annotations

from pathlib import Path

import click

from neargate.cli import stacks
from neargate.cli.addresses import environments
from neargate.cli.cloud import Cloud
from neargate.cli.parameters import from_files, pairs
from neargate.cli.place import Place, place_options
from neargate.cli.rendering import environment_lines, stack_lines
from neargate.cli.screen import say, screen


@click.command()
@click.argument("template", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stack-name", required=True, help="The stack to create or update.")
@click.option(
    "--parameters",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A parameter file; may be given more than once.",
)
@click.option(
    "--parameter", "given", multiple=True, metavar="NAME=VALUE", help="One parameter; wins over the files."
)
@click.option(
    "--capabilities", multiple=True, metavar="CAPABILITY", help="CAPABILITY_IAM, CAPABILITY_NAMED_IAM, …"
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag of the stack.")
@place_options
def deploy(
    place: Place,
    template: Path,
    stack_name: str,
    files: tuple[Path, ...],
    given: tuple[str, ...],
    capabilities: tuple[str, ...],
    tags: tuple[str, ...],
) -> None:
    """Create or update one stack from TEMPLATE through a change set, and watch it.

    Parameters that are not given keep the values that the stack has.
    """
    wish = stacks.Wish(
        stack_name,
        template.read_text(),
        {**from_files(files), **pairs(given)},
        capabilities=[name for each in capabilities for name in each.replace(",", " ").split()],
        tags=pairs(tags),
    )
    cloud = Cloud(place, patience=60.0, lost=lambda: click.echo("The local cloud does not answer.", err=True))
    with screen() as shown:
        stacks.settle(cloud, stack_name, shown.stack)
        change = stacks.submit(cloud, wish)
        if change is None:
            shown.note(f"{stack_name} is as {template} says: no changes.")
            return
        ended = stacks.follow(cloud, change, shown.stack)
    if not ended.good:
        say(stack_lines(ended))
        raise SystemExit(1)
    for environment in environments(cloud, [stack_name]):
        if environment.addresses or environment.trouble:
            say(environment_lines([environment]))
