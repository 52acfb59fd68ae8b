"""`candlewick restore FROM`: a new data directory from the lake of another whose databases are damaged or gone.

Everything the archiver saved goes back onto the streams: scored events first (the first of an id counts, so scores stay
what they were), then articles, which bring back the items. Verdicts come from the events' own stamps, so what counted
counts again and what did not does not. Doing it twice is harmless: an event is a member of its bucket or it is not.
"""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from contracts.bucket import LANE_SEPARATOR
from contracts.errors import BadEvent, BadRequest, CandlewickError
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.hashing import member_hash
from contracts.ports import Entry, Lake
from contracts.settings import AggregatorSettings
from producers.publisher import Publisher
from producers.service import SETTING_KIND, WATCH_KIND
from stores.files_lake import FilesLake
from stores.home import Home
from stores.sqlite_control import SqliteControlStore

UNREAD: Final = "raw/source=unknown/"
#: Kept in the lake only: nothing on a stream would bring them back.
COPIED: Final = ("opinions/",)
KINDS: Final = (WATCH_KIND, SETTING_KIND)
Text = Annotated[str, msgspec.Meta(max_length=256)]


class Restored(NamedTuple):
    """Records put on the streams; `damaged`: lake objects that could not be read to their end; `settings`: watch lists
    and source settings carried over, None when control.db could not be read."""

    scored: int
    raw: int
    objects: int
    damaged: list[str]
    settings: int | None


class _Scored(msgspec.Struct):
    subject: Text
    event_id: Text


class _Raw(msgspec.Struct):
    article_id: Text


_scored: Final = msgspec.json.Decoder(_Scored)
_raw: Final = msgspec.json.Decoder(_Raw)


def restore(
    home: Home, settings: AggregatorSettings, source: Path, progress: Callable[[int], None] = lambda records: None
) -> Restored:
    """Raises `BadRequest` when there is no lake, `Transient` when the log refuses: do it again then."""
    target = Path(settings.data_dir).expanduser().absolute()
    if not (source / "lake").is_dir():
        raise BadRequest(f"{source} has no folder `lake`; name the data directory that is to be restored")
    if source.expanduser().absolute() == target:
        raise BadRequest("a directory is restored into another one: give a new folder with --data-dir")
    lake = FilesLake(source / "lake", settings.synchronous)
    publisher, damaged = Publisher(home.log, home.clock), []
    counts = {SCORED_STREAM: 0, RAW_STREAM: 0}
    keys = [*lake.keys("scored/"), *lake.keys("raw/")]
    for key in keys:
        try:
            for stream, entries in _grouped(key, lake, settings.lanes):
                counts[stream] += publisher.publish(stream, entries)
                progress(len(entries))
        except BadEvent:
            damaged.append(key)
    for key in (key for prefix in COPIED for key in lake.keys(prefix)):
        home.lake.put(key, lake.read(key))
    return Restored(counts[SCORED_STREAM], counts[RAW_STREAM], len(keys), damaged, _carry_over(source, home, target))


def _grouped(key: str, lake: Lake, lanes: int) -> Iterator[tuple[str, list[Entry]]]:
    """The entries of an object; what was read before a damage is handed over, then `BadEvent` comes."""
    found: dict[str, list[Entry]] = {}
    damage: BadEvent | None = None
    try:
        for line in lake.read(key):
            stream, entry = _entry(key, line, lanes)
            found.setdefault(stream, []).append(entry)
    except BadEvent as error:
        damage = error
    yield from found.items()
    if damage is not None:
        raise damage


def _entry(key: str, line: bytes, lanes: int) -> tuple[str, Entry]:
    """Where a line of the lake belongs. What is no event goes back as it is, to be set aside again."""
    if key.startswith(UNREAD):
        record = json.loads(line)
        stream = SCORED_STREAM if record["stream"].endswith(SCORED_STREAM) else RAW_STREAM
        return stream, Entry(record["partition_key"], base64.b64decode(record["data"]))
    stream = SCORED_STREAM if key.startswith("scored/") else RAW_STREAM
    try:
        if stream == RAW_STREAM:
            return stream, Entry(_raw.decode(line).article_id, line)
        event = _scored.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return stream, Entry("restored", line)
    lane = f"{LANE_SEPARATOR}{member_hash(event.event_id) % lanes}" if lanes > 1 else ""
    return stream, Entry(event.subject + lane, line)


def _carry_over(source: Path, home: Home, target: Path) -> int | None:
    """Watch lists, source settings, and the table of companies, as far as they can be read."""
    symbols = source / "symbols.csv"
    if symbols.exists() and target.is_dir():
        shutil.copy2(symbols, target / symbols.name)
    if not (source / "control.db").exists():
        return None
    try:
        control = SqliteControlStore(source / "control.db", home.clock, "normal")
        try:
            found: list[tuple[str, str, Any]] = [
                (kind, name, value) for kind in KINDS for name, value in control.list(kind).items()
            ]
        finally:
            control.close()
    except CandlewickError:
        return None  # damaged too: the answer says that nothing was carried over
    for kind, name, value in found:
        home.control.put(kind, name, value)
    return len(found)


def print_restored(found: Restored, data_dir: str, out: Callable[[str], Any]) -> None:
    """For a person, with what to do next."""
    out(f"{found.scored:,} scored events and {found.raw:,} articles from {found.objects:,} objects of the lake\n")
    for key in found.damaged:
        out(f"damaged    {key}: what stands before the damage was taken\n")
    lost = "control.db cannot be read: watch lists and source settings are to be made again\n"
    out(lost if found.settings is None else f"{found.settings} watch lists and source settings carried over\n")
    out(f"next: candlewick drain --data-dir {data_dir}; candlewick verify --data-dir {data_dir}\n")
