"""`neargate up`: deliver a project, from its commit to running environments.

The steps, in order: look at the project, have a cloud that can run it, adopt the ids its parameter files name, map
the pipeline's source to its git history, make the pipeline's stack, follow the execution, show the addresses.
Nothing is created before it is known that it can work.
"""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import click

from neargate.cli import engine as engines
from neargate.cli import git, project, stacks
from neargate.cli.addresses import environments
from neargate.cli.cloud import Cloud, Unreachable
from neargate.cli.delivery import Delivery
from neargate.cli.follow import Watch
from neargate.cli.git import Worktree
from neargate.cli.life import end
from neargate.cli.parameters import pairs
from neargate.cli.pipelines import deployed_stacks, execution_to_follow, executions, pipeline_of
from neargate.cli.place import DEFAULT_PORT, Place, place_options
from neargate.cli.rendering import environment_lines, failure_lines, serving_lines
from neargate.cli.screen import Screen, say, screen
from neargate.cli.start import address_line, answers, start_detached

PATIENCE = 300.0  # seconds for which a server that went away is waited for
_ENGINE_SECONDS = 40.0
_SHOWN_CHANGES = 5


@attrs.frozen
class Project:
    """What is delivered. `template` is the pipeline's, as the commit has it."""

    tree: Worktree
    stack: str
    template_file: str
    template: str
    named: tuple[project.Named, ...]

    @property
    def builds(self) -> bool:
        return "AWS::CodeBuild::Project" in project.resource_types(self.template).values()


