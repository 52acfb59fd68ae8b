"""More planted bugs (`canaries.py`): one for each checker that none of the others needs. Some are told by other
checkers too, whichever looks first; each must be seen by its own in some seed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from aggregation import finalizer, operator, service
from aggregation.finalizer import Finalizer, Findings
from aggregation.operator import State, Step
from aggregation.watermark import NEVER_MS, ShardProgress
from contracts.bucket import Bucket, BucketKey, BucketWrite
from contracts.errors import Transient
from tests.sim.checkers import WatermarkWatch
from tests.sim.swapped import swapped
from tests.sim.world import World

_replaced = msgspec.structs.replace


@contextmanager
def rev_stands_still() -> Iterator[None]:
    """A bucket that is written again keeps its `rev`: no guard and no watcher sees the difference (law 5)."""
    real = Step.writes

    def writes(done: Step) -> list[BucketWrite]:
        return [BucketWrite(_replaced(bucket, rev=max(1, rev)), rev) for bucket, rev in real.fget(done)]

    with swapped(Step, writes=property(writes)):
        yield


@contextmanager
def more_replaces_what_was_there() -> Iterator[None]:
    """What comes to a bucket takes the place of what it said (law 3)."""
    with swapped(operator, merge=lambda said, more: more):
        yield


@contextmanager
def coarse_before_fine() -> Iterator[None]:
    """A commit begins at the day, so a crash leaves parents that say more than their children (law 2)."""
    real = Step.writes
    with swapped(Step, writes=property(lambda done: real.fget(done)[::-1])):
        yield


@contextmanager
def a_member_twice() -> Iterator[None]:
    """A member is noted twice, which changes no number that anybody sees (law 4)."""
    real = service.step

    def step(*arguments: Any) -> Step:
        done = real(*arguments)
        doubled = {each.key: _replaced(each, packed=each.packed + each.packed[:8]) for each in done.changed}
        buckets = [doubled.get(each.key, each) for each in done.buckets]
        return done._replace(buckets=buckets, changed=list(doubled.values()))

    with swapped(service, step=step):
        yield


@contextmanager
def replay_with_other_settings() -> Iterator[None]:
    """A replay allows no lateness where the live line does (law 4)."""
    begin = World._start_replay

    def start(world: World) -> None:
        settings = world.settings
        world.settings = settings.model_copy(update={"allowed_lateness_ms": 0})
        begin(world)
        world.settings = settings

    with swapped(World, _start_replay=start):
        yield


@contextmanager
def windows_stay_open() -> Iterator[None]:
    """Windows that the watermark has passed are kept for ever (law 5)."""
    real = operator._windows

    def windows(state: State, opened: Mapping[int, list[BucketKey]], watermark_ms: int) -> Any:
        return real(state, opened, NEVER_MS)

    with swapped(operator, _windows=windows):
        yield


@contextmanager
def progress_of_the_last_batch() -> Iterator[None]:
    """A process knows no more than its last batch: old news takes it back (law 5)."""
    real = operator.combined_ms

    def advance(before: ShardProgress, newest_ms: int, now_ms: int) -> ShardProgress:
        return ShardProgress(newest_ms, now_ms)

    def combined_ms(shards: Any, now_ms: int, held_ms: int, *more: Any) -> int:
        return real(shards, now_ms, NEVER_MS, *more)

    with swapped(operator, advance=advance, combined_ms=combined_ms):
        yield


@contextmanager
def last_publisher_stands() -> Iterator[None]:
    """A process publishes what it knows, though another one knows more (law 5)."""

    def publish(process: Any, shard_id: str) -> None:
        if state := process.window_state(shard_id):
            process._control.put("watermark", shard_id, state)

    with swapped(service.Aggregator, _publish_progress=publish):
        yield


@contextmanager
def fastest_by_definition() -> Iterator[None]:
    """Code and definition agree that the fastest shard decides, and both are wrong (law 5)."""
    real = operator.combined_ms

    def combined_ms(shards: Any, now_ms: int, held_ms: int, out_of_orderness_ms: int, idle_after_ms: int) -> int:
        active = [each for each in shards.values() if now_ms - each.last_record_ms <= idle_after_ms]
        fastest = {"": max(active, key=lambda each: each.newest_event_ms)} if active else {}
        return real(fastest, now_ms, held_ms, out_of_orderness_ms, idle_after_ms)

    with swapped(operator, combined_ms=combined_ms), swapped(WatermarkWatch, decisive=max):
        yield


@contextmanager
def bad_bytes_block_their_shard() -> Iterator[None]:
    """What cannot count cannot be kept either, and its batch comes again for ever (law 3)."""

    def refused(lake: Any, asides: Any) -> None:
        raise Transient("lake", "no")

    with swapped(service, put_asides=refused):
        yield


@contextmanager
def looks_count_as_repairs() -> Iterator[None]:
    """The finaliser says that it mended what it only looked at (law 2)."""
    real = Finalizer.run

    def run(self: Finalizer, *limits: int) -> Findings:
        found = real(self, *limits)
        return found._replace(repaired=found.checked)

    with swapped(Finalizer, run=run):
        yield


@contextmanager
def ends_unmarked() -> Iterator[None]:
    """Windows that have ended go on as partial (law 6)."""
    with swapped(finalizer, _to_be_marked=lambda bucket, now_ms: False):
        yield


@contextmanager
def ends_untold() -> Iterator[None]:
    """The finaliser marks windows, and tells no watcher (law 6)."""
    real = finalizer.changes_of

    def changes_of(generation: str, buckets: list[Bucket], *more: Any) -> Any:
        return real(generation, [each for each in buckets if each.is_partial], *more)

    with swapped(finalizer, changes_of=changes_of):
        yield


CAUGHT_BY: Final[dict[Callable[[], Any], str]] = {
    rev_stands_still: "rev only grows",
    more_replaces_what_was_there: "nothing vanishes",
    coarse_before_fine: "fine before coarse",
    a_member_twice: "replay gives the same bytes",
    replay_with_other_settings: "a replay during live traffic gives the same bytes",
    windows_stay_open: "open windows are bounded",
    progress_of_the_last_batch: "a process goes forward only",
    last_publisher_stands: "a published watermark never goes back",
    fastest_by_definition: "the watermark waits for the slowest shard",
    bad_bytes_block_their_shard: "everything drains",
    looks_count_as_repairs: "nothing is left to mend",
    ends_unmarked: "what is over is marked",
    ends_untold: "ends are told",
}
