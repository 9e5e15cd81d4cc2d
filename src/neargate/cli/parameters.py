"""Parameters as they are given on the command line: NAME=VALUE, and files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from neargate.cli import project


def pairs(given: Iterable[str]) -> dict[str, str]:
    """`["Name=value"]` as a mapping. Raises UsageError for what has no `=`."""
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{each!r} is no NAME=VALUE.")
        found[name] = value
    return found


def from_files(files: Iterable[Path]) -> dict[str, str]:
    """The parameters of all files, a later one winning. Raises ClickException for a file that has none."""
    found: dict[str, str] = {}
    for file in files:
        try:
            values = project.parameters(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(f"{file} cannot be read: {error}") from error
        if values is None:
            raise click.ClickException(
                f'{file} is no parameter file. It has to be JSON: {{"Parameters": {{"Name": "value"}}}}, or a list of '
                '{"ParameterKey", "ParameterValue"}, or a list of "Name=value".'
            )
        found |= values
    return found
