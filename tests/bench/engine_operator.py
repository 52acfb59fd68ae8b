"""One run of the window operator over a job file, in a process of its own: `python -m tests.bench.engine_operator`.

Prints one JSON line: CPU seconds from bytes to buckets, of the whole process, and peak memory; `--check` compares every
bucket with the exact answer.
"""

import argparse
import gc
import json
import resource
import time
from pathlib import Path

import msgspec

from aggregation.gather import gather
from aggregation.operator import EMPTY, Batch, State, step
from contracts.bucket import Bucket, BucketKey
from tests.bench.engine_job import JobEvent, answer, digest, facts

DEFAULT_BATCH = 8_000  # what fits into the cache of a core: larger batches are slower at 13 subjects


def blocks(data: bytes, batch: int) -> list[bytes]:
    """The file in blocks of about `batch` lines."""
    size = max(1, len(data) * batch // max(1, data.count(b"\n")))
    found, at = [], 0
    while at < len(data):
        end = data.find(b"\n", min(len(data) - 1, at + size)) + 1 or len(data)
        found.append(data[at:end])
        at = end
    return found


def run(parts: list[bytes]) -> dict[BucketKey, Bucket]:
    """Bytes in, buckets out: decode, judge, deduplicate, fold, roll up, watermark; every batch's writes applied."""
    decode = msgspec.json.Decoder(JobEvent).decode_lines
    state: State = EMPTY
    stored: dict[BucketKey, Bucket] = {}
    for part in parts:
        done = step(state, Batch("shard", gather(decode(part)), stored), 0)  # type: ignore[arg-type]
        state = done.state
        stored.update(done.touched)
    return stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    data = options.job.read_bytes()
    parts = blocks(data, options.batch)
    # The engine makes no cycles; the collector would only walk millions of live buckets again and again.
    gc.freeze()
    gc.disable()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    stored = run(parts)
    cpu_s = time.process_time() - started
    after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    events = data.count(b"\n")
    line = {
        "events": events,
        "buckets": len(stored),
        "cpu_s": round(cpu_s, 4),
        "events_per_s": round(events / cpu_s),
        "state_mib": round((after_kib - before_kib) / 1024, 1),
        "process_cpu_s": round(time.process_time(), 3),
    }
    if options.check:
        expected = answer(options.job)
        got = {tuple(key): facts(bucket) for key, bucket in stored.items()}
        line |= {"equal_to_oracle": got == expected, "digest": digest(stored)}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
