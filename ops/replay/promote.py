"""`replay promote|rollback`: another generation goes live, no hole, no double count (see aggregation/handover.py)."""

from collections.abc import Callable
from typing import Any, Final

from aggregation.handover import Handover, check_retention, checkpoints_of
from contracts.errors import BadRequest, Conflict
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.instants import iso_ms, parse_ms
from contracts.ports import Position
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from ops.replay.plan import Plan, load_plan
from ops.replay.rescore import open_cache
from ops.replay.runs import KIND, audit, exclusive, get_run, run_folder, update_run
from ops.replay.tail import TailScores
from stores.home import Home

COMPARE_KIND: Final = "replay-compare"
#: A compare older than this says little about now.
FRESH_MS: Final = 24 * HOUR_MS
#: Catching up stops when a round found no more than this; the swap follows within milliseconds.
NEARLY_THERE_RECORDS: Final = 200
MAX_ROUNDS: Final = 100
#: Where the aggregator keeps no checkpoints here (AWS), a rollback begins this long before the swap: far longer than
#: any batch is worked on, far shorter than the 1m buckets live.
ROLLBACK_MARGIN_MS: Final = DAY_MS


def promote(
    home: Home,
    settings: AggregatorSettings,
    name: str,
    force: bool = False,
    reason: str = "",
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make a run's generation live; returns the audit record. Raises `Conflict` when the run is not ready for it, or
    another promote is at it or won; `BadRequest` when retention has passed the plan."""
    run = get_run(home.control, name)
    with exclusive(settings, "promote"):
        handover = Handover(home.buckets, home.control, home.log, home.clock, settings)
        if handover.settle():
            tell("finished an earlier swap that was cut short")
        pointer, version = home.control.get(*POINTER)
        live = str(pointer["generation"]) if pointer else FIRST_GENERATION
        if live == run["generation"]:
            raise Conflict(f"{live} is live already")
        plan = load_plan(home, run["plan"])
        compared = _gate(home, run, plan, live, version, force, reason)
        reached, records = _catch_up(home, settings, handover, run, plan, version, tell)
        swapped = _swap(home, version, run["generation"], live, reached, run["id"])
        tell(f"{run['generation']} is live; adding what arrived during the swap")
        handover.settle()
        record = audit(
            home, "promote", run=run["id"], generation=run["generation"], previous=live, plan=plan.hash,
            forced=force, reason=reason, caught_up=records, handover=reached, compare=compared,
        )  # fmt: skip
        _retire(home, live)
        update_run(home.control, get_run(home.control, run["id"]), state="live", promoted_at=swapped, previous=live)
        return record


def _gate(
    home: Home, run: dict[str, Any], plan: Plan, live: str, version: int, force: bool, reason: str
) -> dict[str, Any] | None:
    """The compare that lets a run pass. Raises `BadRequest` naming everything that is missing."""
    if run["state"] not in ("completed", "retired"):
        raise Conflict(f"run {run['id']} is {run['state']}: only a completed run can be promoted")
    if force and not reason.strip():
        raise BadRequest("--force needs a --reason, which is kept in the audit record")
    compared = home.control.get(COMPARE_KIND, run["id"]).value
    faults = []
    if not plan.complete:
        faults.append("its plan leaves something out (a filter, or a source that is not the whole log)")
    if compared is None or compared["a"] != live or compared["pointer_version"] != version:
        faults.append(f"it was not compared with {live}, which is live: `candlewick replay compare {run['id']}`")
    elif parse_ms(compared["at"]) + FRESH_MS < home.clock.now_ms():
        faults.append(f"its compare of {compared['at']} is too old: `candlewick replay compare {run['id']}`")
    elif compared["breaches"]:
        faults.append("; ".join(compared["breaches"]))
    if faults and not force:
        raise Conflict(f"{run['id']} is not promoted: {'; '.join(faults)}. --force --reason TEXT does it all the same")
    return compared


def _catch_up(
    home: Home,
    settings: AggregatorSettings,
    handover: Handover,
    run: dict[str, Any],
    plan: Plan,
    version: int,
    tell: Callable[[str], None],
) -> tuple[dict[str, str], int]:
    """Add what arrived since the plan; the position reached, from which the swap goes on."""

    def still_mine() -> None:
        if home.control.get(*POINTER).version != version:
            raise Conflict("another generation was made live meanwhile; compare again")

    since_ms = parse_ms(run.get("reached_at") or plan.created_at)
    reached: dict[str, str] = dict(run.get("reached") or plan.tips)
    check_retention(home.log, reached, since_ms)
    cache = open_cache(run_folder(settings, run["id"]).parent)
    try:
        scores = TailScores(home, plan.model, parse_ms(plan.created_at), cache) if plan.model else None
        total = 0
        for _ in range(MAX_ROUNDS):
            began_ms = home.clock.now_ms()
            reached, count = handover.catch_up(run["generation"], reached, scores, still_mine=still_mine)
            total += count
            tell(f"caught up with {total} records that arrived since the plan")
            if count <= NEARLY_THERE_RECORDS:
                break
            run = update_run(home.control, run, reached=reached, reached_at=iso_ms(began_ms))
        return reached, total
    finally:
        cache.close()


def _swap(home: Home, version: int, generation: str, live: str, reached: dict[str, str], run_id: str | None) -> str:
    """One guarded write; the instant it was made. Raises `Conflict` when another swap came first."""
    at = iso_ms(home.clock.now_ms())
    pointer = {
        "generation": generation,
        "previous": live,
        "run": run_id,
        "swapped_at": at,
        "handover": reached,
        "previous_floor": _floor(home),
        "settled": False,
    }
    try:
        home.control.put(*POINTER, pointer, expected_version=version)
    except Conflict:
        raise Conflict("another generation was made live at the same time; compare again") from None
    return at


def _floor(home: Home) -> dict[str, str]:
    """Up to here everything is surely in the generation that was live: the aggregator's checkpoints before the swap,
    or the log's records of a day before it."""
    floor = checkpoints_of(home.control, CHECKPOINT_KIND, "aggregator")
    if floor:
        return floor
    at = Position("AT_TIMESTAMP", str(home.clock.now_ms() - ROLLBACK_MARGIN_MS))
    for shard in home.log.shards(SCORED_STREAM):
        records = home.log.get_records(home.log.iterator(SCORED_STREAM, shard.shard_id, at), 1).records
        if records:
            floor[shard.shard_id] = records[0].sequence_number
    return floor


def _retire(home: Home, generation: str) -> None:
    """The run behind a generation that is not live any more says so."""
    for run in home.control.list(KIND).values():
        if run["generation"] == generation and run["state"] == "live":
            update_run(home.control, run, state="retired", retired_at=iso_ms(home.clock.now_ms()))


def rollback(
    home: Home, settings: AggregatorSettings, reason: str = "", tell: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Make the generation live again that was live before; returns the audit record. Raises `BadRequest` when there is
    none or retention has passed the swap, `Conflict` when a promote is going on."""
    with exclusive(settings, "promote"):
        handover = Handover(home.buckets, home.control, home.log, home.clock, settings)
        handover.settle()
        pointer, version = home.control.get(*POINTER)
        if pointer is None or not pointer.get("previous"):
            raise BadRequest("nothing was promoted, so there is nothing to roll back to")
        previous, live = pointer["previous"], pointer["generation"]
        if not home.buckets.subjects(previous):
            raise BadRequest(f"generation {previous} was dropped; replay into a new one instead")
        check_retention(home.log, pointer["previous_floor"], parse_ms(pointer["swapped_at"]))
        reached, records = handover.catch_up(previous, pointer["previous_floor"])
        tell(f"caught up with {records} records that arrived since {live} was promoted")
        run = next((each for each in home.control.list(KIND).values() if each["generation"] == previous), None)
        at = _swap(home, version, previous, live, reached, run["id"] if run else None)
        handover.settle()
        record = audit(
            home, "rollback", generation=previous, previous=live, reason=reason, caught_up=records, handover=reached
        )
        _retire(home, live)
        if run is not None:
            update_run(home.control, run, state="live", promoted_at=at)
        return record
