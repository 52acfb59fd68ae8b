"""`replay promote|rollback`: another generation goes live, no hole, no double count (see aggregation/handover.py)."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aggregation.event import Event
from aggregation.handover import Handover, check_retention, checkpoints_of, is_of
from aggregation.lanes import Lanes
from contracts.aside import list_asides
from contracts.errors import BadRequest, Conflict
from contracts.events import SCORED_STREAM
from contracts.generation import COMPARE_KIND, FIRST_GENERATION, POINTER
from contracts.instants import iso_ms, parse_ms
from contracts.log_reading import first_record
from contracts.ports import Position
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from ops.replay.lock import exclusive
from ops.replay.plan import Plan, load_plan, settled_lanes
from ops.replay.rescore import open_cache
from ops.replay.runs import KIND, audit_record, check_model, file_audit, get_run, rescored_to, run_folder, update_run
from ops.replay.tail import TailScores
from stores.home import Home

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
    another promote is at it or won; `BadRequest` when retention has passed the plan, or a time to live an event."""
    with taking_turns(home, settings, tell) as handover:
        run = get_run(home.control, name)
        pointer, version = home.control.get(*POINTER)
        live = str(pointer["generation"]) if pointer else FIRST_GENERATION
        if live == run["generation"]:
            raise Conflict(f"{live} is live already")
        plan = load_plan(home, run["plan"])
        compared = _gate(home, run, plan, live, version, force, reason)
        _check_made_alike(home, settings, run, plan)
        if (before := settled_lanes(home, live)) not in (None, plan.lanes):
            tell(f"{run['generation']} has lanes {plan.lanes}, {live} has lanes {before}")
        reached, records = _catch_up(home, settings, handover, run, plan, version, tell)
        record = audit_record(
            home, "promote", run=run["id"], generation=run["generation"], previous=live, plan=plan.hash,
            forced=force, reason=reason, caught_up=records, handover=reached, compare=compared,
        )  # fmt: skip
        return _go_live(home, handover, version, record, tell)


@contextmanager
def taking_turns(
    home: Home, settings: AggregatorSettings, tell: Callable[[str], None] = lambda line: None
) -> Iterator[Handover]:
    """One promote, rollback or cancel at a time; a swap that was cut short is finished first, so that the runs say what
    the pointer says. Raises `Conflict` while another is at it."""
    with exclusive(home, settings, "promote"):
        handover = Handover(home.buckets, home.control, home.log, home.clock, settings)
        if handover.settle():
            tell("finished an earlier swap that was cut short")
        book(home)
        yield handover


def _gate(
    home: Home, run: dict[str, Any], plan: Plan, live: str, version: int, force: bool, reason: str
) -> dict[str, Any] | None:
    """The compare that lets a run pass. Raises `Conflict` naming everything that is missing, and what doing it all the
    same would cost; while that is not known, it is not offered."""
    if run["state"] not in ("completed", "retired"):
        raise Conflict(f"run {run['id']} is {run['state']}: only a completed run can be promoted")
    _check_reason(force, reason)
    compared = home.control.get(COMPARE_KIND, run["id"]).value
    faults, cost = [], ""
    if not plan.complete:
        faults.append("its plan leaves something out (a filter, or a source that is not the whole log)")
    if compared is None or compared["a"] != live or compared["pointer_version"] != version:
        faults.append(f"it was not compared with {live}, which is live: `candlewick replay compare {run['id']}`")
    elif parse_ms(compared["at"]) + FRESH_MS < home.clock.now_ms():
        faults.append(f"its compare of {compared['at']} is too old: `candlewick replay compare {run['id']}`")
    else:
        faults += compared["breaches"]
        cost = _cost(compared, plan)
    if faults and not force:
        raise Conflict(f"{run['id']} is not promoted: {'; '.join(faults)}{cost}")
    return compared


def _check_reason(force: bool, reason: str) -> None:
    if force and not reason.strip():
        raise BadRequest("--force needs a --reason, which is kept in the audit record")


def _cost(compared: dict[str, Any], plan: Plan) -> str:
    """What `--force` would do, as far as a comparison tells."""
    lost = compared.get("lost")
    if lost is None or not compared["complete"]:
        return ""
    gone = f": then {lost['events']:,} of {lost['of']:,} events of {compared['a']} are gone" if lost["events"] else ""
    again = ", but for those that the log still has" if gone and not plan.tips else ""
    return f". --force --reason TEXT does it all the same{gone}{again}"


