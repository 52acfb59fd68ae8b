"""`make bench-engine`: the window engine's figures → build/bench/engine.json and docs/benchmarks.*.

Alternating runs in processes of their own, medians of five, CPU seconds; every result is compared with the exact
answer. The job and, with PEERS=1, the peers' programs come from the folder `--peers`; without it the job is made here,
of the same shape, and the peers are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmarks_page import keep
from tests.bench.engine_handler import MEASURED_INVOCATIONS, fresh_handler_ms, write_units
from tests.bench.engine_job import expected, job
from tests.bench.engine_memory import bytes_per_member
from tests.bench.engine_operator import DEFAULT_BATCH
from tests.bench.engine_peers import PeerRuns
from tests.bench.engine_recovery import recovery
from tests.bench.report import median, write
from tests.e2e.harness import ROOT

ROUNDS: Final = 5
EVENTS: Final = 1_000_000
RECOVERY_EVENTS: Final = 200_000
SIZES: Final = (13, 5_000)
BATCHES: Final = (10_000, 50_000, 250_000)
CURVE: Final = ((10_000, 13), (100_000, 13), (1_000_000, 13), (1_000_000, 500), (1_000_000, 5_000))


def operator(path: Path, batch: int = DEFAULT_BATCH) -> dict[str, Any]:
    """One run of the operator; its JSON line."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.engine_operator", str(path), "--batch", str(batch)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    found["equal_to_oracle"] = found["digest"] == expected(path)
    print(f"operator {path.stem}: {found['events_per_s']:,} events/s, exact: {found['equal_to_oracle']}", flush=True)
    return found


def plain_loop(peers: Path, path: Path) -> float:
    """CPU seconds of the peers' plain optimised loop on the same lines (no watermarks, no verdicts, no buckets)."""
    program = (
        "import sys, time, gc; sys.path.insert(0, sys.argv[1])\n"
        "from agg_opt import dec, update, rollup\n"
        "data = open(sys.argv[2], 'rb').read(); gc.freeze(); gc.disable(); t = time.process_time()\n"
        "bars, seen = {}, set(); update(dec.decode_lines(data), bars, seen); rollup(bars)\n"
        "print(time.process_time() - t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(peers), str(path)], capture_output=True, text=True, check=True
    )
    print(f"plain loop: {EVENTS / float(done.stdout):,.0f} events/s", flush=True)
    return float(done.stdout)


def throughput(peers: Path | None, rounds: int, theirs: PeerRuns | None, peer_rounds: int) -> dict[str, Any]:
    """The operator, the plain loop and the peers, in turn, round after round."""
    jobs = {subjects: job(peers, EVENTS, subjects) for subjects in SIZES}
    runs: dict[int, list[dict[str, Any]]] = {subjects: [] for subjects in SIZES}
    loop: list[float] = []
    for number in range(rounds):
        if peers is not None:
            loop.append(plain_loop(peers, jobs[13].with_suffix(".plain")))
        for subjects, path in jobs.items():
            runs[subjects].append(operator(path))
        if theirs is not None and number < peer_rounds:
            theirs.round()
    ours = {subjects: [run["cpu_s"] for run in found] for subjects, found in runs.items()}
    big = runs[5_000][-1]
    found: dict[str, Any] = {
        "rounds": rounds,
        "operator_events_per_s": {str(subjects): round(EVENTS / median(cpu_s)) for subjects, cpu_s in ours.items()},
        "operator_events_per_s_all": {
            str(subjects): [round(EVENTS / each) for each in cpu_s] for subjects, cpu_s in ours.items()
        },
        "equal_to_oracle": all(run["equal_to_oracle"] for each in runs.values() for run in each),
        "digest": {str(subjects): each[-1]["digest"] for subjects, each in runs.items()},
        "buckets": {str(subjects): each[-1]["buckets"] for subjects, each in runs.items()},
        "cpu_s": {"candlewick": round(median(ours[13]), 3)},
        "memory": {
            "peak_bytes_5000_subjects_24h": big["peak_bytes"],
            "buckets": big["buckets"],
            "bytes_per_bucket": round(big["state_bytes"] / big["buckets"]),
            "bytes_per_member": round(bytes_per_member(), 1),
        },
    }
    if loop:
        found["cpu_s"]["plain_loop"] = round(median(loop), 3)
        found["plain_loop_events_per_s"] = round(EVENTS / median(loop))
        found["operator_to_plain_loop"] = round(median(loop) / median(ours[13]), 3)
    if theirs is not None:
        found["peer_rounds"] = min(rounds, peer_rounds)
        found["cpu_s"] |= theirs.cpu_s()
        found["cpu_ratio"] = {
            name: round(cpu_s / found["cpu_s"]["candlewick"], 1) for name, cpu_s in theirs.cpu_s().items()
        }
        found["peers_equal_to_oracle"] = theirs.equal()
    return found


