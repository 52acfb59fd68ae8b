"""`python -m tests.sim`: many seeds, one seed again, or a planted bug that must be noticed.

Exit code 0 when everything held, 1 when a seed failed (its exact command is printed), 6 when a canary went unnoticed.
"""

import argparse
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.sim.canaries import CANARIES, SEEDS, hunt
from tests.sim.faults import FAULTS
from tests.sim.world import Report, run

PROGRESS_EVERY: Final = 500


def replay_command(seed: int) -> str:
    """The command that runs exactly this seed again."""
    return f"make sim SEED={seed} (or: python -m tests.sim --seed {seed})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate the pipeline under faults.")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds to run (default {SEEDS})")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="run this one seed only")
    parser.add_argument("--canary", choices=[*CANARIES, "all"], help="plant a bug; some seed must notice it")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: at least 1, or nothing is shown")
    if options.canary:
        names = list(CANARIES) if options.canary == "all" else [options.canary]
        return max(_hunt(name, options.seeds) for name in names)
    first, count = (options.seed, 1) if options.seed is not None else (options.first, options.seeds)
    return simulate(first, count)


def simulate(first: int, count: int) -> int:
    """Run `count` seeds from `first` on; print what they amounted to, or how to see the first failure again."""
    fired: Counter[str] = Counter()
    totals = [0, 0, 0]
    begun_s = time.monotonic()
    for done, seed in enumerate(range(first, first + count), 1):
        try:
            report = run(seed)
        except AssertionError:
            traceback.print_exc()
            print(f"\nseed {seed} failed. To see it again: {replay_command(seed)}", file=sys.stderr)
            return 1
        fired += report.fired
        totals = [a + b for a, b in zip(totals, _numbers(report), strict=True)]
        if done % PROGRESS_EVERY == 0 and done < count:
            print(f"{done} seeds, {done / (time.monotonic() - begun_s):.1f} a second", file=sys.stderr)
    seconds = time.monotonic() - begun_s
    for kind in FAULTS:
        print(f"{fired[kind.__name__]:>9,}  {kind.__name__}")
    events, invocations, writes = totals
    print(
        f"{count:,} seeds, 0 violations: {events:,} records, {invocations:,} invocations, {writes:,} bucket writes,"
        f" {sum(fired.values()):,} faults of {len(fired)} kinds, {seconds:.1f} s ({count / seconds:.1f} seeds/s)"
    )
    never = [kind.__name__ for kind in FAULTS if not fired[kind.__name__]]
    if never and count >= SEEDS:
        print(f"never fired: {', '.join(never)}", file=sys.stderr)
        return 1
    return 0


def _numbers(report: Report) -> tuple[int, int, int]:
    return report.events, report.invocations, report.writes


def _hunt(name: str, seeds: int) -> int:
    catch = hunt(name, seeds)
    if catch is None:
        print(f"{name}: went unnoticed by {seeds} seeds")
        return 6
    print(f"{name}: noticed by seed {catch.seed} ({catch.law})")
    return 0


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the program tells of every mended bucket; there are thousands
    sys.exit(main())
