"""The home a command works on: what the environment says, with the data directory of the command line."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from contracts.errors import BadRequest

if TYPE_CHECKING:
    from contracts.settings import AggregatorSettings
    from stores.home import Home


def expanded(name: str) -> Path:
    """A path with `~` spelt out. Raises `BadRequest` for the home of nobody (`~name`)."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise BadRequest(f"{name!r}: there is no such user") from None


def somebodys(folder: str) -> str:
    """A folder as it was given; a usage error when it is in the home of nobody."""
    try:
        expanded(folder)
    except BadRequest as error:
        raise typer.BadParameter(str(error)) from None
    return folder


DEFAULT_DATA_DIR: Final = ".candlewick"
DataDir = Annotated[
    str,
    typer.Option("--data-dir", envvar="CANDLEWICK_DATA_DIR", help="Folder of the embedded home.", callback=somebodys),
]
#: More is no number of rows that anything here holds.
MAX_LIMIT: Final = 1_000_000_000
#: Every command has one of these.
Json = Annotated[bool, typer.Option("--json", help="Machine-readable answer on stdout.")]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON document a line.")]
AlwaysJson = Annotated[bool, typer.Option("--json", help="Changes nothing: the answer is JSON with and without.")]


def settings_of(data_dir: str) -> "AggregatorSettings":
    """Settings from the environment, with the data directory of the command line."""
    from contracts.settings import AggregatorSettings, load

    return load(AggregatorSettings, {**os.environ, "CANDLEWICK_DATA_DIR": data_dir})


def home_of(data_dir: str, must_exist: bool = True) -> "tuple[Home, AggregatorSettings]":
    """The home, and its settings. Raises `BadRequest` where a command that only reads would have to make it."""
    from stores.home import open_home

    settings = settings_of(data_dir)
    if must_exist and not is_there(settings):
        raise BadRequest(f"no data directory at {data_dir}: start with `candlewick up` or `candlewick publish`")
    return open_home(settings, env=os.environ), settings


def is_there(settings: "AggregatorSettings") -> bool:
    """Whether there is a home to open, and not just any folder. On AWS the data directory holds working files only, and
    need not be there. Raises `OSError` for a folder that may not be read."""
    from stores.data_dir import VERSION_FILE

    if settings.home == "aws":
        return True
    try:
        names = os.listdir(Path(settings.data_dir).expanduser())
    except (FileNotFoundError, NotADirectoryError):
        return False
    return VERSION_FILE in names or any(name.endswith(".db") for name in names)
