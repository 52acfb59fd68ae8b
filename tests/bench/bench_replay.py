"""`make bench-replay`: a million scored events of 13 subjects from the lake into a fresh embedded generation.

    python -m tests.bench.bench_replay [--events 1000000 10000000] [--days 30] [--concurrency 2]

Times the real command line, wall clock and CPU of all its processes, beside the live path's throughput on the same
events, and writes build/bench/replay.json. Proof that the work was done: every event is counted in the buckets, and a
sample day of every size is compared with the independent oracle.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from aggregation.service import Aggregator
from contracts.events import SCORED_STREAM
from contracts.instants import date_of, iso_ms
from contracts.ports import Record
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from stores.files_lake import FilesLake
from stores.home import forget_homes, open_home
from tests import oracle
from tests.bench.report import write
from tests.e2e.harness import CANDLEWICK, environment
from tests.fakes.kinesis import batch_of
from tests.fakes.log import SHARD

SUBJECTS = (
    "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "BRK.B", "JPM", "V", "UNH", "XOM", "tag:ai-regulation",
)  # fmt: skip
BASE_MS = 1_764_547_200_000
OBJECT_RECORDS = 10_000
LIVE_EVENTS = 200_000
LIVE_BATCH = 10_000
BAR_SECONDS = 20.0


def made(events: int, days: int) -> Any:
    """(arrival, record) of evenly arriving news, some of it late by minutes or hours."""
    rnd = random.Random(1)
    encode = msgspec.json.encode
    for number in range(events):
        at_ms = BASE_MS + days * DAY_MS * number // events
        event_ms = at_ms - rnd.choice((0, 0, 0, rnd.randrange(600_000), rnd.randrange(7_200_000)))
        polarity = rnd.randrange(-10_000, 10_001) / 10_000
        subject = rnd.choice(SUBJECTS)
        article = f"finnhub#{rnd.getrandbits(64):016x}"
        label = "positive" if polarity > 0.15 else "negative" if polarity < -0.15 else "neutral"
        yield at_ms, encode(
            {
                "schema": "scored-article/1", "event_id": f"{article}@{subject}", "article_id": article,
                "subject": subject, "source": rnd.choice(("rss", "finnhub", "tiingo")), "event_time": iso_ms(event_ms),
                "ingested_at": iso_ms(at_ms), "scored_at": iso_ms(at_ms + 400), "label": label,
                "confidence": abs(polarity), "polarity": polarity, "model_version": "minilm-news-1",
            }
        )  # fmt: skip


def fill_lake(folder: Path, events: int, days: int) -> None:
    """As the archiver writes it: one object a batch and day."""
    lake = FilesLake(folder / "lake", "normal")
    batch: list[bytes] = []
    date, first = "", 0
    for number, (at_ms, record) in enumerate(made(events, days)):
        if batch and (len(batch) == OBJECT_RECORDS or date_of(at_ms) != date):
            _object(lake, date, first, batch)
            batch, first = [], number
        date = date_of(at_ms)
        batch.append(record)
    _object(lake, date, first, batch)


def _object(lake: FilesLake, date: str, first: int, batch: list[bytes]) -> None:
    ends = (f"49{number:034d}{1:020d}" for number in (first, first + len(batch) - 1))
    lake.put(f"scored/date={date}/shardId-000000000000-{'-'.join(ends)}.jsonl.gz", batch)


def timed(*arguments: str) -> tuple[dict[str, Any], float, float]:
    """A command's last JSON line, its wall seconds, and the CPU seconds of it and its workers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run([*CANDLEWICK, *arguments], capture_output=True, env=environment(), check=False)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout.splitlines()[-1]), seconds, cpu


