"""`make bench-engine`: the window engine's figures → build/bench/engine.json and docs/benchmarks.md.

Alternating runs in processes of their own, medians of five, CPU seconds; every result is compared with the exact
answer. The peers' job and, with PEERS=1, the peers' programs come from the folder `--peers`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.engine_handler import handler_ms, write_units
from tests.bench.engine_job import job
from tests.bench.engine_peers import peers_cpu_s
from tests.bench.engine_recovery import recovery
from tests.bench.engine_report import write_page
from tests.bench.report import median, write
from tests.e2e.harness import ROOT

ROUNDS = 5
EVENTS = 1_000_000
RECOVERY_EVENTS = 200_000
#: Events in a batch, by subjects: what was fastest of 1,000 to 250,000.
BATCHES = {13: 8_000, 500: 20_000, 5_000: 250_000}
CURVE = ((10_000, 13), (100_000, 13), (1_000_000, 13), (1_000_000, 500), (1_000_000, 5_000))


def operator(path: Path, *more: str) -> dict[str, Any]:
    """One run of the operator; its JSON line, with the CPU seconds of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.engine_operator", str(path), *more],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"whole_cpu_s": (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)}


def plain_loop(peers: Path, path: Path) -> float:
    """CPU seconds of the peers' plain optimised loop on the same lines (no watermarks, no verdicts, no buckets)."""
    program = (
        "import sys, time, gc; sys.path.insert(0, sys.argv[1])\n"
        "from agg_opt import dec, update, rollup\n"
        "data = open(sys.argv[2], 'rb').read(); gc.freeze(); t = time.process_time()\n"
        "bars, seen = {}, set(); update(dec.decode_lines(data), bars, seen); rollup(bars)\n"
        "print(time.process_time() - t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(peers), str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(peers: Path, rounds: int) -> dict[str, Any]:
    """Everything but the peers' own programs."""
    jobs = {subjects: job(peers, EVENTS, subjects) for subjects in (13, 5_000)}
    runs: dict[int, list[dict[str, Any]]] = {13: [], 5_000: []}
    loop: list[float] = []
    for _ in range(rounds):
        loop.append(plain_loop(peers, jobs[13].with_suffix(".plain")))
        for subjects, path in jobs.items():
            runs[subjects].append(operator(path, "--batch", str(BATCHES[subjects])))
    checked = {
        subjects: operator(path, "--check", "--batch", str(BATCHES[subjects])) for subjects, path in jobs.items()
    }
    rates = {str(subjects): round(median([run["events_per_s"] for run in found])) for subjects, found in runs.items()}
    curve = [
        {"events": events, "subjects": subjects, "us_per_event": round(1e6 * found["cpu_s"] / events, 3)}
        for events, subjects in CURVE
        for found in [operator(job(peers, events, subjects), "--batch", str(min(events // 5, BATCHES[subjects])))]
    ]
    big = checked[5_000]
    with tempfile.TemporaryDirectory() as folder:
        stored = recovery(Path(folder), jobs[13], RECOVERY_EVENTS)
    return {
        "operator_events_per_s": rates,
        "plain_loop_events_per_s": round(EVENTS / median(loop)),
        "operator_to_plain_loop": round(rates["13"] / (EVENTS / median(loop)), 3),
        "equal_to_oracle": all(found["equal_to_oracle"] for found in checked.values()),
        "digest": {str(subjects): found["digest"] for subjects, found in checked.items()},
        "cpu_s": {"candlewick": round(median([run["whole_cpu_s"] for run in runs[13]]), 3)},
        "handler_ms_p50": {str(batch): round(handler_ms(batch), 2) for batch in (100, 1_000, 10_000)},
        "write_units_per_article": {str(n): write_units(n)["write_units"] for n in (1, 5, 50)},
        "bucket_writes_per_article": {str(n): write_units(n)["bucket_writes"] for n in (1, 5, 50)},
        "memory": {
            "state_mib_5000_subjects": big["state_mib"],
            "bytes_per_bucket": round(big["state_mib"] * 1024 * 1024 / big["buckets"]),
        },
        "curve": curve,
        "embedded_store": stored,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if not (options.peers / "gen.py").exists():
        sys.exit(
            f"the job comes from the peers' generator, which is not at {options.peers}: give its folder as --peers"
        )
    found = measure(options.peers, options.rounds)
    if os.environ.get("PEERS") == "1":
        theirs = peers_cpu_s(options.peers)
        found["cpu_s"] |= theirs
        ours = found["cpu_s"]["candlewick"]
        found["cpu_ratio"] = {name: round(cpu_s / ours, 1) for name, cpu_s in theirs.items()}
    assert found["equal_to_oracle"], "the engine's result is not the exact answer"
    write("engine", found)
    write_page(found)


if __name__ == "__main__":
    main()