@click.command()
@click.argument("directory", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--stack-name", help="The pipeline's stack. [default: <Directory>-Pipeline]")
@click.option(
    "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of that stack."
)
@click.option("--dirty", is_flag=True, help="Deliver the last commit although files were changed since.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    envvar="NEARGATE_PORT",
    show_envvar=True,
    show_default=True,
    help="Where to start the local cloud, if none runs.",
)
@place_options
def up(
    place: Place, directory: Path, stack_name: str | None, parameters: tuple[str, ...], dirty: bool, port: int
) -> None:
    """Deliver the project in DIRECTORY: its pipeline, a build, every environment. Ends with their addresses."""
    given = pairs(parameters)
    found = read_project(directory, stack_name, dirty=dirty)
    tree = found.tree
    click.echo(f"{directory.resolve().name} at {tree.head[:7]} {tree.subject}")
    if place.aws:
        click.echo(
            "On AWS: no ids are adopted and nothing is pushed; the pipeline reads the source it names."
        )
    else:
        _have_cloud(place, port)
        if found.builds:
            _have_base_images(place)
    try:
        with screen() as shown:
            delivered, cloud = _deliver(place, found, given, shown)
    except KeyboardInterrupt:
        click.echo("Not watching any longer. The delivery goes on; neargate up watches it again.")
        raise SystemExit(1) from None
    raise SystemExit(_conclude(cloud, delivered))


def read_project(directory: Path, stack_name: str | None, *, dirty: bool) -> Project:
    """The project as its last commit has it. Raises ClickException with what is wrong with it."""
    tree = git.worktree(directory)
    changed = tree.changed()
    if changed and not dirty:
        names = ", ".join(changed[:_SHOWN_CHANGES]) + (" …" if len(changed) > _SHOWN_CHANGES else "")
        raise click.ClickException(
            f"{directory.resolve()} has uncommitted changes: {names}. A delivery takes a commit: commit them, or "
            f"deliver {tree.head[:7]} without them: --dirty"
        )
    files = tree.files()
    template_file = project.pipeline_template(files, tree.text)
    return Project(
        tree=tree,
        stack=stack_name or project.stack_name(directory.resolve().name, project.settings(files, tree.text)),
        template_file=template_file,
        template=tree.text(template_file),
        named=tuple(project.named_ids(files, tree.text)),
    )


# -- a cloud that can run it -----------------------------------------------------------------------------------


def _have_cloud(place: Place, port: int) -> None:
    """A server that answers, with an engine. Raises ClickException that says what is missing; a server that was
    started in vain is stopped again."""
    announced = place.announced()
    started = announced is None or not answers(announced)
    if announced is None or started:
        announced = start_detached(place.data, port=port)
    click.echo(address_line(announced, place.data))
    cloud = Cloud(place)
    until = time.monotonic() + _ENGINE_SECONDS
    while (engine := cloud.own("GET", "health")["engine"])[
        "state"
    ] == "starting" and time.monotonic() < until:
        time.sleep(0.05)
    if engine["state"] == "ready":
        return
    if started:
        end(announced)
    if engine["state"] == "starting":
        raise click.ClickException(
            f"The local cloud found no engine within {_ENGINE_SECONDS:.0f} s. Its log: {place.data / 'neargate.log'}"
        )
    raise click.ClickException(
        f"{engines.waiting_sentence(engine)}\n"
        "Nothing was created. neargate doctor explains the state of this machine."
    )


def _have_base_images(place: Place) -> None:
    """The images that builds start from, made where the engine lacks them."""
    health = Cloud(place).own("GET", "health")
    socket = str(health["engine"]["socket"])
    engine = engines.Engine(f"unix://{socket}" if socket.startswith("/") else socket, "")
    missing = engines.missing_images(engine)
    if not missing:
        return
    click.echo(f"The engine lacks {' and '.join(missing)}. Getting them takes a few minutes, once.")
    if not engines.make_base_images(engine):
        raise click.ClickException("The base images could not be made, as said above. Nothing was created.")


# -- the delivery ----------------------------------------------------------------------------------------------


def _deliver(place: Place, found: Project, given: dict[str, str], shown: Screen) -> tuple[Delivery, Cloud]:
    """Everything up to the end of the execution. Raises ClickException where the pipeline's stack fails."""
    cloud = Cloud(
        place,
        patience=PATIENCE,
        lost=lambda: shown.note(
            f"The local cloud does not answer. Start it again: neargate start --detach --data {place.data}"
        ),
        found=lambda: shown.note("The local cloud answers again; the delivery goes on."),
    )
    if cloud.local:
        _adopt(cloud, found, shown)
        _map_source(cloud, found)
    before = pipeline_of(cloud, found.stack)
    known = {e["pipelineExecutionId"] for e in executions(cloud, before)} if before else set()
    moved = False
    if cloud.local and before is None:
        _push(cloud, found, shown)  # the new pipeline starts by itself, and finds the commit
    _make_stack(cloud, found, given, shown)
    if cloud.local and before is not None:
        moved = _push(cloud, found, shown)  # starts the pipeline as the stack has it now
    pipeline = pipeline_of(cloud, found.stack)
    if pipeline is None:
        raise click.ClickException(f"The stack {found.stack} has no pipeline.")
    if pipeline != before:
        known = set()
    execution, _ = execution_to_follow(
        cloud, pipeline, known, found.tree.head, expected=moved or pipeline != before
    )
    watch = Watch(cloud, pipeline, execution)
    while True:
        delivery = watch.look()
        shown.delivery(delivery)
        if delivery.over:
            return delivery, cloud
        time.sleep(stacks.pause(cloud))


def _adopt(cloud: Cloud, found: Project, shown: Screen) -> None:
    """Let the ids of a real account, which the parameter files name, mean something here."""
    if not found.named:
        return
    place = cloud.place
    answer = cloud.own(
        "POST",
        "adopt",
        {
            "account": place.account(),
            "region": place.region_name(),
            "groups": [named.group() for named in found.named],
        },
    )
    for named in found.named:
        new = [each for each in named.ids if each in answer["adopted"]]
        if new:
            shown.note(f"Adopted {', '.join(new)}, which {named.file} names.")


def _map_source(cloud: Cloud, found: Project) -> None:
    """Whatever repository the pipeline's source names: here it is the project's own."""
    tree, place = found.tree, cloud.place
    cloud.own(
        "PUT",
        "sources",
        {
            "account": place.account(),
            "region": place.region_name(),
            "subject": f"stack:{found.stack}",
            "repository": tree.repository,
            "ref": tree.ref,
            "path": tree.path,
        },
    )


def _push(cloud: Cloud, found: Project, shown: Screen) -> bool:
    """Bring the commit to Neargate's own repository. True where its branch moved."""
    tree = found.tree
    while True:
        cloud.own("GET", "health")  # waits for a server that went away
        url = f"{cloud.address()}/git/{tree.repository}"
        moved = git.remote_commit(tree.root, url, tree.ref) != tree.head
        try:
            if moved:
                git.push(tree, url)
        except git.GitFailed:
            if _answers(cloud):
                raise
            continue
        break
    if moved:
        shown.note(f"Pushed {tree.head[:7]} to {url} ({tree.ref.removeprefix('refs/heads/')}).")
    return moved


def _answers(cloud: Cloud) -> bool:
    try:
        Cloud(cloud.place).own("GET", "health")
    except Unreachable:
        return False
    return True


def _make_stack(cloud: Cloud, found: Project, given: dict[str, str], shown: Screen) -> None:
    """Create or update the pipeline's stack, after what may still be going on with it."""
    stacks.settle(cloud, found.stack, shown.stack)
    if cloud.local and stacks.delete_never_created(cloud, found.stack):
        shown.note(f"Deleted what was left of {found.stack}, whose creation had failed.")
    wish = stacks.Wish(
        found.stack, found.template, given, capabilities=("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")
    )
    change = stacks.submit(cloud, wish)
    if change is None:
        shown.note(f"{found.stack} is as {found.template_file} says: no changes.")
        return
    ended = stacks.follow(cloud, change, shown.stack)
    if not ended.good:
        raise click.ClickException(
            f"The stack {found.stack} is {ended.status}. {ended.failure or 'Its events say why.'}"
        )


def _conclude(cloud: Cloud, delivered: Delivery) -> int:
    """Print how it ended; the exit code."""
    names = deployed_stacks(cloud, delivered.pipeline)
    if delivered.status == "Succeeded":
        found = environments(cloud, names)
        say(environment_lines(found))
        return 0 if all(environment.up for environment in found) else 1
    say(failure_lines(delivered))
    say(serving_lines(environments(cloud, names, seconds=1.0)))
    return 1
