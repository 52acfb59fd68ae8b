"""The engine's job: a million news lines, each with the time it was ingested, and the exact answer.

Where the peers' generator is at hand its very lines are used, else lines of the same shape (`engine_events`). A line's
ingestion stamp is its arrival time.
"""

import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal

import msgspec
from xxhash import xxh3_128_intdigest

from aggregation.event import Source, Subject, Version
from contracts.instants import iso_ms
from tests.bench.engine_events import T0_MS, news
from tests.bench.report import FOLDER
from tests.oracle import WIDTHS_S, to_ms

DAY_MS: Final = 86_400_000
JOBS: Final = FOLDER.parent / "jobs"
Fact = tuple[tuple[str, str, int], tuple[Any, ...]]


class JobEvent(msgspec.Struct, Generic[Subject, Source, Version], frozen=True, gc=False):
    """The job's line under the engine's names; same checks as `aggregation.event.Event`."""

    event_id: Annotated[str, msgspec.Meta(min_length=3, max_length=300)] = msgspec.field(name="article_id")
    subject: Subject = msgspec.field(name="ticker")
    event_time: str
    ingested_at: Annotated[datetime, msgspec.Meta(tz=True)]
    polarity: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)] = msgspec.field(name="score")
    label: Literal["positive", "neutral", "negative"]
    source: Source
    model_version: Version


def _lines(peers: Path | None, count: int, subjects: int) -> Iterator[str]:
    """JSON lines without stamps, in order of arrival."""
    if peers is None:
        for _, event in news(count, subjects):
            yield json.dumps(event, separators=(",", ":")) + "\n"
        return
    spec = importlib.util.spec_from_file_location("peers_gen", peers / "gen.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield from module.events(count, subjects, 7, 24)


def job(peers: Path | None, count: int, subjects: int) -> Path:
    """The input file, made once; the same lines without stamps, for the peers, stand beside it as `.plain`."""
    JOBS.mkdir(parents=True, exist_ok=True)
    path = JOBS / f"{'own' if peers is None else 'job'}-{subjects}-{count}.jsonl"
    if path.exists():
        return path
    step_ms = DAY_MS / count
    with path.with_suffix(".part").open("w") as stamped, path.with_suffix(".plain").open("w") as plain:
        for number, line in enumerate(_lines(peers, count, subjects)):
            plain.write(line)
            stamped.write(f'{line[:-2]},"ingested_at":"{iso_ms(T0_MS + int(number * step_ms))}"}}\n')
    path.with_suffix(".part").rename(path)
    return path


def expected(path: Path, count: int | None = None) -> str:
    """The digest of the exact answer to a job's first `count` lines; worked out once and kept."""
    kept = path.with_suffix(f".answer-{count or 'all'}")
    if not kept.exists():
        text = digest(_answer(path, count))
        kept.write_text(text)
    return kept.read_text()


def _answer(path: Path, count: int | None) -> Iterator[Fact]:
    """What every bucket must be, from the plain lines alone, by sorting and counting: nothing of the engine is used."""
    seen: set[tuple[str, str]] = set()
    events = []
    with path.with_suffix(".plain").open() as lines:
        for line in islice(lines, count):
            event = json.loads(line)
            if (event["ticker"], event["article_id"]) not in seen:
                seen.add((event["ticker"], event["article_id"]))
                events.append((to_ms(event["event_time"]), event["article_id"], round(event["score"] * 10_000),
                               event["label"], event["source"], event["ticker"]))  # fmt: skip
    events.sort()
    for name, width_s in WIDTHS_S.items():
        windows: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        for event in events:
            windows[event[5], event[0] // (width_s * 1000) * width_s * 1000].append(event)
        for (subject, start_ms), rows in windows.items():
            scores, labels = [row[2] for row in rows], [row[3] for row in rows]
            yield (subject, name, start_ms), (
                scores[0], max(scores), min(scores), scores[-1], len(rows), sum(scores), labels.count("positive"),
                labels.count("neutral"), labels.count("negative"), tuple(sorted({row[4] for row in rows})),
            )  # fmt: skip


def facts(buckets: Iterable[Any]) -> Iterator[Fact]:
    """Buckets in the answer's fields."""
    for bucket in buckets:
        s = bucket.summary
        yield (bucket.subject, bucket.resolution, bucket.start_ms), (
            s.open_e4, s.high_e4, s.low_e4, s.close_e4, s.count, s.sum_e4, s.positive, s.neutral, s.negative, s.sources,
        )  # fmt: skip


def digest(rows: Iterable[Fact]) -> str:
    """One hash of a whole result, in whatever order it comes: the sum of its rows' hashes, and how many there are."""
    encode = msgspec.msgpack.encode
    total = count = 0
    for row in rows:
        total += xxh3_128_intdigest(encode(row))
        count += 1
    return f"{total % (1 << 128):032x}-{count}"
