"""A home with news in it, and the live line in miniature: the real aggregator and archiver, one step at a time."""

import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

from aggregation.handover import Handover
from aggregation.service import Aggregator
from consumers.archiver.service import Archiver
from contracts.clock import ManualClock
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import FIRST_GENERATION, live_generation
from contracts.kinesis import StreamRecord
from contracts.ports import Entry, Position, Record
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import Checkpoint, Checkpoints
from ops.replay.compare import Limits, compare
from ops.replay.plan import Plan, Wish, make_plan, save_plan
from ops.replay.promote import promote
from ops.replay.run import Drive, Seen, start_run
from stores.home import Home, open_home
from tests import oracle
from tests.events import scored
from tests.fakes.kinesis import batch_of


def settings_of(folder: Path, **more: Any) -> AggregatorSettings:
    return AggregatorSettings(data_dir=str(folder), synchronous="normal", **more)


def home_of(folder: Path) -> Home:
    return open_home(settings_of(folder))


def put(home: Home, events: Iterable[dict[str, Any]]) -> None:
    """Scored events onto the stream."""
    rows = [Entry(event["subject"], json.dumps(event).encode()) for event in events]
    for at in range(0, len(rows), 500):
        home.log.put_records(SCORED_STREAM, rows[at : at + 500])


def put_raw(home: Home, articles: Iterable[dict[str, Any]]) -> None:
    rows = [Entry(article["article_id"], json.dumps(article).encode()) for article in articles]
    for at in range(0, len(rows), 500):
        home.log.put_records(RAW_STREAM, rows[at : at + 500])


def raw(number: int, title: str, published_at: str = "2025-12-21T12:00:00.000Z") -> dict[str, Any]:
    """The raw article of `tests.events.scored(number, …)`."""
    return {
        "schema": "raw-article/1", "article_id": f"test#{number:016x}", "source": "rss", "title": title, "snippet": "",
        "published_at": published_at, "ingested_at": published_at, "tickers": ["AAPL"],
    }  # fmt: skip


class Live:
    """The aggregator and the archiver of a home, driven by hand; checkpoints as the driver keeps them."""

    def __init__(self, home: Home, settings: AggregatorSettings) -> None:
        self.home = home
        self.aggregator = Aggregator(home.buckets, home.control, home.lake, home.clock, settings)
        self._archiver = Archiver(home.lake)

    def aggregate(self, limit: int = 10_000) -> int:
        """One batch of every shard; how many records."""
        process = self.aggregator.process
        do = lambda shard, page: process(shard, batch_of(SCORED_STREAM, page, shard), {})  # noqa: E731
        return self._step("aggregator", limit, do)

    def archive(self, limit: int = 10_000) -> int:
        archive = self._archiver.archive
        return self._step("archiver-scored", limit, lambda shard, page: archive(stream_records(shard, page)))

    def all(self, batch: int = 700) -> None:
        while self.aggregate(batch):
            pass
        while self.archive(batch):
            pass

    def _step(self, mapping: str, limit: int, do: Any) -> int:
        checkpoints = Checkpoints(self.home.control, mapping)
        count = 0
        for shard in self.home.log.shards(SCORED_STREAM):
            done_with = checkpoints.load(shard.shard_id).sequence_number
            start = Position("AFTER_SEQUENCE_NUMBER", done_with) if done_with else Position("TRIM_HORIZON")
            page = self.home.log.get_records(self.home.log.iterator(SCORED_STREAM, shard.shard_id, start), limit)
            if page.records:
                do(shard.shard_id, page.records)
                checkpoints.save(shard.shard_id, Checkpoint(page.records[-1].sequence_number))
                count += len(page.records)
        return count


def pass_by(home: Home, count: int) -> None:
    """The aggregator says it has done the first records of a shard, and has not."""
    for shard in home.log.shards(SCORED_STREAM):
        first = home.log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON"))
        if records := home.log.get_records(first, count).records:
            Checkpoints(home.control, "aggregator").save(shard.shard_id, Checkpoint(records[-1].sequence_number))