def _check_made_alike(home: Home, settings: AggregatorSettings, run: dict[str, Any], plan: Plan) -> None:
    """What arrived since is added by the same rules as the run was built by, or not at all: `--force` helps nothing.
    Raises `Conflict` or `Unusable`."""
    lanes = Lanes(home.control, plan.lanes, plan.allowed_lateness_ms).of(run["generation"])
    for name, planned, now in (
        ("lanes", plan.lanes, lanes),
        ("allowed lateness in ms", plan.allowed_lateness_ms, settings.allowed_lateness_ms),
    ):
        if planned != now:
            raise Conflict(f"run {run['id']} was planned with {name} {planned}, now it is {now}; plan and run again")
    if not run.get("rescored_to"):
        check_model(plan)


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

    began_ms = since_ms = parse_ms(run["reached_at"]) if run.get("reached_at") else _covered_ms(plan)
    reached: dict[str, str] = dict(run["reached"] if run.get("reached_at") else plan.tips)
    if run.get("reached_at") or {"auto", "log", "lake"} & set(plan.sources):  # others take what the log still has
        _check_places(home, reached, since_ms)
    expired = _Expired(home, tell)
    run = update_run(home.control, run, added_to=True)  # from here on it holds more than was built
    cache = open_cache(run_folder(settings, run["id"]).parent)
    try:
        # Once it was live it holds events as the log has them, so those since then come as they are too.
        anew = plan.model if not run.get("rescored_to") else None
        scores = TailScores(home, anew, parse_ms(plan.created_at), cache) if anew else None
        total = 0
        for _ in range(MAX_ROUNDS):
            began_ms = home.clock.now_ms()
            reached, count = handover.catch_up(
                run["generation"], reached, scores, still_mine=still_mine, expired=expired.add
            )
            if expired.lost():
                raise BadRequest(f"{expired} (or, while the aggregator is behind, try again when it is not)")
            total += count
            tell(f"caught up with {total} records that arrived since the plan")
            if count <= NEARLY_THERE_RECORDS:
                break
    finally:
        cache.close()
    update_run(home.control, run, reached=reached, reached_at=iso_ms(began_ms))
    return reached, total


def _check_places(home: Home, places: dict[str, str], since_ms: int) -> None:
    """Raises `BadRequest` unless the log has everything past `places`, which were read at `since_ms`."""
    kept = {shard.shard_id for shard in home.log.shards(SCORED_STREAM)} & places.keys()
    if not all(is_of(home.log, SCORED_STREAM, shard_id, places[shard_id]) for shard_id in kept):
        raise BadRequest(
            "it goes on from places in another log (of the region that was live before, say), and what came past them "
            "is not in this one: plan and run again (`auto` takes it from the copy of the lake)"
        )
    check_retention(home.log, places, since_ms, home.clock.now_ms())


class _Expired:
    """Events that arrived from an instant on and cannot be added any more, their minutes being past their time to live.
    Some did not count in their time either: the aggregator set them aside."""

    def __init__(self, home: Home, tell: Callable[[str], None], since_ms: int = 0) -> None:
        """`tell`: of what was set aside and cannot be read."""
        self._home = home
        self._tell = tell
        self._since_ms = since_ms
        self._before: set[str] = set()
        self._met: Counter[str] = Counter()
        self._judged = self._lost = 0

    def add(self, events: list[tuple[Event, int]]) -> None:
        """More of them, with when they arrived."""
        for event, arrived_ms in events:
            name = f"{event.subject} {event.event_id}"
            if arrived_ms < self._since_ms:
                self._before.add(name)
            elif name not in self._before:
                self._met[name] += 1

    def lost(self) -> int:
        """How many counted, as far as one knows."""
        if self._judged != self._met.total():
            self._judged = self._met.total()
            late = list_asides(self._home.lake, "late", self._tell)
            set_aside = Counter(line["event_key"] for line in late if line["reason"] == "expired")
            self._lost = (self._met - set_aside).total()
        return self._lost

    def __str__(self) -> str:
        return (
            f"{self._lost:,} events that arrived since are of minutes past their time to live, where nothing can be "
            "added any more: plan and run again"
        )


def _covered_ms(plan: Plan) -> int:
    """Nothing that the plan leaves out arrived before. One that ends with the lake's objects leaves out what the
    archiver had not come to, from the day of the oldest of them on."""
    if {"auto", "log"} & set(plan.sources):
        return parse_ms(plan.created_at)
    last = [one.place for one in plan.segments if one.shard_id and plan.tips.get(one.shard_id) == one.last]
    days = [place.partition("date=")[2][:10] for place in last]
    return min([parse_ms(plan.created_at), *(parse_ms(f"{day}T00:00:00Z") for day in days)])


