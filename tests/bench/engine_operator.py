"""One run of the window operator over a job file, in a process of its own: `python -m tests.bench.engine_operator`.

Prints one JSON line: CPU seconds from bytes to buckets and of the whole process, memory taken besides the lines (at its
peak, and by the buckets in the end), and the result's digest (made after the clock has stopped).
"""

import argparse
import gc
import itertools
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

from aggregation.event import CHUNK, NAME_TYPES, Event
from aggregation.gather import gather_chunks
from aggregation.known_names import KnownNames
from aggregation.operator import EMPTY, Batch, State, step
from contracts.bucket import Bucket, BucketKey
from tests.bench.engine_job import JobEvent, digest, facts
from tests.bench.report import rss_bytes

#: Of a million events half: with thousands of subjects the larger the faster, and with few no slower.
DEFAULT_BATCH = 500_000


def batches(path: Path, events: int) -> list[list[bytes]]:
    """A job's lines, so many a batch, in blocks of `CHUNK`; never twice in memory, so that the peak is the engine's."""
    with path.open("rb") as file:
        blocks = list(iter(lambda: b"".join(itertools.islice(file, CHUNK)), b""))
    at_once = max(1, events // CHUNK)
    return [blocks[at : at + at_once] for at in range(0, len(blocks), at_once)]


def run(parts: list[list[bytes]]) -> dict[BucketKey, Bucket]:
    """Bytes in, buckets out: decode, judge, deduplicate, fold, roll up, watermark; every batch's buckets kept."""
    names: KnownNames[Any] = KnownNames(JobEvent, NAME_TYPES)

    def decode(lines: bytes) -> list[Event]:
        return names.read(lambda decoder: decoder.decode_lines(lines))

    state: State = EMPTY
    stored: dict[BucketKey, Bucket] = {}
    for part in parts:
        gathered = gather_chunks(map(decode, part))
        done = step(state, Batch("shard", gathered, stored), 0)
        state = done.state
        done.put_into(stored)
        # Groups go before events, so that events are freed in the order they were made and the next batch is laid into
        # the same memory in order: a tenth of the time where the processor's caches are shared.
        events = gathered.events
        del done, gathered
        del events
    return stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH)
    options = parser.parse_args()
    if not options.job.is_file():
        parser.error(f"{options.job}: no such file; `make bench-engine` makes the job files (build/jobs/)")
    if options.batch < CHUNK:
        parser.error(f"--batch {options.batch}: at least {CHUNK:,}")
    parts = batches(options.job, options.batch)
    events = sum(block.count(b"\n") for part in parts for block in part)
    # The engine makes no cycles; the collector would only walk millions of live buckets again and again.
    gc.freeze()
    gc.disable()
    before = rss_bytes(os.getpid())
    started = time.process_time()
    stored = run(parts)
    cpu_s = time.process_time() - started
    after, peak = rss_bytes(os.getpid()), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = {
        "events": events,
        "buckets": len(stored),
        "cpu_s": round(cpu_s, 4),
        "process_cpu_s": round(time.process_time(), 3),
        "events_per_s": round(events / cpu_s),
        "peak_bytes": peak - before,
        "state_bytes": after - before,
        "digest": digest(facts(stored.values())),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