def stream_records(shard_id: str, records: Sequence[Record], stream: str = SCORED_STREAM) -> list[StreamRecord]:
    return [
        StreamRecord(stream, shard_id, each.sequence_number, 0, each.partition_key, each.data, each.arrival_ms)
        for each in records
    ]


def archive_raw(home: Home) -> None:
    for shard in home.log.shards(RAW_STREAM):
        page = home.log.get_records(home.log.iterator(RAW_STREAM, shard.shard_id, Position("TRIM_HORIZON")))
        if page.records:
            Archiver(home.lake).archive(stream_records(shard.shard_id, page.records, RAW_STREAM))


def alter(path: Path, before: bytes, after: bytes) -> bytes:
    """A damaged disk: a gzip file reads on, with other content, and only the checksum at its end tells. Returns what it
    was."""
    whole = path.read_bytes()
    pack = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = pack.compress(gzip.decompress(whole).replace(before, after, 1)) + pack.flush()
    path.write_bytes(whole[:10] + body + whole[-8:])
    return whole


def planned(home: Home, settings: AggregatorSettings, **wish: Any) -> Plan:
    plan = make_plan(home, settings, Wish(**wish))
    save_plan(home, plan)
    return plan


def ignore(seen: Seen) -> None:
    """Nobody watches."""


def replayed(home: Home, settings: AggregatorSettings, drive: Drive = Drive(concurrency=1), **wish: Any) -> dict:  # noqa: B008
    """Plan and run; the run's document."""
    return start_run(home, settings, planned(home, settings, **wish), drive, ignore)


def compared(home: Home, run: dict[str, Any], **limits: float) -> dict[str, Any]:
    """The comparison of a run with what is live, which `promote` asks for."""
    return compare(home, live_generation(home.control), run["generation"], limits=Limits(**limits))


def one_replayed(folder: Path, at_ms: int) -> tuple[Home, AggregatorSettings, Live, dict[str, Any]]:
    """A home whose minutes expire, with one event of an instant, and the run that has replayed it."""
    settings = settings_of(folder, expire=True)
    home = open_home(settings, ManualClock(at_ms))
    live = Live(home, settings)
    put(home, [scored(9, "AAPL", at_ms, 0.5, at_ms)])
    live.all()
    return home, settings, live, replayed(home, settings)


def promote_cut_short(live: Live, settings: AggregatorSettings, run: dict[str, Any], late: list[Any]) -> None:
    """A promote whose process died before its last step; what arrived during the swap went to the old generation."""
    compared(live.home, run)
    with mock.patch.object(Handover, "settle", return_value=False):
        promote(live.home, settings, run["id"])
    put(live.home, late)
    with mock.patch("aggregation.service.live_generation", return_value=FIRST_GENERATION):
        live.all()


def fields(home: Home, generation: str | None = None) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Every bucket of a generation (the live one) in the oracle's terms."""
    name = generation or live_generation(home.control)
    return {tuple(bucket.key): oracle.fields_of(bucket) for bucket in home.buckets.scan(name)}


def expired_minutes(
    home: Home, settings: AggregatorSettings, clock: ManualClock, deleted: bool
) -> list[dict[str, Any]]:
    """Four events of one minute: three counted in time; days later, the minute past its TTL or `deleted` by it, the
    first comes again and the last for the first time."""
    events = [scored(number, "AAPL", clock.now_ms() - number * 1_000, 0.5, clock.now_ms()) for number in range(4)]
    put(home, events[:3])
    Live(home, settings).all()
    clock.advance(3 * DAY_MS)
    if deleted:
        with closing(sqlite3.connect(Path(settings.data_dir) / "buckets.db")) as file, file:
            file.execute("DELETE FROM buckets WHERE resolution IN ('1m', '5m')")
    put(home, [events[0], events[3]])
    Live(home, settings).all()
    return events
