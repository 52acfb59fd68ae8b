"""`make soak MINUTES=30`: the line under steady load with a thousand watchers, then ten times as much for a minute.

Prints and keeps: memory of the process over time and its slope, lag, the age of items when they reach a watcher, and
the time to recover from the burst. Fails on a missed or duplicated event: every client against the log, every bucket
against the oracle. With `--keep` the run becomes one of docs/soak.json and docs/soak.md.
"""

import argparse
import asyncio
import itertools
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aggregation.event import decode
from contracts.errors import BadEvent
from contracts.events import SCORED_STREAM
from contracts.ports import EventLog, Position
from contracts.settings import AggregatorSettings
from stores.home import Home, open_home
from tests import oracle
from tests.bench.report import machine, percentile, rss_bytes
from tests.e2e.chaos_scene import stored_by_oracle_key
from tests.e2e.harness import CANDLEWICK, ROOT, Up, answer, candlewick, environment
from tests.e2e.soak_clients import MASK, Crowd, digest_of
from tests.e2e.soak_feed import subjects
from tests.e2e.soak_page import page

LOOK_EVERY_S = 2.0
PAGE_RECORDS = 10_000
#: By then, of 30 minutes, all that happens now and then has happened: streams have ended as planned and come back
#: (their lifetime is a quarter of an hour, give or take a fifth), and the finaliser has looked back a whole one.
WARM_UP = 2 / 3
QUIET_S = 1.0
MINUTE_S = 60.0
#: Stages that gather batches for five seconds on purpose: that is not lag.
GATHERING = "archiver"
RESULTS = ROOT / "docs" / "soak.json"
PAGE = ROOT / "docs" / "soak.md"


class Load(NamedTuple):
    """What is asked of the line. Streams end as planned after `lifetime_s`, and their clients come back."""

    minutes: float = 30.0
    rate_per_s: float = 200.0
    clients: int = 1_000
    burst_s: float = 60.0
    burst_times: float = 10.0
    lifetime_s: float = 900.0


class Sample(NamedTuple):
    """The process at an instant: seconds since the start, resident bytes, CPU seconds, the slowest stage's lag, and
    what of its memory is in use (`measured_up`)."""

    at_s: float
    rss: int
    cpu_s: float
    behind_ms: int
    python_blocks: int = 0
    malloc_bytes: int = 0


class Sampler:
    """Looks at the process every two seconds."""

    def __init__(self, up: Up, in_use: Path) -> None:
        self._up = up
        self._in_use = in_use
        self._began = time.monotonic()
        self.samples: list[Sample] = []

    def look(self) -> Sample:
        status = self._up.get("/api/v2/status")
        pid = self._up.process.pid
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        behind_ms = max(s["behind_ms"] for s in status["stages"] if not s["name"].startswith(GATHERING))
        used = json.loads(self._in_use.read_text())
        self.samples.append(Sample(time.monotonic() - self._began, rss_bytes(pid), cpu_s, behind_ms, **used))
        return self.samples[-1]

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_idle(self) -> float:
        """Seconds until every stage has been at the tip for two looks."""
        began, idle = time.monotonic(), 0
        while idle < 2:
            sample = await asyncio.to_thread(self.look)
            idle = idle + 1 if sample.behind_ms == 0 else 0
            await asyncio.sleep(0.25)
        return time.monotonic() - began


class Feed:
    """The publisher's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, data: Path) -> "Feed":
        command = [sys.executable, "-m", "tests.e2e.soak_feed", str(data)]
        pipe = asyncio.subprocess.PIPE
        feed = cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment()))
        await feed.publish(0, 0)  # it is up
        return feed

    async def publish(self, rate: float, seconds: float) -> int:
        """Articles published so far, when that is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{rate} {seconds}\n".encode())
        answered = await self._process.stdout.readline()
        assert answered, "the publisher died"
        return int(answered)

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


def after_warm_up(samples: list[Sample]) -> list[Sample]:
    """The last part of a stretch."""
    first_s, last_s = samples[0].at_s, samples[-1].at_s
    return [s for s in samples if s.at_s >= first_s + WARM_UP * (last_s - first_s)]


