"""`candlewick restore FROM`: a new data directory from the lake of another whose databases are damaged or gone.

Everything the archiver saved goes back onto the streams: scored events first (the first of an id counts, so scores stay
what they were), then articles, which bring back the items; so does what is in batches that were given up on. Verdicts
come from the events' own stamps, so what counted counts again and what did not does not. Nor is it decided anew which
article tells a story: each is claimed with the subjects it has events for before the classifier sees any. An article
without events is the classifier's: it had told nothing, and its story's subjects have their owners, or it had not come
to that yet. Doing it twice is harmless.
"""

import base64
import json
import shlex
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from api.keyring import KIND as SIGNING_KIND
from consumers.classifier.stories import claim_all, claimant_of
from contracts.bucket import LANE_SEPARATOR
from contracts.errors import BadEvent, BadRequest, Transient, Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM, decode_raw
from contracts.generation import FIRST_GENERATION, POINTER, RUN_KIND, live_generation
from contracts.hashing import member_hash
from contracts.instants import iso_ms
from contracts.kinesis import records_of
from contracts.ports import ControlWrite, Entry
from contracts.resolution import FINEST, HOUR_MS, late_from_ms
from contracts.settings import AggregatorSettings
from producers.publish import ASIDE_STREAM as FILE_LINES
from producers.publisher import Publisher
from producers.service import SETTING_KIND, WATCH_KIND
from stores.data_dir import unused
from stores.failed_batches import LAKE_PREFIX
from stores.files_lake import FilesLake
from stores.home import Home
from stores.sqlite_control import SqliteControlStore

UNREAD: Final = "raw/source=unknown/"
#: The stream that rejected lines of sources are filed under.
SOURCE_LINES: Final = "sources"
#: Kept in the lake only: nothing on a stream would bring them back.
COPIED: Final = ("opinions/", f"quarantined/stream={FILE_LINES}/", f"quarantined/stream={SOURCE_LINES}/")
#: Kinds of control documents and files that somebody made; with the signing keys users can reach their lists.
KINDS: Final = (WATCH_KIND, SETTING_KIND, SIGNING_KIND)
FILES: Final = (".env", "symbols.csv")
#: The database, and what was not copied back into it yet.
CONTROL: Final = ("control.db", "control.db-wal")
CLAIMED_AT_ONCE: Final = 500
Text = Annotated[str, msgspec.Meta(max_length=300)]


class Carried(NamedTuple):
    """What control.db held: how many watch lists and source settings, None when it could not be read; the run that was
    live, and its model, None for that of the events."""

    settings: int | None = None
    live_run: str | None = None
    live_model: str | None = None


class Restored(NamedTuple):
    """Records put on the streams; `damaged`: lake objects that could not be read to their end; `altered`: those that
    have other bytes than were written, nobody knows which; then as `Carried`."""

    scored: int
    raw: int
    objects: int
    damaged: list[str]
    altered: list[str]
    settings: int | None
    live_run: str | None
    live_model: str | None


class _Scored(msgspec.Struct):
    subject: Text
    event_id: Text
    article_id: Text


class _Raw(msgspec.Struct):
    article_id: Text


_scored: Final = msgspec.json.Decoder(_Scored)
_raw: Final = msgspec.json.Decoder(_Raw)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOT_OURS: Final = (ValueError, KeyError, TypeError)


def check_places(source: Path, target: str) -> None:
    """Raises `BadRequest` when there is no lake, or no other place to restore it to, `InUse` when a process drives the
    old directory; before anything is made there."""
    if not (source / "lake").is_dir():
        raise BadRequest(f"{source} has no folder `lake`; name the data directory that is to be restored")
    if source.resolve() == Path(target).expanduser().resolve():
        raise BadRequest("a directory is restored into another one: give a new folder with --data-dir")
    with unused(source):
        pass


def restore(
    home: Home,
    settings: AggregatorSettings,
    source: Path,
    progress: Callable[[int], None] = lambda records: None,
    take_altered: bool = False,
) -> Restored:
    """`take_altered`: also what can be read of altered objects, though some of it may never have been. Raises
    `Transient` when log or store refuse, `OSError` when a file may not be read: do it again then; `InUse` when a
    process drives the old directory, whose databases change while they are copied."""
    target = Path(settings.data_dir).expanduser().absolute()
    work = _Restoring(home, FilesLake(source / "lake", settings.synchronous), settings, progress, take_altered)
    with unused(source):
        work.run()
        carried = _carry_over(source, home, target)
    counts = work.counts
    return Restored(
        counts[SCORED_STREAM],
        counts[RAW_STREAM],
        work.objects,
        sorted(work.damaged),
        sorted(work.altered),
        *carried,
    )


