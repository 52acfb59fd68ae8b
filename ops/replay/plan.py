"""`replay plan`: what a replay would read and write, fixed by bounds and a hash. Changes nothing but its own document.

The plan is kept in the lake under `replay/plans/<hash>.jsonl.gz`, where `run` on this or another machine finds it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from aggregation.handover import is_of
from aggregation.lanes import KIND as LANES
from contracts.errors import BadEvent, BadRequest
from contracts.events import SCORED_STREAM
from contracts.generation import RUN_KIND, live_generation
from contracts.identity import series_of
from contracts.instants import iso_ms, parse_ms
from contracts.ports import BulkLoading, EventLog
from contracts.settings import AggregatorSettings
from contracts.subjects import parse_subject
from ops.home import expanded
from ops.replay.scan import Census, Filter, Scan
from ops.replay.sources import Digest, Segment, batches, read
from ops.replay.stitch import Start, heads, pieces
from stores.home import Home

PLANS: Final = "replay/plans/"
#: DynamoDB, us-east-1, US dollars a million write request units (shared/aws.md).
DOLLARS_PER_MILLION_WRITES: Final = 0.625
#: Buckets a second until a run of this installation was long enough to measure: written whole, and one by one with a
#: guard. A run takes a second to begin.
BULK_BUCKETS_PER_SECOND: Final = 50_000
GUARDED_BUCKETS_PER_SECOND: Final = 500
MEASURABLE_SECONDS: Final = 3
MODEL_TEXTS_PER_SECOND: Final = 800
#: Parts a run is cut into at least, for its bar, its pace and its workers.
MIN_TASKS: Final = 64
MAX_TASK_DIGESTS: Final = 1_200
MAX_TASK_HOURS: Final = 6_000
"""What a task came to is one control document, with a digest of each group and each of its lanes, and each hour it
wrote: 400 KB at most in DynamoDB."""


class Group(msgspec.Struct, frozen=True):
    """Work units of one subject and UTC day: the hours that have events, and how many records it has."""

    subject: str
    day: str
    hours: tuple[int, ...]
    records: int


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a run depends on. `hash` is over what decides the result: segments with their digests, filters, model
    and window settings; `digest`, of its document, over all the rest as well. `complete`: no filter leaves anything
    out, so the result may go live."""

    hash: str
    created_at: str
    sources: tuple[str, ...]
    start: str | None
    end: str | None
    subjects: tuple[str, ...]
    model: str | None
    model_version: str | None
    allowed_lateness_ms: int
    lanes: int
    complete: bool
    segments: tuple[Segment, ...]
    tips: dict[str, str]
    groups: tuple[Group, ...]
    census: Census
    without_sources: tuple[str, ...] = ()
    digest: str = ""

    @property
    def units(self) -> int:
        """Work units: distinct (subject, hour)."""
        return sum(len(group.hours) for group in self.groups)

    @property
    def buckets(self) -> int:
        return sum(self.census.buckets.values())


class Wish(msgspec.Struct, frozen=True):
    """What the operator asked for, parsed. Times bound the event time: `[start_ms, end_ms)`. `sources` are where to
    read, `without_sources` whose news to leave out."""

    sources: tuple[str, ...] = ("auto",)
    start_ms: int | None = None
    end_ms: int | None = None
    subjects: frozenset[str] = frozenset()
    model: str | None = None
    log_from_ms: int | None = None
    log_positions: dict[str, str] = {}
    without_sources: frozenset[str] = frozenset()


def wish_of(
    sources: Sequence[str],
    start: str | None,
    end: str | None,
    subjects: Sequence[str],
    model: str | None,
    log_from: str | None,
    positions: Sequence[str],
    without_sources: Sequence[str],
) -> Wish:
    """Command-line words as a wish. Raises `BadRequest` naming what is allowed."""
    try:
        start_ms, end_ms, from_ms = (parse_ms(text) if text else None for text in (start, end, log_from))
        named = {parse_subject(subject) for subject in subjects}
        chosen = frozenset(named | set(map(series_of, named)))  # events of before both were one have the other name
    except BadEvent as error:
        raise BadRequest(error.detail) from None
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise BadRequest(f"--start {start} is not before --end {end}")
    if model is not None:
        from consumers.classifier.models.registry import known, names

        if not known(model):
            raise BadRequest(f"there is no model {model!r}", tuple(names()))
    places = dict(text.partition("=")[::2] for text in positions)
    if not all(places.values()):
        raise BadRequest("--from-position is SHARD=SEQUENCE_NUMBER")
    return Wish(
        tuple(sources) or ("auto",), start_ms, end_ms, chosen, model, from_ms, places, frozenset(without_sources)
    )