def slope_per_hour(samples: list[Sample], of: Callable[[Sample], float]) -> tuple[float, float]:
    """Least squares over what a sample says of memory, after the warm-up, and the standard error of that.

    Memory goes in steps, and what it is in one minute it is in the next: it is a walk, not noise around a line. The
    least-squares slope of a walk of n steps with standard deviation s has the standard error s √(6/5n) (Durlauf and
    Phillips, Trends versus Random Walks, 1988); the steps are those from minute to minute. Where it is noise around a
    line after all, that is too much, never too little."""
    kept = after_warm_up(samples)
    at, memory = [s.at_s for s in kept], [of(s) for s in kept]
    slope = statistics.linear_regression(at, memory).slope if len(kept) > 1 else 0.0
    every_minute = {int((s.at_s - samples[0].at_s) // MINUTE_S): of(s) for s in kept}  # its last
    steps = [after - before for before, after in itertools.pairwise(every_minute.values())]
    error = statistics.stdev(steps) * math.sqrt(6 / 5 / len(steps)) / MINUTE_S if len(steps) > 1 else math.inf
    return slope * 3600, error * 3600


def slope_of(samples: list[Sample], of: Callable[[Sample], float]) -> dict[str, float | None]:
    """The same, rounded, by name."""
    slope, error = slope_per_hour(samples, of)
    return {"per_hour": round(slope, 2), "error": None if math.isinf(error) else round(error, 2)}


def tenths(samples: list[Sample]) -> list[list[Sample]]:
    """A stretch in ten parts, or as many as there are samples."""
    size = -(-len(samples) // 10)
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def in_use(samples: list[Sample]) -> dict[str, Any]:
    """What of the memory was in use after the warm-up: Python's blocks (millions) and malloc's (MB). It comes and goes
    with what is under way, so the least of each tenth of the whole stretch tells best whether something is kept."""
    found = {}
    kinds: dict[str, Callable[[Sample], float]] = {
        "python_blocks_m": lambda sample: sample.python_blocks / 1e6,
        "malloc_mb": lambda sample: sample.malloc_bytes / 1e6,
    }
    for name, of in kinds.items():
        every = [of(sample) for sample in after_warm_up(samples)]
        found[name] = {"least": round(min(every), 2), "most": round(max(every), 2)} | slope_of(samples, of)
        found[name]["least_by_tenths"] = [round(min(map(of, part)), 2) for part in tenths(samples)]
    return found


def phase(samples: list[Sample], ages_ms: list[float], published: int, seconds: float) -> dict[str, Any]:
    """What a stretch of the run came to."""
    first, last = samples[0], samples[-1]
    return {
        "articles": published,
        "seconds": round(seconds, 1),
        "articles_per_s": round(published / seconds, 1),
        "item_age_ms": {f"p{p}": round(percentile(ages_ms, p)) for p in (50, 95, 99)} if ages_ms else {},
        "behind_max_s": round(max(s.behind_ms for s in samples) / 1000, 1),
        "rss_first_mb": round(first.rss / 1e6, 1),
        "rss_last_mb": round(last.rss / 1e6, 1),
        "rss_mb_by_tenths": [round(part[0].rss / 1e6) for part in tenths(samples)],
        "rss_slope_mb": slope_of(samples, lambda sample: sample.rss / 1e6),
        "in_use": in_use(samples),
        "cores": round((last.cpu_s - first.cpu_s) / max(0.1, last.at_s - first.at_s), 2),
    }


async def live(up: Up, data: Path, load: Load) -> tuple[Crowd, dict[str, Any]]:
    """Steady load, quiet, burst, recovery; the clients as they stand then."""
    crowd, sampler, feed = (
        Crowd(up.url, load.clients, subjects()),
        Sampler(up, data.with_suffix(".in_use")),
        await Feed.start(data),
    )
    began = time.monotonic()
    await crowd.connect()
    connected_s = time.monotonic() - began
    looking = asyncio.create_task(sampler.run())
    seconds = load.minutes * 60
    began = time.monotonic()
    steady = await feed.publish(load.rate_per_s, seconds)
    steady_s, at = time.monotonic() - began, len(sampler.samples)
    drained_s = await sampler.until_idle()
    await asyncio.sleep(QUIET_S)
    ages = list(crowd.ages_ms)
    report = {"connected_s": round(connected_s, 1)}
    report["steady"] = phase(sampler.samples[:at], ages, steady, steady_s) | {"drained_s": round(drained_s, 1)}
    crowd.ages_ms.clear()
    at, began = len(sampler.samples), time.monotonic()
    total = await feed.publish(load.rate_per_s * load.burst_times, load.burst_s)
    burst_s = time.monotonic() - began
    recovery_s = await sampler.until_idle()
    await asyncio.sleep(QUIET_S)
    report["burst"] = phase(sampler.samples[at:], list(crowd.ages_ms), total - steady, burst_s)
    report["burst"] |= {"recovery_s": round(recovery_s, 1)}
    looking.cancel()
    await asyncio.sleep(QUIET_S)
    await crowd.level(60)
    await crowd.close()
    await feed.stop()
    return crowd, report | {"published": total, "clients": load.clients}


def logged(home: Home) -> list[dict[str, Any]]:
    """Every scored event of the log, as documents."""
    return [json.loads(line) for line in _records(home.log, SCORED_STREAM) if _is_event(line)]


def _records(log: EventLog, stream: str) -> Iterator[bytes]:
    """From the oldest kept record of a stream to its newest."""
    for shard in log.shards(stream):
        iterator: str | None = log.iterator(stream, shard.shard_id, Position("TRIM_HORIZON"))
        while iterator:
            page = log.get_records(iterator, PAGE_RECORDS)
            yield from (record.data for record in page.records)
            iterator = None if page.behind_ms == 0 and not page.records else page.next_iterator


def _is_event(line: bytes) -> bool:
    try:
        decode(line)
    except BadEvent:
        return False
    return True


def account(data: Path, crowd: Crowd, published: int) -> dict[str, Any]:
    """Hold every bucket against the oracle and every client against the log. Raises `AssertionError`."""
    counts = answer("drain", "--data-dir", str(data))
    settings = AggregatorSettings(data_dir=str(data))  # type: ignore[call-arg]
    events = logged(open_home(settings))
    stored = stored_by_oracle_key(data)
    articles = {event["article_id"] for event in events}
    assert len(articles) == published, f"{len(articles)} of {published} articles became events"
    expected = oracle.buckets(events)
    wrong = [key for key in expected.keys() | stored.keys() if expected.get(key) != stored.get(key)]
    assert not wrong, f"{len(wrong)} buckets differ: {wrong[:3]}"
    of_subject: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if oracle.verdict(event) == "accepted":
            of_subject[event["subject"]].add(event["event_id"])
    told = {name: (len(ids), sum(digest_of(i.encode()) for i in ids) & MASK) for name, ids in of_subject.items()}
    faults = crowd.wrong(told)
    assert not faults, f"{len(faults)} clients are wrong: {faults[:3]}"
    checked = candlewick("verify", "--data-dir", str(data), timeout=3_600)
    assert checked.returncode == 0, checked.stdout.decode()
    return {
        **counts,
        "buckets": len(stored),
        "clients_wrong": 0,
        "items_received": sum(client.items for client in crowd.clients),
        "reconnects": sum(client.connections - 1 for client in crowd.clients),
        "restarts_from_snapshot": sum(client.restarts for client in crowd.clients),
    }


def run(load: Load, folder: Path) -> dict[str, Any]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    data = folder / "data"
    room = {
        "CANDLEWICK_MAX_CONNECTIONS": str(load.clients + 10),
        "CANDLEWICK_RATE_BURST": str(load.clients + 1_000),
        "CANDLEWICK_MAX_LIFETIME_S": str(load.lifetime_s),
        "CANDLEWICK_IN_USE": str(data.with_suffix(".in_use")),
    }
    try:
        with Up(data, settings=room, program=[CANDLEWICK[0], "-m", "tests.e2e.measured_up"]) as up:
            crowd, report = asyncio.run(live(up, data, load))
            assert up.stop() == 0, up.log.read_text()[-2000:]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"asked": load._asdict(), "warm_up": WARM_UP, **report, "account": account(data, crowd, report["published"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in Load()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--keep", action="store_true", help="write docs/soak.json and docs/soak.md")
    given = vars(parser.parse_args())
    keep = given.pop("keep")
    with tempfile.TemporaryDirectory(prefix="candlewick-soak-") as folder:
        report = run(Load(**given), Path(folder)) | {"machine": machine()}
    print(json.dumps(report, indent=2))
    if keep:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        runs = [run for run in known if run["asked"] != report["asked"]] + [report]
        RESULTS.write_text(json.dumps(runs, indent=2) + "\n")
        PAGE.write_text(page(runs))


if __name__ == "__main__":
    main()
