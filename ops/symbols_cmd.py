"""`candlewick symbols refresh`: the companies that are recognised, brought up to date from an open list."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ops.console import plain_errors, put_json, say
from ops.home import DEFAULT_DATA_DIR, AlwaysJson, DataDir

app = typer.Typer(no_args_is_help=True)
LISTING = "https://www.sec.gov/files/company_tickers_exchange.json"


@app.callback()
def symbols() -> None:
    """The companies that are recognised in text."""


@app.command("refresh")
def refresh(
    origin: Annotated[str, typer.Option("--from", help="Address or file of the SEC's list.")] = LISTING,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AlwaysJson = False,
) -> None:
    """Write symbols.csv into the data directory: the shipped table and every company of the list. The classifier takes
    it at its next start; remove the file to go back."""
    with plain_errors():
        folder = Path(data_dir).expanduser()
        is_new = not folder.exists()
        found = refreshed(origin, folder)
        if is_new:
            say(f"{data_dir} is a new data directory")
        put_json(found)


def refreshed(origin: str, folder: Path) -> dict[str, object]:
    """Make the table; says what it came to. Raises `BadRequest` for a list that is none, `FetchFailed` without one."""
    from importlib.resources import files

    from consumers.classifier.subjects import parse_symbols, shipped_symbols
    from consumers.classifier.symbol_list import merged
    from contracts.clock import SystemClock
    from contracts.errors import BadRequest
    from contracts.settings import ProducerSettings, load
    from producers.fetch import Web
    from producers.reach import Reach
    from stores.data_dir import DataDir as Folder

    if origin.startswith(("http://", "https://")):
        settings = load(ProducerSettings, os.environ)
        text = Web(SystemClock(), settings.user_agent, Reach(settings.networks)).get(origin).body
    else:
        try:
            text = Path(origin).read_bytes()
        except OSError as error:
            raise BadRequest(f"{origin}: {error.strerror}") from None
    try:
        listing = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"{origin} is not JSON: {error}") from None
    ours = files("consumers.classifier").joinpath("symbols.csv").read_text(encoding="utf-8")
    table = merged(ours.splitlines(), listing)
    found = parse_symbols(table.splitlines())
    target = Folder(folder).symbols
    waiting = target.with_suffix(".new")
    waiting.write_text(table, encoding="utf-8")
    waiting.replace(target)
    return {"file": str(target), "companies": len(found.tickers), "shipped": len(shipped_symbols().tickers)}
