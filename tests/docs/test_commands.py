"""docs/commands.md names every command and every exit code."""

from ops.cli import app
from ops.console import EXIT_CODES
from tests.house.source_tree import ROOT

COMMANDS = (ROOT / "docs" / "commands.md").read_text()


def test_every_command_is_in_the_reference() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    names |= {group.name for group in app.registered_groups}
    missing = sorted(str(name) for name in names if f"`{name}" not in COMMANDS)
    assert missing == []


def test_every_exit_code_is_in_the_reference() -> None:
    assert [
        line for line in (f"| {code} | {text} |" for code, text in EXIT_CODES.items()) if line not in COMMANDS
    ] == []
