"""`candlewick restore FROM`: a new data directory from the lake of another whose databases are damaged or gone.

Everything the archiver saved goes back onto the streams: scored events first (the first of an id counts, so scores stay
what they were), then articles, which bring back the items. Verdicts come from the events' own stamps, so what counted
counts again and what did not does not. Nor is it decided anew which article tells a story: each is claimed with the
subjects it has events for before the classifier sees it. Doing it twice is harmless.
"""

import base64
import json
import shlex
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from consumers.classifier.stories import Claimant, claim_all
from contracts.bucket import LANE_SEPARATOR
from contracts.errors import BadEvent, BadRequest, CandlewickError, Transient
from contracts.events import RAW_STREAM, SCORED_STREAM, decode_raw
from contracts.hashing import member_hash
from contracts.ports import Entry
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
CLAIMED_AT_ONCE: Final = 500
Text = Annotated[str, msgspec.Meta(max_length=300)]


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
    article_id: Text


class _Raw(msgspec.Struct):
    article_id: Text


_scored: Final = msgspec.json.Decoder(_Scored)
_raw: Final = msgspec.json.Decoder(_Raw)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_places(source: Path, target: str) -> None:
    """Raises `BadRequest` when there is no lake, or no other place to restore it to; before anything is made there."""
    if not (source / "lake").is_dir():
        raise BadRequest(f"{source} has no folder `lake`; name the data directory that is to be restored")
    if source.absolute() == Path(target).expanduser().absolute():
        raise BadRequest("a directory is restored into another one: give a new folder with --data-dir")


def restore(
    home: Home, settings: AggregatorSettings, source: Path, progress: Callable[[int], None] = lambda records: None
) -> Restored:
    """Raises `Transient` when log or store refuse: do it again then."""
    target = Path(settings.data_dir).expanduser().absolute()
    work = _Restoring(home, FilesLake(source / "lake", settings.synchronous), settings.lanes, progress)
    work.run()
    counts = work.counts
    return Restored(
        counts[SCORED_STREAM],
        counts[RAW_STREAM],
        work.objects,
        sorted(work.damaged),
        _carry_over(source, home, target),
    )


class _Restoring:
    """The steps over one lake. `_told`: the subjects every article has events for."""

    def __init__(self, home: Home, lake: FilesLake, lanes: int, progress: Callable[[int], None]) -> None:
        self.counts = {SCORED_STREAM: 0, RAW_STREAM: 0}
        self.damaged: set[str] = set()
        self.objects = 0
        self._home, self._lake, self._lanes, self._progress = home, lake, lanes, progress
        self._publisher = Publisher(home.log, home.clock)
        self._told: defaultdict[str, set[str]] = defaultdict(set)

    def run(self) -> None:
        raw = sorted(self._lake.keys("raw/"), key=_age)
        scored = self._lake.keys("scored/")
        self.objects = len(raw) + len(scored)
        for key in scored:
            self._publish(key)
        for owners in (True, False):  # who has events is first, whatever the order of the lake
            for key in raw:
                self._claim(key, owners)
        for key in raw:
            self._publish(key)
        for key in (key for prefix in COPIED for key in self._lake.keys(prefix)):
            self._home.lake.put(key, self._lake.read(key))

    def _lines(self, key: str) -> Iterator[bytes]:
        """What can be read of an object."""
        try:
            yield from self._lake.read(key)
        except BadEvent:
            self.damaged.add(key)

    def _publish(self, key: str) -> None:
        found: dict[str, list[Entry]] = {}
        for line in self._lines(key):
            stream, entry = self._entry(key, line)
            found.setdefault(stream, []).append(entry)
        for stream, entries in found.items():
            self.counts[stream] += self._publisher.publish(stream, entries)
            self._progress(len(entries))

    def _entry(self, key: str, line: bytes) -> tuple[str, Entry]:
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
        except _UNREADABLE:
            return stream, Entry("restored", line)
        self._told[event.article_id].add(event.subject)
        lane = f"{LANE_SEPARATOR}{member_hash(event.event_id) % self._lanes}" if self._lanes > 1 else ""
        return stream, Entry(event.subject + lane, line)

    def _claim(self, key: str, owners: bool) -> None:
        """Claim an object's articles that have events (`owners`), or those that have none, with nothing."""
        if key.startswith(UNREAD):
            return
        claimants = []
        for line in self._lines(key):
            try:
                article = decode_raw(line)
            except BadEvent:
                continue  # the classifier sets it aside
            subjects = tuple(sorted(self._told.get(article.article_id, ())))
            if bool(subjects) == owners:
                times = (article.published_ms, article.ingested_ms)
                claimants.append(Claimant(article.article_id, article.title, article.source, *times, subjects))
        for at in range(0, len(claimants), CLAIMED_AT_ONCE):
            chunk = claimants[at : at + CLAIMED_AT_ONCE]
            if None in claim_all(self._home.control, chunk, self._home.clock.now_ms()):
                raise Transient("control", "stories could not be claimed; run it again")


def _age(key: str) -> tuple[str, str]:
    """Objects of all sources by day and place in the log."""
    date, _, name = key.partition("/date=")[2].partition("/")
    return date, name


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
    place = shlex.quote(data_dir)
    out(f"next: candlewick drain --data-dir {place}; candlewick verify --data-dir {place}\n")
