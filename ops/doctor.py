"""`candlewick doctor`: what is wrong with this installation and what to do about it; one line a check."""

import difflib
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from contracts.errors import CandlewickError, Unusable
from contracts.generation import POINTER, live_generation
from contracts.resolution import MINUTE_MS
from contracts.settings import PREFIX, AggregatorSettings, ClassifierSettings, ProducerSettings, load
from local.ready import log_level
from ops.console import printable
from ops.home import is_there
from ops.reference import SECRETS, variables
from ops.replay.runs import KIND as RUN_KIND
from ops.replay.runs import RESUMABLE
from ops.source_lines import OTHER_LIST
from ops.status import snapshot
from stores.env_secrets import parse_dotenv
from stores.home import Home, open_home

State = Literal["ok", "warning", "fault"]
MIN_FREE_BYTES: Final = 1 << 30
BEHIND_MS: Final = 5 * MINUTE_MS
AHEAD_MS: Final = MINUTE_MS
MAX_SOURCE_LINES: Final = 3


class Finding(NamedTuple):
    """One check: what was found, and the remedy when it is not well."""

    check: str
    state: State
    detail: str
    remedy: str = ""


def examine(settings: AggregatorSettings) -> list[Finding]:
    """All checks. They make nothing and change nothing, but that opening a store brings a file of an older format up
    to this program's. Those that need the stores are left out when they cannot be opened."""
    folder = Path(settings.data_dir).expanduser()
    found = [_python(), _disk(folder), *_writable(folder), _parquet(), *_settings(os.environ, folder)]
    try:
        if not is_there(settings):
            detail, remedy = f"no data directory at {folder}", "`candlewick up` or `candlewick publish` makes it"
            return [*found, Finding("stores", "warning", detail, remedy)]
        stores = list(_of_stores(open_home(settings), settings))
    except (CandlewickError, OSError) as error:
        return [*found, Finding("stores", "fault", str(error), "see the text; `candlewick status` tries again")]
    return found + stores


def _of_stores(home: Home, settings: AggregatorSettings) -> Iterator[Finding]:
    seen = snapshot(home, settings) | {"expire": settings.expire}
    yield Finding("stores", "ok", f"{seen['counted']:,} events of {seen['subjects']} subjects in {seen['generation']}")
    for check in (_clock, _stages, _given_up, _damaged, _swap, _runs, _sources):
        yield from check(home, seen)


