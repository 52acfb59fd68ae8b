"""`candlewick sources list|test`: the news sources, and what one of them would bring right now."""

import json
import os
import sys
from collections.abc import Collection
from typing import Annotated, Any

import typer

from ops.console import ERROR, plain_errors, printable, put_json, say
from ops.home import DEFAULT_DATA_DIR, DataDir, Json, home_of, is_there, settings_of

app = typer.Typer(no_args_is_help=True)
SourcesFile = Annotated[
    str | None, typer.Option("--sources", envvar="CANDLEWICK_SOURCES_FILE", help="JSON file of source settings.")
]
MAX_SHOWN = 20


@app.command("list")
def list_sources(data_dir: DataDir = DEFAULT_DATA_DIR, sources: SourcesFile = None, as_json: Json = False) -> None:
    """Every source that is set up: state, articles an hour, last success, newest article, error."""
    with plain_errors():
        from ops.source_lines import OTHER_LIST, source_lines, source_table, wide_console
        from producers.sources.registry import load_sources

        documents: dict[str, dict[str, Any]] = {
            source.name: {"kind": source.kind, "url": source.url, "every_s": source.every_s, "state": "new"}
            for source in load_sources(sources)
        }
        now_ms, known = _known(data_dir, documents)
        rows = source_lines({name: documents.get(name, {}) | known.get(name, {}) for name in documents | known}, now_ms)
        if as_json:
            put_json(rows)
        else:
            wide_console().print(source_table(rows))
        if others := [name for name in known if name not in documents]:
            say(f"{len(others)} of them are of another list, which the line is asking: {OTHER_LIST}")


def _known(data_dir: str, listed: Collection[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """The time, and what the producers remember; nothing in a folder that is not there yet."""
    from contracts.clock import SystemClock
    from ops.source_lines import asked_of

    if not is_there(settings_of(data_dir)):
        return SystemClock().now_ms(), {}
    home = home_of(data_dir)[0]
    return home.clock.now_ms(), asked_of(home, listed, home.clock.now_ms())


@app.command("test")
def try_source(
    name: Annotated[str, typer.Argument(help="Name of the source, as `sources list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    sources: SourcesFile = None,
    anew: Annotated[bool, typer.Option("--anew", help="Ignore where the last fetch left off.")] = False,
    as_json: Json = False,
) -> None:
    """Ask a source now and show what it would bring; nothing is published, nothing remembered but the call itself."""
    with plain_errors():
        found = fetch_once(name, data_dir, sources, anew)
        if as_json:
            put_json(found)
        else:
            _print(found)
        if found["trouble"]:
            raise typer.Exit(ERROR)


def fetch_once(name: str, data_dir: str, sources_file: str | None, anew: bool) -> dict[str, Any]:
    """One fetch as values. Raises `BadRequest` for an unknown name, `FetchFailed` when it does not answer usably."""
    from contracts.clock import SystemClock
    from contracts.errors import BadRequest
    from contracts.ports import Secrets
    from contracts.settings import ProducerSettings, load
    from contracts.watched import watched_subjects
    from ops.source_lines import OTHER_LIST
    from producers.fetch import Web
    from producers.reach import Reach
    from producers.service import KIND, PACE_KIND
    from producers.source_state import set_up
    from producers.sources.registry import Request, adapter, load_sources
    from stores.env_secrets import EnvSecrets

    settings = load(ProducerSettings, {**os.environ, "CANDLEWICK_DATA_DIR": data_dir})
    chosen = {source.name: source for source in load_sources(sources_file or settings.sources_file)}
    if name not in chosen:
        raise BadRequest(f"no source {name!r} in this list; where the line has another, {OTHER_LIST}", tuple(chosen))
    web = Web(SystemClock(), settings.user_agent, Reach(settings.networks))
    watched: tuple[str, ...] = ()
    cursor: dict[str, Any] = {}
    secrets: Secrets = EnvSecrets(os.environ)
    home = home_of(data_dir)[0] if is_there(settings_of(data_dir)) else None
    if home is not None:
        secrets = home.secrets
        watched = watched_subjects(home.control)
        if not anew:
            cursor = set_up(home.control.get(KIND, name).value, chosen[name], chosen[name].every_s).get("cursor") or {}
        web.pace.merge({each: value["calls"] for each, value in home.control.list(PACE_KIND).items()})
    now_ms = SystemClock().now_ms()
    try:
        fetched = adapter(chosen[name].kind)(Request(chosen[name], cursor, web, secrets, now_ms, watched))
    finally:
        for key, calls in web.pace.changed().items():
            if home is not None:
                home.control.put(PACE_KIND, key, {"calls": calls})
    return {
        "source": name,
        "cursor": dict(fetched.cursor),
        "gone": fetched.gone,
        "more": fetched.more,
        "note": fetched.note,
        "trouble": str(fetched.trouble) if fetched.trouble else None,
        "articles": [json.loads(article.encode()) for article in fetched.articles],
        "rejected": [str(each.error) for each in fetched.rejected],
    }


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    from ops.source_lines import wide_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("published", "publisher", "tickers", "title"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for article in found["articles"][:MAX_SHOWN]:
        tickers = " ".join(article["tickers"])
        texts = (article["publisher"] or "", tickers, article["title"])
        table.add_row(article["published_at"][:19] + "Z", *map(printable, texts))
    if found["articles"]:
        wide_console().print(table)
    for line in found["rejected"][:MAX_SHOWN]:
        sys.stdout.write(f"rejected  {printable(line[:160])}\n")
    gone = ", gone for good" if found["gone"] else ", more to come" if found["more"] else ""
    counts = f"{len(found['articles'])} articles, {len(found['rejected'])} rejected{gone}; nothing was published"
    say(f"{found['source']}: {counts}")
    for name in ("note", "trouble"):
        if found[name]:
            say(f"{found['source']}: {found[name]}")