class _Restoring:
    """The steps over one lake. `_told`: the subjects every article has events for; `_first`: the record of each that
    came first. One that was fetched again under another headline is known, and tells no other story."""

    def __init__(
        self,
        home: Home,
        lake: FilesLake,
        settings: AggregatorSettings,
        progress: Callable[[int], None],
        take_altered: bool,
    ) -> None:
        self.counts = {SCORED_STREAM: 0, RAW_STREAM: 0}
        self.damaged: set[str] = set()
        self.altered: set[str] = set()
        self._take_altered = take_altered
        self.objects = 0
        self._home, self._lake, self._progress = home, lake, progress
        self._lanes, self._lateness_ms = settings.lanes, settings.allowed_lateness_ms
        self._publisher = Publisher(home.log, home.clock)
        self._told: defaultdict[str, set[str]] = defaultdict(set)
        self._first: dict[str, int] = {}

    def run(self) -> None:
        keys = self._lake.keys
        scored, raw, given_up = keys("scored/"), sorted(keys("raw/"), key=_age), keys(LAKE_PREFIX)
        self.objects = len(scored) + len(raw) + len(given_up)
        for key in (*scored, *keys(UNREAD), *given_up):
            self._publish(key, SCORED_STREAM)
        # Who came too late first: it may have lost subjects to others, and had them before.
        for late in (True, False):
            for key in (*raw, *given_up):
                self._claim(key, late)
        for key in (*raw, *given_up):
            self._publish(key, RAW_STREAM)
        for key in (key for prefix in COPIED for key in keys(prefix)):
            if lines := self._lines(key):
                self._home.lake.put(key, lines)

    def _lines(self, key: str) -> list[bytes]:
        """What can be read of an object, and is to be taken."""
        lines = []
        try:
            for line in self._lake.read(key):
                lines.append(line)
        except BadEvent as error:
            is_cut = isinstance(error.__cause__, EOFError)
            (self.damaged if is_cut else self.altered).add(key)
            return lines if is_cut or self._take_altered else []
        return lines

    def _entries(self, key: str, stream: str) -> Iterator[Entry]:
        """What an object holds of a stream. What could not be read goes back as it is, to be set aside again."""
        for line in self._lines(key):
            try:
                records = [*_records(key, line)]
            except _NOT_OURS:
                self.damaged.add(key)
                continue
            for found, partition_key, data in records:
                if found == stream:
                    unread = Entry(partition_key, data)
                    yield unread if key.startswith(UNREAD) else self._entry(stream, unread)

    def _entry(self, stream: str, unread: Entry) -> Entry:
        """A record under the partition key that its event or article has."""
        try:
            if stream == RAW_STREAM:
                return Entry(_raw.decode(unread.data).article_id, unread.data)
            event = _scored.decode(unread.data)
        except _UNREADABLE:
            return unread
        self._told[event.article_id].add(event.subject)
        lane = f"{LANE_SEPARATOR}{member_hash(event.event_id) % self._lanes}" if self._lanes > 1 else ""
        return Entry(event.subject + lane, unread.data)

    def _publish(self, key: str, stream: str) -> None:
        entries = [*self._entries(key, stream)]
        self.counts[stream] += self._publisher.publish(stream, entries)
        self._progress(len(entries))

    def _claim(self, key: str, late: bool) -> None:
        """Claim an object's articles that have events, with the subjects of these: those that came too late, or all
        others."""
        claimants = []
        for entry in self._entries(key, RAW_STREAM):
            try:
                article = decode_raw(entry.data)
            except BadEvent:
                continue  # the classifier sets it aside
            subjects = tuple(sorted(self._told.get(article.article_id, ())))
            if not subjects or self._first.setdefault(article.article_id, hash(entry.data)) != hash(entry.data):
                continue
            if late == (late_from_ms(article.published_ms, self._lateness_ms) <= article.ingested_ms):
                claimants.append(claimant_of(article, subjects))
        for at in range(0, len(claimants), CLAIMED_AT_ONCE):
            chunk = claimants[at : at + CLAIMED_AT_ONCE]
            if None in claim_all(self._home.control, chunk, self._home.clock.now_ms(), self._lateness_ms):
                raise Transient("control", "stories could not be claimed; run it again")


