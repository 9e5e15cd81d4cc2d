"""The command line. It talks AWS's APIs and `/_neargate` over HTTP, and knows no server code.

A command's module is imported when the command is called: `neargate --help` needs none of them.
"""

from __future__ import annotations

import importlib

import click

from neargate import __version__

COMMANDS = {
    "up": (
        "neargate.cli.up",
        "Deliver a project: pipeline, build, every environment. Ends with their addresses.",
    ),
    "deploy": ("neargate.cli.deploy", "Create or update one stack from a template."),
    "ps": ("neargate.cli.look", "The tasks that run."),
    "logs": ("neargate.cli.logs", "What containers wrote."),
    "exec": ("neargate.cli.exec", "Run a command in a container, interactive or in a pipe."),
    "interrupt": ("neargate.cli.interrupt", "Take the Spot capacity of a task back, as AWS may at any time."),
    "events": ("neargate.cli.look", "What happened to stacks and services."),
    "start": ("neargate.cli.start", "Start the local cloud."),
    "stop": ("neargate.cli.life", "Stop it; its records stay, and its tasks if it was started so."),
    "status": ("neargate.cli.life", "The server, its engine, and what runs on it."),
    "reset": ("neargate.cli.life", "Remove everything that a data directory owns."),
    "doctor": ("neargate.cli.doctor", "What this machine has, what it lacks, and the next step."),
    "env": ("neargate.cli.env", "Export lines: with them every AWS client talks to the local cloud."),
}


class _Commands(click.Group):
    """Commands by name, imported on use, listed in the order in which a person needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="neargate %(version)s")
@click.option("--aws", is_flag=True, help="Work on the real AWS account instead of the local cloud.")
@click.option("--profile", help="With --aws: the profile of your AWS configuration to use.")
@click.option("--region", help="The region to work in.")
@click.pass_context
def neargate(ctx: click.Context, aws: bool, profile: str | None, region: str | None) -> None:
    """Fargate, near you: the delivery your AWS account would run, on this machine, from the unchanged files."""
    ctx.obj = {"aws": aws, "profile": profile, "region": region}


def main() -> None:
    neargate()
