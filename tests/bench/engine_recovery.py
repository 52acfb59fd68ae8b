"""The operator with the embedded store behind it, and what a SIGKILL in the middle costs in CPU.

`python -m tests.bench.engine_recovery DATA_DIR JOB EVENTS` puts the job on a log (once) and drains it; the bench kills
one run in the middle and starts it again.
"""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from contracts.events import SCORED_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.driver import kinesis_driver, run_until_idle
from local.line import apply_settings, entry_point
from local.mappings import Mapping
from stores.home import close_home, open_home
from tests.bench.engine_job import digest, expected, facts
from tests.bench.report import median
from tests.e2e.harness import ROOT, environment

PUT = 500


def load_log(data_dir: Path, job: Path, count: int) -> None:
    """The first `count` lines of the job as scored-article/1 records."""
    settings = AggregatorSettings(data_dir=str(data_dir), synchronous="normal")
    home = open_home(settings)
    entries: list[Entry] = []
    with job.open() as lines:
        for _, line in zip(range(count), lines, strict=False):
            event = json.loads(line)
            document = {
                "schema": "scored-article/1", "event_id": event["article_id"], "article_id": event["article_id"],
                "subject": event["ticker"], "source": event["source"], "event_time": event["event_time"],
                "ingested_at": event["ingested_at"], "scored_at": event["ingested_at"], "label": event["label"],
                "confidence": 0.9, "polarity": event["score"], "model_version": event["model_version"],
            }  # fmt: skip
            entries.append(Entry(event["ticker"], json.dumps(document, separators=(",", ":")).encode()))
            if len(entries) == PUT:
                home.log.put_records(SCORED_STREAM, entries)
                entries.clear()
    if entries:
        home.log.put_records(SCORED_STREAM, entries)
    close_home(settings)


def drain(data_dir: Path) -> None:
    """Everything on the scored stream through the aggregator's handler."""
    settings = AggregatorSettings(data_dir=str(data_dir), synchronous="normal")
    apply_settings(settings)
    home = open_home(settings)
    mapping = Mapping(
        "aggregator", SCORED_STREAM, entry_point("aggregation.handler"), batch_size=10_000, tumbling_window_s=60,
        report_item_failures=True,
    )  # fmt: skip
    run_until_idle([kinesis_driver(mapping, home.log, home.control, home.lake, home.clock)], home.clock, final=True)


def run_child(data_dir: Path, kill_after_s: float | None) -> tuple[float, bool]:
    """(CPU seconds of one drain in a process of its own, whether it was killed before its end)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.engine_recovery", str(data_dir)], cwd=ROOT, env=environment()
    )
    if kill_after_s is not None:
        try:
            child.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
    child.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return cpu_s, child.returncode == -signal.SIGKILL


def recovery(folder: Path, job: Path, count: int, rounds: int) -> dict[str, Any]:
    """CPU seconds undisturbed and with a SIGKILL half-way, their ratio, and whether all results are exact."""
    whole, cut_short = [], []
    kills = 0
    exact = True
    for number in range(rounds):
        plain, cut = folder / f"plain{number}", folder / f"cut{number}"
        for data in (plain, cut):
            load_log(data, job, count)
        started = time.monotonic()
        whole.append(run_child(plain, None)[0])
        half_s = (time.monotonic() - started) / 2
        first_s, killed = run_child(cut, half_s)
        kills += killed
        cut_short.append(first_s + run_child(cut, None)[0])
        exact = exact and {result(plain), result(cut)} == {expected(job, count)}
        shutil.rmtree(plain)
        shutil.rmtree(cut)
    return {
        "events": count,
        "cpu_s": round(median(whole), 2),
        "cpu_s_with_sigkill": round(median(cut_short), 2),
        "extra_percent": round(100 * (median(cut_short) / median(whole) - 1), 1),
        "events_per_cpu_s": round(count / median(whole)),
        "killed_runs": kills,
        "equal": exact,
    }


def result(data_dir: Path) -> str:
    """The digest of everything stored."""
    settings = AggregatorSettings(data_dir=str(data_dir), synchronous="normal")
    found = digest(facts(open_home(settings).buckets.scan("g1")))
    close_home(settings)
    return found


if __name__ == "__main__":
    drain(Path(sys.argv[1]))