def _go_live(
    home: Home, handover: Handover, version: int, record: dict[str, Any], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Swap, file it, and do the last step; returns the record. Raises `BadRequest` when nothing is left to go live."""
    generation = record["generation"]
    _check_there(home, generation)
    _swap(home, version, record)
    book(home)
    tell(f"{generation} is live; adding what arrived during the swap")
    handover.settle()
    return record


def _cut_short(pointer: dict[str, Any], action: str) -> bool:
    return not pointer.get("settled", True) and pointer.get("audit", {}).get("action") == action


def _check_there(home: Home, generation: str) -> None:
    if not home.buckets.subjects(generation):
        raise BadRequest(f"generation {generation} was dropped; replay into a new one instead")


def _swap(home: Home, version: int, record: dict[str, Any]) -> None:
    """One guarded write. Raises `Conflict` when another swap came first. The audit record travels with it, so that it
    is there whenever the swap is; `book` files it."""
    pointer = {
        "generation": record["generation"],
        "previous": record["previous"],
        "swapped_at": record["at"],
        "handover": record["handover"],
        "previous_floor": _floor(home),
        "settled": False,
        "audit": record,
    }
    try:
        home.control.put(*POINTER, pointer, expected_version=version)
    except Conflict:
        raise Conflict("another generation was made live at the same time; compare again") from None


def book(home: Home) -> None:
    """File the last swap: its audit record, and what the runs are since. Again and again the same; so a process that
    died after a swap leaves nothing that the next promote, rollback or cancel does not mend."""
    pointer = home.control.get(*POINTER).value or {}
    record: dict[str, Any] = pointer.get("audit", {})
    if record:
        file_audit(home, record)
    live = pointer.get("generation", FIRST_GENERATION)
    for run in home.control.list(KIND).values():
        if run["generation"] == live and run["state"] != "live":
            previous, at, until = pointer.get("previous"), record.get("at"), rescored_to(run, pointer)
            update_run(home.control, run, state="live", promoted_at=at, previous=previous, rescored_to=until)
        elif run["generation"] != live and run["state"] == "live":
            update_run(home.control, run, state="retired", retired_at=record.get("at"))


def _floor(home: Home) -> dict[str, str]:
    """Before these records everything is surely in the generation that was live: the aggregator's checkpoints before
    the swap, or the log's first records of a day before it."""
    floor = checkpoints_of(home.control, CHECKPOINT_KIND, "aggregator")
    if floor:
        return floor
    at = Position("AT_TIMESTAMP", str(home.clock.now_ms() - ROLLBACK_MARGIN_MS))
    for shard in home.log.shards(SCORED_STREAM):
        first = first_record(home.log, SCORED_STREAM, shard.shard_id, at)
        if first:
            floor[shard.shard_id] = first.sequence_number
    return floor


def rollback(
    home: Home,
    settings: AggregatorSettings,
    reason: str = "",
    tell: Callable[[str], None] = lambda line: None,
    only_from: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Make the generation live again that was live before; returns the audit record. Raises `BadRequest` when there is
    none, or retention has passed the swap, or a time to live an event (`force` leaves it out); `Conflict` when a
    promote is going on or `only_from` is not the live one: so a wish that is told twice is done once. One that was cut
    short is finished, and that is all: another would make live again what was rolled back from."""
    _check_reason(force, reason)
    before = home.control.get(*POINTER).value or {}
    with taking_turns(home, settings, tell) as handover:
        pointer, version = home.control.get(*POINTER)
        if pointer and _cut_short(before, "rollback") and pointer["swapped_at"] == before["swapped_at"]:
            return dict(pointer["audit"])
        if pointer is None or not pointer.get("previous"):
            raise BadRequest("nothing was promoted, so there is nothing to roll back to")
        previous, live = pointer["previous"], pointer["generation"]
        if only_from not in (None, live):
            raise Conflict(f"{only_from} is not live ({live} is), so there is nothing to roll back from it")
        _check_there(home, previous)
        floor, swapped_ms = pointer["previous_floor"], parse_ms(pointer["swapped_at"])
        _check_places(home, floor, swapped_ms)
        expired = _Expired(home, tell, swapped_ms)  # what arrived before counted in its time
        reached, records = handover.catch_up(previous, floor, inclusive=True, expired=expired.add)
        if expired.lost() and not force:
            raise BadRequest(f"{expired}; --force --reason TEXT leaves them out")
        tell(f"caught up with {records} records that arrived since {live} was promoted")
        record = audit_record(
            home, "rollback", generation=previous, previous=live, reason=reason, caught_up=records, handover=reached,
            forced=force, left_out=expired.lost(),
        )  # fmt: skip
        return _go_live(home, handover, version, record, tell)
