"""SIGKILL at random moments loses nothing and counts nothing twice (laws 1 to 4), on the real program."""

from pathlib import Path

from tests.e2e.harness import answer, output_here
from tests.e2e.soak import soak
from tests.events import lines, stream


def test_killed_five_times_every_bucket_equals_the_oracle(tmp_path: Path) -> None:
    found = soak(tmp_path, count=5_000, kills=5, seed=4)
    assert found["kills"] == 5
    assert found["too_late"] > 0
    assert found["quarantined"] > 0


def test_five_orders_and_batchings_export_the_same_bytes(tmp_path: Path) -> None:
    import random

    exports = set()
    for seed in range(5):
        events = stream(600, seed=9)
        random.Random(seed).shuffle(events)
        data = tmp_path / f"data{seed}"
        at = 0
        for size in ([600], [1] * 3 + [597], [100] * 6, [7, 593], [300, 300])[seed]:
            file = tmp_path / "part.jsonl"
            file.write_bytes(lines(events[at : at + size]))
            at += size
            output_here("publish", str(file), "--as", "scored", "--data-dir", str(data))
            answer("drain", "--data-dir", str(data))
        export = b"".join(
            output_here("buckets", subject, "-r", resolution, "--format", "jsonl", "--content", "--data-dir", str(data))
            for subject in ("AAPL", "MSFT", "BRK.B", "tag:ai-regulation")
            for resolution in ("1m", "1h", "24h")
        )
        exports.add(export)
    assert len(exports) == 1
    assert len(exports.pop()) > 10_000
