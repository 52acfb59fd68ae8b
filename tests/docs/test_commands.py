"""docs/commands.md names every command there is and no other; the reference has every option that `--help` tells of."""

import re

import click
import pytest
import typer.main

from ops.cli import app
from ops.reference import FOLDER, commands_of
from tests.house.source_tree import ROOT

COMMANDS = {" ".join(path): command for path, command in commands_of(typer.main.get_command(app))}
REFERENCE = dict(re.findall(r"^## (.*?)\n\n(.*?)(?=^## |\Z)", (FOLDER / "commands.md").read_text(), re.M | re.S))


def test_the_overview_names_every_command_and_no_other() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    told = []
    for group, names in re.findall(r"^\| `(\w+)(?: (.*?))?`", page, re.M):
        told += [f"{group} {name}".strip() for name in names.split("\\|")]
    assert sorted(told) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_the_help_is_in_the_reference(name: str) -> None:
    command = COMMANDS[name]
    shown = command.get_help(click.Context(command, info_name=name))
    assert options_in(shown.partition("Options:")[2]) - {"--help"} <= options_in(REFERENCE[name])


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z-]+", text))