def curve(peers: Path | None, rounds: int, known: dict[int, tuple[float, int]]) -> list[dict[str, Any]]:
    """Microseconds an event as events and subjects grow. `known`: what a million took, (CPU seconds, buckets) by
    subjects."""
    rows = []
    for events, subjects in CURVE:
        if events == EVENTS and subjects in known:
            cpu_s, buckets = known[subjects]
        else:
            path = job(peers, events, subjects)
            found = [operator(path, min(events // 5, DEFAULT_BATCH)) for _ in range(rounds)]
            assert all(each["equal_to_oracle"] for each in found), f"{path.stem}: not the exact answer"
            cpu_s, buckets = median([each["cpu_s"] for each in found]), found[0]["buckets"]
        rows.append({
            "events": events, "subjects": subjects, "us_per_event": round(1e6 * cpu_s / events, 2),
            "buckets_per_event": round(buckets / events, 2),
        })  # fmt: skip
    return rows


def by_batch(peers: Path | None, rounds: int, engine: dict[str, Any]) -> list[dict[str, int]]:
    """Events a second as batches grow; the largest is what was measured before."""
    rows = []
    for batch in BATCHES:
        row = {"batch": batch}
        for subjects in SIZES:
            found = [operator(job(peers, EVENTS, subjects), batch) for _ in range(rounds)]
            assert all(each["equal_to_oracle"] for each in found), f"{subjects} subjects, {batch:,} at once: not exact"
            row[str(subjects)] = round(EVENTS / median([each["cpu_s"] for each in found]))
        rows.append(row)
    return [*rows, {"batch": DEFAULT_BATCH, **engine["operator_events_per_s"]}]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, in the order of the page."""
    peers = options.peers if (options.peers / "gen.py").exists() else None
    theirs = None
    if peers is None:
        print(f"no gen.py in {options.peers}: events of the same shape are made here; plain loop and peers left out")
        if os.environ.get("PEERS") == "1":
            sys.exit("PEERS=1 needs the folder with gen.py, oracle.py, check.py, measure.py, setup.sh and peer_*.py")
    elif os.environ.get("PEERS") == "1":
        theirs = PeerRuns(peers, options.environments)
    found = throughput(peers, options.rounds, theirs, options.peer_rounds)
    found["job"] = "the peers' generator" if peers else "own generator, of the peers' shape"
    found["handler_ms_p50"] = {str(batch): fresh_handler_ms(batch) for batch in MEASURED_INVOCATIONS}
    found["handler_aggregated_ms_p50"] = {str(batch): fresh_handler_ms(batch, True) for batch in MEASURED_INVOCATIONS}
    units = {str(articles): write_units(articles) for articles in (1, 5, 50)}
    found["write_units_per_article"] = {articles: each["write_units"] for articles, each in units.items()}
    found["bucket_writes_per_article"] = {articles: each["bucket_writes"] for articles, each in units.items()}
    with tempfile.TemporaryDirectory() as folder:
        found["embedded_store"] = recovery(Path(folder), job(peers, EVENTS, 13), RECOVERY_EVENTS, options.rounds)
    known = {subjects: (EVENTS / found["operator_events_per_s"][str(subjects)], found["buckets"][str(subjects)])
             for subjects in SIZES}  # fmt: skip
    found["by_batch"] = by_batch(peers, min(3, options.rounds), found)
    found["curve"] = curve(peers, min(3, options.rounds), known)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--environments", type=Path, help="a folder that already has the peers' virtual environments")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer-rounds", type=int, default=ROUNDS)
    found = measure(parser.parse_args())
    assert found["equal_to_oracle"], "the engine's result is not the exact answer"
    assert found["embedded_store"]["equal"], "the embedded store's result is not the exact answer"
    write("engine", found)
    keep()


if __name__ == "__main__":
    main()