def _python() -> Finding:
    return Finding("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder if folder.exists() else Path.cwd()).free
    text = f"{free / (1 << 30):,.1f} GiB free for {folder}"
    if free >= MIN_FREE_BYTES:
        return Finding("disk", "ok", text)
    return Finding("disk", "warning", text, "free some space: a full disk stops the line until there is some again")


def _writable(folder: Path) -> Iterator[Finding]:
    """Told where it is not: reading alone goes on, so nothing else would."""
    closed = [path for path in (folder, *folder.glob("*.db")) if folder.exists() and not os.access(path, os.W_OK)]
    if closed:
        names = ", ".join(str(path) for path in closed)
        yield Finding("folder", "fault", f"cannot be written: {names}", "see to their owner and permissions")


def _parquet() -> Finding:
    try:
        import pyarrow
    except ImportError:
        return Finding("parquet", "ok", "not installed; only reading and writing Parquet needs it")
    return Finding("parquet", "ok", f"pyarrow {pyarrow.__version__}")


def _settings(env: Mapping[str, str], folder: Path) -> Iterator[Finding]:
    """What the environment sets for every part of the line, and whether what it names is there."""
    from api.options import ApiOptions

    looks: dict[str, tuple[Callable[[], str], str]] = {
        "log": (lambda: logging.getLevelName(log_level(env)).lower(), "`up` does not start until it is mended"),
        "api": (lambda: f"{load(ApiOptions, env).max_connections:,} streams at most", "`up` does not start with it"),
        "keys": (lambda: _keys(env), "`up` does not start with them"),
        "dashboard": (lambda: _dashboard(env.get("CANDLEWICK_WEB_DIR")), "the page says that it was not built"),
        "model": (lambda: _model(load(ClassifierSettings, env)), "articles cannot be scored until it loads"),
        "symbols": (lambda: _symbols(load(ClassifierSettings, env), folder), "`up` does not start until it is mended"),
        "feeds": (lambda: _feeds(load(ProducerSettings, env)), "`up` does not start until it is mended"),
    }
    for check, (look, remedy) in looks.items():
        try:
            yield Finding(check, "ok", look())
        except CandlewickError as error:
            yield Finding(check, "fault", str(error), remedy)
    yield from _names(env, folder)


def _names(env: Mapping[str, str], folder: Path) -> Iterator[Finding]:
    """Variables that nobody reads, though somebody meant them to be."""
    known = variables()
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else "docs/reference/settings.md has them all"
            yield Finding("settings", "warning", f"{name} is no setting", remedy)
    with suppress(Unusable):  # that the file cannot be read, opening the stores tells
        for name in sorted(parse_dotenv(folder / ".env")):
            if name in known and name not in SECRETS:
                detail = f"{name} stands in {folder / '.env'}, of which only secrets are read"
                yield Finding("settings", "warning", detail, f"export {name} instead")


def _keys(env: Mapping[str, str]) -> str:
    from api.keyring import SECRET_NAME, parse_keys

    given = env.get(SECRET_NAME)
    return f"{len(parse_keys(given))} of {SECRET_NAME} sign and verify tokens" if given else "made by the program"


def _dashboard(folder: str | None) -> str:
    if not folder:
        return "the packaged page"
    if not (Path(folder).expanduser() / "index.html").is_file():
        raise Unusable(f"CANDLEWICK_WEB_DIR: {folder} holds no index.html")
    return folder


def _model(settings: ClassifierSettings) -> str:
    from consumers.classifier.models import registry

    return registry.load(settings.model or registry.DEFAULT).version


def _symbols(settings: ClassifierSettings, folder: Path) -> str:
    from consumers.classifier.subjects import read_symbols, shipped_symbols

    refreshed = folder / "symbols.csv"
    if settings.symbols_file:
        return f"{len(read_symbols(Path(settings.symbols_file)).tickers):,} companies of {settings.symbols_file}"
    if settings.home == "embedded" and refreshed.exists():
        return f"{len(read_symbols(refreshed).tickers):,} companies of {refreshed}"
    return f"{len(shipped_symbols().tickers):,} companies"


def _feeds(settings: ProducerSettings) -> str:
    from producers.sources.registry import load_sources

    return f"{len(load_sources(settings.sources_file)):,} sources are set up"


def _clock(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    """A clock that stepped back stands before what was written already."""
    head = home.buckets.changes_head()
    newest = home.buckets.changes_after({lane: sequence - 1 for lane, sequence in head.items()}, len(head) or 1)
    ahead_ms = max((stored.change.written_ms for stored in newest), default=0) - home.clock.now_ms()
    if ahead_ms > AHEAD_MS:
        yield Finding(
            "clock", "fault", f"the newest change was written {ahead_ms / 1000:.0f} s from now", "set the clock (NTP)"
        )
    else:
        yield Finding("clock", "ok", seen["now"])


def _stages(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    if any(row["behind_ms"] is None for row in seen["stages"]):
        yield Finding("stages", "ok", "Lambda reads the streams; its alarms say when it is behind")
        return
    late = [row for row in seen["stages"] if row["behind_ms"] > BEHIND_MS]
    running = bool(home.control.list("stream-process"))
    for row in late:
        remedy = "look at `status --watch`: it is failing or slow" if running else "start `candlewick up`, or `drain`"
        yield Finding(f"stage {row['stage']}", "warning", f"{row['behind_ms'] / 1000:,.0f} s behind", remedy)
    if not late:
        yield Finding("stages", "ok", "nothing older than five minutes is pending")


def _given_up(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    if seen["given_up"]:
        detail = f"{seen['given_up']} batches were given up after their last retry"
        remedy = (
            "`failed list` says why and where they lie; mend the cause; `failed redrive` puts their articles into the"
            " read model, a replay, or `failed fetch` and `publish`, counts their events; then move them away"
        )
        yield Finding("failures", "warning", detail, remedy)
    if seen["quarantined"]:
        detail = f"{seen['quarantined']:,} records are quarantined"
        yield Finding("quarantine", "ok", detail + "; `quarantine list` says why")


def _damaged(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    if seen["damaged"]:
        first, *others = seen["damaged"]
        detail = first + (f" (and {len(others)} more; `status` names them)" if others else "")
        drain = "`CANDLEWICK_EXPIRE=false candlewick drain` there, before `up`," if seen["expire"] else "`drain` there"
        remedy = f"no candle changes; `restore` into a new directory and {drain} set aside anew what it held"
        yield Finding("lake", "warning", detail, remedy)


def _swap(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    pointer = home.control.get(*POINTER).value
    if pointer is not None and not pointer.get("settled", True):
        detail = f"the promote of {pointer['generation']} was cut short"
        yield Finding("generation", "warning", detail, "the finaliser finishes it within five minutes of `up`")
    else:
        yield Finding("generation", "ok", f"{live_generation(home.control)} is live")


def _runs(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    for run in home.control.list(RUN_KIND).values():
        if run["state"] in RESUMABLE:
            detail = f"{run['state']} at {run['units_done']:,} of {run['units_total']:,} units"
            remedy = f"`candlewick replay resume {run['id']}` or `cancel`, unless it is running now"
            yield Finding(
                f"run {run['id']}", "warning", detail + (f": {run['error']}" if run.get("error") else ""), remedy
            )


def _sources(home: Home, seen: dict[str, Any]) -> Iterator[Finding]:
    """One line a source; where many do not answer that is one thing wrong, and one line."""
    silent = [row for row in seen["sources"] if row.get("error")]
    if len(silent) > MAX_SOURCE_LINES:
        detail = (
            f"{len(silent)} of {len(seen['sources'])} do not answer, such as {silent[0]['name']}: {silent[0]['error']}"
        )
        yield Finding("sources", "warning", detail, "is there a network? `candlewick sources list` shows them all")
        return
    for row in silent:
        remedy = f"`candlewick sources test {row['name']}` tries it now; where the line has another list, {OTHER_LIST}"
        yield Finding(f"source {row['name']}", "warning", str(row["error"]), remedy)


def print_findings(findings: list[Finding], out: Callable[[str], Any]) -> None:
    """One line each, and the remedy below what is not well."""
    signs = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}
    for finding in findings:
        out(f"{signs[finding.state]}  {finding.check:<18} {printable(finding.detail)}\n")
        if finding.remedy:
            out(f"{'':<29}→ {printable(finding.remedy)}\n")