def make_plan(
    home: Home,
    settings: AggregatorSettings,
    wish: Wish,
    progress: Callable[[int], None] = lambda records: None,
) -> Plan:
    """Read every source once, count what it holds, and fix it. Raises `BadRequest` when there is nothing to replay,
    `Altered` for a damaged lake object, `Unusable` when the model cannot be loaded."""
    version = _model_version(wish.model)
    created_at = iso_ms(home.clock.now_ms())  # before the bounds: what arrives later is later
    tips = heads(home.log, SCORED_STREAM)
    wanted = Filter(wish.start_ms, wish.end_ms, wish.subjects, wish.without_sources)
    lanes = _lanes(home, settings)
    scan = Scan(settings.allowed_lateness_ms, wanted, lanes, home.clock.now_ms() if settings.expire else None)
    segments = []
    start = Start(wish.log_from_ms, wish.log_positions)
    failed_bucket = _failed_bucket(home, settings) if "failed" in wish.sources else None
    for source in wish.sources:
        for piece in pieces(home, source, SCORED_STREAM, tips, start, failed_bucket):
            segments.append(_scanned(home, piece.segment, piece.lines, scan))
            progress(segments[-1].records or 0)
    census, groups = scan.result(segments)
    if not groups:
        of = "that counts" if wanted.everything else "that counts and is asked for by the filters"
        raise BadRequest(
            f"nothing to replay: {census.records} records in {', '.join(wish.sources)}, none {of}; "
            "only scored articles (scored-article/1) are replayed"
        )
    if unmet := wish.without_sources - scan.left_out:
        raise BadRequest(f"--without-source: no event is of {', '.join(sorted(unmet))}")
    partial_log = wish.log_from_ms is not None or bool(wish.log_positions)
    plan = Plan(
        hash="",
        created_at=created_at,
        sources=wish.sources,
        start=iso_ms(wish.start_ms) if wish.start_ms is not None else None,
        end=iso_ms(wish.end_ms) if wish.end_ms is not None else None,
        subjects=tuple(sorted(wish.subjects)),
        model=wish.model,
        model_version=version,
        allowed_lateness_ms=settings.allowed_lateness_ms,
        lanes=lanes,
        complete=wanted.everything and not partial_log and bool({"auto", "log", "lake"} & set(wish.sources)),
        segments=tuple(segments),
        tips=_covered(home.log, wish.sources, segments, tips),
        groups=tuple(Group(subject, day, hours, records) for subject, day, hours, records in groups),
        census=census,
        without_sources=tuple(sorted(wish.without_sources)),
    )
    plan = msgspec.structs.replace(plan, hash=plan_hash(plan))
    return msgspec.structs.replace(plan, digest=_digest_of(plan))


def _model_version(model: str | None) -> str | None:
    if model is None:
        return None
    from consumers.classifier.models.registry import load

    return load(model).version


def _failed_bucket(home: Home, settings: AggregatorSettings) -> str | None:
    """Where Lambda puts the batches it gives up on."""
    if settings.home != "aws":
        return None
    from stores.aws_home import AwsHome

    return AwsHome(settings, home.clock).bucket_name("failed")


def settled_lanes(home: Home, generation: str) -> int | None:
    """The lanes a generation was begun with; None before anybody wrote to it."""
    settled = home.control.get(LANES, generation).value
    return int(settled["lanes"]) if settled else None


def _lanes(home: Home, settings: AggregatorSettings) -> int:
    """As the live generation has them, unless the setting was given."""
    live = None if "lanes" in settings.model_fields_set else settled_lanes(home, live_generation(home.control))
    return settings.lanes if live is None else live


def _scanned(home: Home, segment: Segment, lines: Any, scan: Scan) -> Segment:
    digest = Digest()
    try:
        for batch in batches(lines):
            digest.add(batch)
            scan.add(batch)
    except BadEvent:
        list(read(home, segment))  # says what to do about a damaged object
        raise
    return msgspec.structs.replace(segment, records=digest.records, bytes=digest.bytes, digest=digest.hex)


def _covered(log: EventLog, sources: tuple[str, ...], segments: list[Segment], tips: dict[str, str]) -> dict[str, str]:
    """Shard → the last record the plan holds everything up to; where `promote` catches up from. Of a shard whose
    objects are another log's, and that this one has too, `promote` takes all there is."""
    if "auto" in sources or "log" in sources:
        return tips
    if "lake" not in sources:
        return {}
    covered: dict[str, str] = {}
    for one in segments:
        if one.shard_id and (one.shard_id not in covered or int(covered[one.shard_id]) < int(one.last)):
            covered[one.shard_id] = one.last
    mine = {shard.shard_id for shard in log.shards(SCORED_STREAM)}
    return {name: last for name, last in covered.items() if name not in mine or is_of(log, SCORED_STREAM, name, last)}


def plan_hash(plan: Plan) -> str:
    """Over what decides the result, in a canonical encoding; 16 hex digits."""
    decides = (
        plan.segments, plan.start, plan.end, plan.subjects, plan.model, plan.model_version,
        plan.allowed_lateness_ms, plan.lanes, *((plan.without_sources,) if plan.without_sources else ()),
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(decides, order="deterministic")).hexdigest()[:16]


