"""The engine's job: the peers' million events, each with the time it was ingested, and the exact answer.

The input has the shape and statistics of the peers' generator (5 % re-delivered, 10 % up to 90 s and 0.5 % up to 3 h
out of order); where that generator is at hand its very lines are used. A line's ingestion stamp is its arrival time.
"""

import hashlib
import importlib.util
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from contracts.instants import iso_ms
from tests.bench.report import FOLDER
from tests.oracle import WIDTHS_S, to_ms

T0_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z
DAY_MS = 86_400_000
JOBS = FOLDER.parent / "jobs"


class JobEvent(msgspec.Struct, frozen=True, gc=False):
    """The peers' line under the engine's names; same checks as `aggregation.event.Event`."""

    event_id: Annotated[str, msgspec.Meta(min_length=3, max_length=300)] = msgspec.field(name="article_id")
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=54)] = msgspec.field(name="ticker")
    event_time: str
    ingested_at: Annotated[datetime, msgspec.Meta(tz=True)]
    polarity: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)] = msgspec.field(name="score")
    label: Literal["positive", "neutral", "negative"]
    source: str
    model_version: str


def _generator(peers: Path) -> Any:
    spec = importlib.util.spec_from_file_location("peers_gen", peers / "gen.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peer_lines(peers: Path, count: int, subjects: int) -> Iterator[str]:
    """The peers' own lines, unstamped."""
    yield from _generator(peers).events(count, subjects, 7, 24)


def job(peers: Path, count: int, subjects: int) -> Path:
    """The input file, made once; the plain peers' file stands beside it as `.plain`."""
    JOBS.mkdir(parents=True, exist_ok=True)
    path = JOBS / f"job-{subjects}-{count}.jsonl"
    if path.exists():
        return path
    step_ms = DAY_MS / count
    with path.with_suffix(".part").open("w") as stamped, path.with_suffix(".plain").open("w") as plain:
        for number, line in enumerate(peer_lines(peers, count, subjects)):
            plain.write(line)
            stamped.write(f'{line[:-2]},"ingested_at":"{iso_ms(T0_MS + int(number * step_ms))}"}}\n')
    path.with_suffix(".part").rename(path)
    return path


def answer(path: Path) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """What every bucket must be, from the plain lines alone; computed once and kept."""
    kept = path.with_suffix(".answer")
    if kept.exists():
        with kept.open("rb") as file:
            found: dict[tuple[str, str, int], tuple[Any, ...]] = pickle.load(file)
        return found
    seen: set[tuple[str, str]] = set()
    events = []
    for line in path.with_suffix(".plain").open():
        event = json.loads(line)
        if (event["ticker"], event["article_id"]) not in seen:
            seen.add((event["ticker"], event["article_id"]))
            events.append((to_ms(event["event_time"]), event["article_id"], round(event["score"] * 10_000),
                           event["label"], event["source"], event["ticker"]))  # fmt: skip
    events.sort()
    found = {}
    for name, width_s in WIDTHS_S.items():
        windows: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        for event in events:
            windows[event[5], event[0] // (width_s * 1000) * width_s * 1000].append(event)
        for (subject, start_ms), rows in windows.items():
            scores, labels = [row[2] for row in rows], [row[3] for row in rows]
            found[subject, name, start_ms] = (
                scores[0], max(scores), min(scores), scores[-1], len(rows), sum(scores), labels.count("positive"),
                labels.count("neutral"), labels.count("negative"), tuple(sorted({row[4] for row in rows})),
            )  # fmt: skip
    with kept.open("wb") as file:
        pickle.dump(found, file)
    return found


def facts(bucket: Any) -> tuple[Any, ...]:
    """A bucket in the answer's fields."""
    s = bucket.summary
    return (s.open_e4, s.high_e4, s.low_e4, s.close_e4, s.count, s.sum_e4, s.positive, s.neutral, s.negative, s.sources)


def digest(stored: dict[Any, Any]) -> str:
    """One hash of a whole result."""
    rows = hashlib.sha256()
    for key in sorted(stored):
        rows.update(repr((tuple(key), facts(stored[key]))).encode())
    return rows.hexdigest()


EVENTS_4M = 4_000_000


def plain_job(peers: Path, count: int) -> Path:
    """The peers' file without stamps, for their own programs."""
    return job(peers, count, 13).with_suffix(".plain")