def _records(key: str, line: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Stream, partition key and bytes of what a line of the lake holds; of a batch of the articles' changes nothing."""
    if key.startswith(UNREAD):
        record = json.loads(line)
        yield _stream(record["stream"]), record["partition_key"], base64.b64decode(record["data"])
    elif key.startswith(LAKE_PREFIX):
        event = json.loads(json.loads(line)["payload"])
        if all("kinesis" in record for record in event["Records"]):
            for record in records_of(event):
                yield _stream(record.stream), record.partition_key, record.data
    else:
        yield SCORED_STREAM if key.startswith("scored/") else RAW_STREAM, "restored", line


def _stream(name: str) -> str:
    return SCORED_STREAM if name.endswith(SCORED_STREAM) else RAW_STREAM


def _age(key: str) -> tuple[str, str]:
    """Objects of all sources by day and place in the log."""
    date, _, name = key.partition("/date=")[2].partition("/")
    return date, name


class _OldControl(SqliteControlStore):
    """The control store of the damaged directory."""

    def writes(self, kind: str) -> dict[str, ControlWrite]:
        """All documents of a kind, to be put with the expiry they have where there are none yet."""
        rows = self._database.read("SELECT name, value, expires_ms FROM documents WHERE kind = ?", (kind,))
        return {
            name: ControlWrite(json.loads(value), 0, expires_ms)
            for name, value, expires_ms in rows
            if not self._expired(expires_ms)
        }


@contextmanager
def _copied(source: Path, home: Home, target: Path) -> Iterator[_OldControl]:
    """The old control store, as a copy: opening one writes, which the old folder may forbid or have no space for."""
    with tempfile.TemporaryDirectory(prefix="restore-", dir=target if target.is_dir() else None) as folder:
        for name in CONTROL:
            if (source / name).exists():
                shutil.copyfile(source / name, Path(folder, name))
        control = _OldControl(Path(folder, CONTROL[0]), home.clock, "normal")
        try:
            yield control
        finally:
            control.close()


def _carry_over(source: Path, home: Home, target: Path) -> Carried:
    """What the operator and the users made, as far as it can be read. What is there by now stays."""
    for name in FILES:
        if (source / name).exists() and target.is_dir() and not (target / name).exists():
            shutil.copy2(source / name, target / name)
    if home.control.get(*POINTER).value is None:
        # Its change log begins anew: whoever followed the old one loads afresh, as after a swap.
        home.control.put(*POINTER, {"generation": FIRST_GENERATION, "swapped_at": iso_ms(home.clock.now_ms())})
    if not (source / CONTROL[0]).exists():
        return Carried()
    try:
        with _copied(source, home, target) as control:
            found = {kind: control.writes(kind) for kind in KINDS}
            live, runs = live_generation(control), control.list(RUN_KIND).values()
    except (Unusable, ValueError):
        return Carried()  # damaged too: the answer says that nothing was carried over
    for kind, writes in found.items():
        home.control.put_many(kind, writes)
    unknown = {} if live == FIRST_GENERATION else {"id": live}
    run = next((run for run in runs if run["generation"] == live), unknown)
    settings = len(found[WATCH_KIND]) + len(found[SETTING_KIND])
    return Carried(settings, run.get("id"), run.get("model"))


def next_steps(settings: AggregatorSettings) -> list[str]:
    """The commands that make candles of what was restored. With TTLs the aggregator judges by the clock: what is past
    its own counts only while they are off."""
    place = shlex.quote(settings.data_dir)
    drain = f"candlewick drain --data-dir {place}"
    return [f"CANDLEWICK_EXPIRE=false {drain}" if settings.expire else drain, f"candlewick verify --data-dir {place}"]


def print_restored(found: Restored, settings: AggregatorSettings, out: Callable[[str], Any]) -> None:
    """For a person, with what to do next."""
    out(f"{found.scored:,} scored events and {found.raw:,} articles from {found.objects:,} objects of the lake\n")
    for key in found.damaged:
        out(f"damaged    {key}: what stands before the damage was taken\n")
    for key in found.altered:
        out(f"altered    {key}: some of its records may never have been, nobody knows which\n")
    if found.altered:
        out("of what was altered nothing is taken, or with --take-altered what can be read (run it again with that)\n")
    lost = "control.db cannot be read: watch lists and source settings are to be made again\n"
    out(lost if found.settings is None else f"{found.settings} watch lists and source settings carried over\n")
    out(f"next, before `up`: {'; '.join(next_steps(settings))}\n")
    if settings.expire:
        out(f"without that setting what is over {FINEST.ttl_ms // HOUR_MS} hours old is set aside as expired\n")
    if found.live_run:
        scores = f"the scores of {found.live_model}" if found.live_model else "the scores the events came with"
        out(f"runs are not carried over; {found.live_run} was live, with {scores}: replay and promote it again\n")
