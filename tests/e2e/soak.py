"""`make soak`: scored events in random order with 30 % duplicates, while `up` is killed five times, then exact.

Every bucket at every resolution must equal the independent oracle, law 3 must balance, and `verify` must agree.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import oracle
from tests.e2e.harness import CANDLEWICK, Up, answer, candlewick, environment, stored_fields
from tests.events import lines, stream


def soak(folder: Path, count: int, kills: int, seed: int) -> dict[str, Any]:
    """Run it; raises AssertionError with the first difference."""
    rnd = random.Random(seed)
    events = stream(count, seed=seed)
    rnd.shuffle(events)
    data = folder / "data"
    parts = [folder / f"part{n}.jsonl" for n in range(kills + 1)]
    for n, part in enumerate(parts):
        part.write_bytes(lines(events[n :: len(parts)]))
    killed = 0
    up = Up(data).wait_ready()
    for part in parts:
        publishing = subprocess.Popen(
            [*CANDLEWICK, "publish", str(part), "--as", "scored", "--data-dir", str(data)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        if killed < kills:
            time.sleep(rnd.uniform(0.1, 1.5))
            up.kill()
            killed += 1
            up = Up(data)
        out, err = publishing.communicate(timeout=300)
        assert publishing.returncode == 0, err.decode()
        assert json.loads(out)["published"] == len(part.read_bytes().splitlines())
    up.wait_ready()
    up.kill()
    started = time.monotonic()
    counts = answer("drain", "--data-dir", str(data))
    drain_s = time.monotonic() - started

    verdicts = {(e["subject"], e["event_id"]): oracle.verdict(e) for e in events}
    expected = oracle.buckets(events)
    assert counts == {
        "received": len(verdicts),
        "counted": sum(v == "accepted" for v in verdicts.values()),
        "duplicates": len(events) - len(verdicts),
        "too_late": sum(v == "too_late" for v in verdicts.values()),
        "quarantined": sum(v == "future" for v in verdicts.values()),
    }
    stored = stored_fields(data, sorted({e["subject"] for e in events}))
    wrong = [key for key in expected.keys() | stored.keys() if expected.get(key) != stored.get(key)]
    assert not wrong, f"{len(wrong)} buckets differ, first {wrong[0]}: {expected.get(wrong[0])} {stored.get(wrong[0])}"
    checked = candlewick("verify", "--json", "--data-dir", str(data))
    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
    report = json.loads(checked.stdout)
    return {"events": count, "kills": killed, "buckets": len(stored), "drain_s": round(drain_s, 1), **counts,
            "digest": report["digest"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(soak(Path(folder), options.events, options.kills, options.seed), indent=2))


if __name__ == "__main__":
    main()