def measure(events: int, days: int, concurrency: int) -> dict[str, Any]:
    """Plan and run one size in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="bench-replay-"))
    try:
        open_home(AggregatorSettings(data_dir=str(folder)))
        forget_homes()
        fill_lake(folder, events, days)
        place = ("--json", "--data-dir", str(folder))
        plan, plan_s, plan_cpu_s = timed("replay", "plan", "--source", "lake", *place)
        run, run_s, run_cpu_s = timed("replay", "run", plan["plan"], "--concurrency", str(concurrency), *place)
        _check(folder, run, events, days)
        return {
            "events": events,
            "days": days,
            "buckets": run["counts"]["buckets"],
            "plan_s": round(plan_s, 2),
            "plan_cpu_s": round(plan_cpu_s, 2),
            "run_s": round(run_s, 2),
            "run_cpu_s": round(run_cpu_s, 2),
            "run_s_if_the_cores_were_free": round(run_cpu_s / concurrency, 2),
            "events_per_s": round(events / run_s),
            "events_per_cpu_s": round(events / run_cpu_s),
            "digest": run["digest"],
        }
    finally:
        forget_homes()
        shutil.rmtree(folder)


def _check(folder: Path, run: dict[str, Any], events: int, days: int) -> None:
    home = open_home(AggregatorSettings(data_dir=str(folder)))
    generation = run["generation"]
    counted = sum(
        bucket.summary.count
        for subject in SUBJECTS
        for bucket in home.buckets.range(generation, subject, "24h", limit=100_000)
    )
    assert counted == events == run["counts"]["counted"], f"{counted} of {events} events are counted"
    day_ms = BASE_MS + (days // 2) * DAY_MS
    sample = [json.loads(record) for at, record in made(events, days) if day_ms - DAY_MS <= at < day_ms + 2 * DAY_MS]
    expected = {
        key: fields
        for key, fields in oracle.buckets(sample).items()
        if key[0] in SUBJECTS[:2] and day_ms <= key[2] < day_ms + DAY_MS
    }
    stored = {
        tuple(bucket.key): oracle.fields_of(bucket)
        for subject in SUBJECTS[:2]
        for resolution in oracle.WIDTHS_S
        for bucket in home.buckets.range(generation, subject, resolution, day_ms, day_ms + DAY_MS, 10_000)
    }
    assert stored == expected, "a day differs from the oracle"


def live_path(days: int) -> dict[str, Any]:
    """The aggregator over the same kind of events, in batches of 10,000 with guards and change log."""
    folder = Path(tempfile.mkdtemp(prefix="bench-live-"))
    try:
        settings = AggregatorSettings(data_dir=str(folder))
        home = open_home(settings)
        service = Aggregator(home.buckets, home.control, home.lake, home.clock, settings)
        share = days * LIVE_EVENTS // 1_000_000
        records = [
            Record(str(number + 1), "", record, at_ms)
            for number, (at_ms, record) in enumerate(made(LIVE_EVENTS, max(1, share)))
        ]
        batches = [batch_of(SCORED_STREAM, records[at : at + LIVE_BATCH]) for at in range(0, len(records), LIVE_BATCH)]
        began, cpu = time.monotonic(), time.process_time()
        for batch in batches:
            service.process(SHARD, batch, {})
        seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu
        return {
            "events": LIVE_EVENTS,
            "events_per_s": round(LIVE_EVENTS / seconds),
            "events_per_cpu_s": round(LIVE_EVENTS / cpu_s),
        }
    finally:
        forget_homes()
        shutil.rmtree(folder)


def main() -> None:
    """Measure every size asked for; more than one tells how time grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--days", type=int, default=30, help="days a million events are spread over")
    parser.add_argument("--concurrency", type=int, default=min(2, os.cpu_count() or 1))
    asked = parser.parse_args()
    sizes = [
        measure(events, max(1, asked.days * events // 1_000_000), asked.concurrency) for events in sorted(asked.events)
    ]
    least = sizes[0]
    document: dict[str, Any] = {
        "bar": f"1,000,000 events in {BAR_SECONDS:.0f} s on 2 cores",
        "concurrency": asked.concurrency,
        "replay": sizes,
        "live_path": live_path(asked.days),
    }
    if len(sizes) > 1:
        document["cpu_per_event_grows_by"] = {
            str(size["events"]): round(least["events_per_cpu_s"] / size["events_per_cpu_s"], 3) for size in sizes
        }
    write("replay", document)


if __name__ == "__main__":
    main()