def _digest_of(plan: Plan) -> str:
    bare = msgspec.structs.replace(plan, digest="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:32]


def save_plan(home: Home, plan: Plan) -> Plan:
    """Keep it, so that `run` finds it by its hash; returns what is kept. Runs may go by one that is there already; both
    read the same, so the later one, which retention has passed last, serves them as well. An older one stays, and one
    that knows that it leaves nothing out where the new one does not."""
    key = f"{PLANS}{plan.hash}.jsonl.gz"
    if key in home.lake.keys(key):
        with suppress(BadRequest):  # a damaged one is replaced
            kept = load_plan(home, plan.hash)
            if kept.complete > plan.complete:
                return kept
            if kept.complete == plan.complete and plan.created_at <= kept.created_at:
                return kept
    home.lake.put(key, [msgspec.json.encode(plan)])
    return plan


def load_plan(home: Home, name: str) -> Plan:
    """A plan by its hash, the beginning of it, or the path of its document. Raises `BadRequest`."""
    known = {key.removeprefix(PLANS).removesuffix(".jsonl.gz"): key for key in home.lake.keys(PLANS)}
    matching = [known[each] for each in known if each.startswith(name)]
    if len(matching) == 1 and len(name) >= 4:
        try:
            body = b"".join(home.lake.read(matching[0]))
        except BadEvent as error:
            raise BadRequest(f"{error.detail}; plan again") from None
    elif os.path.isfile(path := expanded(name)):  # false too for what can be no name
        body = path.read_bytes()
    else:
        raise BadRequest(f"{'several plans begin with' if matching else 'no plan'} {name!r}", tuple(sorted(known)))
    try:
        plan = msgspec.json.decode(body, type=Plan)
    except msgspec.DecodeError as error:
        raise BadRequest(f"{name} is no plan: {error}") from None
    if plan_hash(plan) != plan.hash:
        raise BadRequest(f"the plan {plan.hash} was altered: its content has the hash {plan_hash(plan)}")
    if plan.digest != _digest_of(plan):
        raise BadRequest(f"the plan {plan.hash} was altered: its document has the digest {_digest_of(plan)}")
    return plan


def _buckets_per_second(home: Home) -> float:
    """As the newest run did that was long enough, went through at one go, kept to no pace and re-scored nothing."""
    usual = BULK_BUCKETS_PER_SECOND if isinstance(home.buckets, BulkLoading) else GUARDED_BUCKETS_PER_SECOND
    runs = [
        run
        for run in home.control.list(RUN_KIND).values()
        if run.get("measured") and run["seconds"] >= MEASURABLE_SECONDS
    ]
    newest = max(runs, key=lambda run: str(run["created_at"]), default=None)
    return usual if newest is None else newest["counts"]["buckets"] / newest["seconds"]


def outlook(home: Home, plan: Plan) -> dict[str, Any]:
    """What the operator wants to know before saying `run`: JSON-ready."""
    census = plan.census
    lake_only = [one for one in plan.segments if one.kind in ("lake", "unread")] if "auto" in plan.sources else []
    seconds = 1 + plan.buckets / _buckets_per_second(home)
    seconds += census.articles / MODEL_TEXTS_PER_SECOND if plan.model else 0
    return {
        "plan": plan.hash,
        "sources": list(plan.sources),
        "bounds": {"start": plan.start, "end": plan.end, "log": plan.tips, "segments": len(plan.segments)},
        "model": plan.model_version,
        "complete": plan.complete,
        "records": {"total": census.records, **census.by_kind},
        "events": census.events,
        "duplicates": census.duplicates,
        "too_late": census.too_late,
        "quarantined": census.quarantined,
        "articles": census.articles,
        "subjects": census.subjects,
        "first_event_at": iso_ms(census.first_ms),
        "last_event_at": iso_ms(census.last_ms),
        "units": plan.units,
        "buckets": {"total": plan.buckets, **census.buckets},
        "only_in_lake": {
            "records": sum(one.records or 0 for one in lake_only),
            "objects": len(lake_only),
            "days": sorted({one.place.partition("date=")[2][:10] for one in lake_only}),
        },
        "expected_seconds": round(seconds, 1),
        "write_units": census.write_units,
        "cost_usd": round(census.write_units * DOLLARS_PER_MILLION_WRITES / 1e6, 4),
        "created_at": plan.created_at,
    }


def tasks_of(plan: Plan, target_records: int) -> Iterator[tuple[Group, ...]]:
    """Groups that are worked on together, always cut in the same places: about `target_records` each, fewer where a
    plan would not come to `MIN_TASKS` of them, so that many small subjects do not cost a commit each."""
    target_records = min(target_records, max(1, plan.census.records // MIN_TASKS))
    task: list[Group] = []
    records = hours = digests = 0
    for group in plan.groups:
        named = 1 + (min(plan.lanes, group.records) if plan.lanes > 1 else 0)  # each lane has a digest of its own
        full = digests + named > MAX_TASK_DIGESTS or hours + len(group.hours) > MAX_TASK_HOURS
        if task and (full or records + group.records > target_records):
            yield tuple(task)
            task, records, hours, digests = [], 0, 0, 0
        task.append(group)
        records += group.records
        hours += len(group.hours)
        digests += named
    if task:
        yield tuple(task)
