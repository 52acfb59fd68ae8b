"""Whether control.db and buckets.db belong together: one that was lost, or is older than the other, is refused."""

from typing import Any

from aggregation.lanes import KIND as LANES_KIND
from contracts.errors import Unusable
from contracts.generation import FIRST_GENERATION, HEAD, POINTER, RUN_KIND, live_generation
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from local.driver_checkpoint import ONE_DIRECTORY
from stores.home import Home
from stores.sqlite_buckets import SqliteBucketStore


def check_control(home: Home) -> None:
    """Raises `Unusable` where buckets.db tells of what control.db does not know: another swap of the live generation,
    or candles of the live one, which are noted down there before the first. Those of another generation, begun since
    a backup, harm nobody: no run takes its name. The buckets are looked at first: what they tell of, control.db knew
    by then. And where control.db knows of changes that buckets.db no longer has."""
    if not isinstance(home.buckets, SqliteBucketStore):
        return  # a table of DynamoDB that was restored alone is not told
    swap, written = home.buckets.noted_swap(), home.buckets.generations()
    known = {*home.control.list(LANES_KIND), *(run.get("generation") for run in home.control.list(RUN_KIND).values())}
    if home.control.list(CHECKPOINT_KIND):
        known.add(FIRST_GENERATION)  # there was a time when nothing was noted down of it
    live = live_generation(home.control)
    if foreign := written if not known else [live] if live in written and live not in known else []:
        raise _foreign(f"buckets.db has candles of {', '.join(foreign)}")
    if home.control.get(*POINTER).version < swap:
        raise _foreign("buckets.db was there when another generation went live")
    _check_head(home.buckets, home.control.get(*HEAD).value or {}, live in written)


def _check_head(buckets: SqliteBucketStore, noted: dict[str, Any], is_built: bool) -> None:
    """An older buckets.db lacks what control.db says is done with, and so does another one until it was built again."""
    head, known = buckets.changes_head(), noted.get("head", {})
    if noted.get("name") != buckets.log_name():
        if any(known.values()) and not is_built:
            raise Unusable(
                "buckets.db is gone, or was begun anew: what was counted would be missing for ever. Put back the one "
                "that belongs to control.db, or build it again: docs/howto/repair.md"
            )
    elif any(head.get(each, 0) < at for each, at in known.items()):
        raise Unusable(
            "buckets.db is older than control.db: what was counted since would be missing for ever. Put back the one "
            "that belongs to it, or move it away with its -wal and -shm and build it again: docs/howto/repair.md"
        )


def note_head(home: Home) -> None:
    """Note how far the change log has come, so that an older buckets.db is told. Raises `Transient`."""
    if isinstance(home.buckets, SqliteBucketStore):
        home.control.put(*HEAD, {"name": home.buckets.log_name(), "head": home.buckets.changes_head()})


def _foreign(what: str) -> Unusable:
    return Unusable(
        f"{what}, of which control.db does not know: it was lost, or is an older one; {ONE_DIRECTORY}. Where these "
        "three are of one backup, move buckets.db away with its -wal and -shm and build it again: docs/howto/repair.md"
    )
