"""`replay compare`: two generations bucket by bucket, in one pass over both.

What the live generation has received since the run was planned is no difference: a bucket that was written after the
plan and holds more events than its counterpart counts as `newer`. Of a bucket that was not, every event must be there.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from aggregation.rollup import past_ttl
from contracts.bucket import E4, Bucket
from contracts.clock import Clock
from contracts.documents import bucket_document, end_ms
from contracts.errors import BadRequest
from contracts.generation import COMPARE_KIND, POINTER, live_generation
from contracts.instants import iso_ms, parse_ms
from contracts.pairs import distance_e4, pairs, same_content, without_lanes
from contracts.resolution import FINEST, NAMES, WIDTH_MS
from ops.replay.runs import KIND
from ops.replay.tail import CLOCKS_DIFFER_MS
from stores.home import Home

WORST: Final = 20
ARTICLES_SHOWN: Final = 5
PSI_BINS: Final = 10
#: A share of nothing is taken as this, so that a bin that appears or vanishes weighs much but not endlessly.
PSI_FLOOR: Final = 1e-4
VERDICTS: Final = ("equal", "changed", "only_a", "only_b", "newer")


class Limits(NamedTuple):
    """What `promote` lets pass: shares of buckets and events lost and of labels flipped, mean absolute change of close,
    population stability index (above 0.25 is commonly called a shift)."""

    max_lost: float = 0.0
    max_flips: float = 0.25
    max_close_change: float = 0.25
    max_psi: float = 0.25


class Bounds(NamedTuple):
    """When to stop early: after so many differences or seconds; the answer then says `complete: false`."""

    max_diffs: int | None = None
    max_seconds: float | None = None


def compare(
    home: Home,
    a: str,
    b: str,
    bounds: Bounds = Bounds(),  # noqa: B008 (an immutable value)
    limits: Limits = Limits(),  # noqa: B008
    progress: Callable[[int], None] = lambda buckets: None,
    expire: bool = False,
) -> dict[str, Any]:
    """The comparison as JSON-ready values; kept for `promote` when `b` was built by a run. `expire`: buckets past their
    TTL, which may be there or not, are passed over. Raises `BadRequest` for one and the same, `Transient`."""
    if a == b:
        raise BadRequest(
            f"{b} does not differ from itself; name another generation (one alone is compared with the live one)"
        )
    run = next((run for run in home.control.list(KIND).values() if run["generation"] == b), None)
    version = home.control.get(*POINTER).version
    planned_ms = parse_ms(run["planned_at"]) if run else None
    tally = _Tally(planned_ms, home.clock)
    complete = _walk(home, a, b, tally, bounds, progress, expire)
    report = {
        "a": a,
        "b": b,
        "run": run["id"] if run else None,
        "at": iso_ms(home.clock.now_ms()),
        "complete": complete,
        "counts": {name: tally.verdicts[name] for name in VERDICTS},
        "by_resolution": {name: tally.by_resolution[name].row() for name in NAMES if name in tally.by_resolution},
        "by_subject": {name: tally.by_subject[name].row() for name in sorted(tally.by_subject)},
        "lost": _lost_of(tally),
        "mean_abs_close_change": tally.all.row()["mean_abs_close_change"],
        "label_flips": _flips(run, tally),
        "psi": _psi_of(run, tally),
        "worst": [_worst(home, *entry) for entry in tally.worst()],
    }
    report["breaches"] = breaches(report, limits)
    if run is not None:
        kept = {name: value for name, value in report.items() if name not in ("worst", "by_subject")}
        live = live_generation(home.control)
        home.control.put(COMPARE_KIND, run["id"], kept | {"live": live, "pointer_version": version})
    return report


def _walk(
    home: Home, a: str, b: str, tally: "_Tally", bounds: Bounds, progress: Callable[[int], None], expire: bool
) -> bool:
    """Fill the tally; whether it got to the end."""
    began_ms = home.clock.monotonic_ms()
    pending = 0
    now_ms = home.clock.now_ms()
    for here, there in pairs(without_lanes(home.buckets.scan(a)), without_lanes(home.buckets.scan(b))):
        one = here or there
        if expire and one is not None and past_ttl(one.key, now_ms):
            continue
        tally.take(here, there)
        pending += 1
        if pending == 1_000:
            progress(pending)
            pending = 0
            if bounds.max_seconds is not None and home.clock.monotonic_ms() - began_ms > 1000 * bounds.max_seconds:
                return False
        if bounds.max_diffs is not None and tally.differences >= bounds.max_diffs:
            return False
    progress(pending)
    return True


class _Part:
    """Verdicts and change of close of some of the buckets."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.paired = 0
        self.close_change_e4 = 0
        self.flips = 0.0
        self.events = 0
        self.lost = 0

    def row(self) -> dict[str, Any]:
        mean = self.close_change_e4 / self.paired / E4 if self.paired else 0.0
        return {
            **{name: self.verdicts[name] for name in VERDICTS},
            "mean_abs_close_change": round(mean, 6),
            "net_label_flips": int(self.flips),
            "events_lost": self.lost,
        }


class _Tally:
    """Everything counted in the pass."""

    def __init__(self, planned_ms: int | None, clock: Clock) -> None:
        self._planned_ms = planned_ms
        self._clock = clock
        self.all = _Part()
        self.by_resolution: dict[str, _Part] = {}
        self.by_subject: dict[str, _Part] = {}
        self.closes_a = [0] * PSI_BINS
        self.closes_b = [0] * PSI_BINS
        self.events_1m = 0
        self._worst: list[tuple[tuple[int, int, str, int], Bucket, Bucket]] = []

    @property
    def verdicts(self) -> Counter[str]:
        return self.all.verdicts

    @property
    def differences(self) -> int:
        return sum(self.verdicts[name] for name in ("changed", "only_a", "only_b"))

    def take(self, here: Bucket | None, there: Bucket | None) -> None:
        one = here or there
        assert one is not None
        verdict = self._verdict(here, there)
        parts = (
            self.all,
            self.by_resolution.setdefault(one.resolution, _Part()),
            self.by_subject.setdefault(one.subject, _Part()),
        )
        change_e4 = abs(here.summary.close_e4 - there.summary.close_e4) if here and there else 0
        flips = _net_flips(here, there) if verdict == "changed" else 0.0
        lost = self._lost(here, there) if verdict in ("changed", "only_a") else 0
        for part in parts:
            part.verdicts[verdict] += 1
            part.events += here.summary.count if here else 0
            part.lost += lost
            if here and there and verdict != "newer":
                part.paired += 1
                part.close_change_e4 += change_e4
        if one.resolution == FINEST.name and here and there and verdict != "newer":
            self.closes_a[_bin(here.summary.close_e4)] += 1
            self.closes_b[_bin(there.summary.close_e4)] += 1
            self.events_1m += here.summary.count
            for part in parts:
                part.flips += flips
        if verdict == "changed" and here and there:
            self._note_worst(here, there)

    def _verdict(self, here: Bucket | None, there: Bucket | None) -> str:
        if here is not None and there is not None:
            if same_content(here, there):
                return "equal"
            newer = self._is_new(here) and here.summary.count > there.summary.count
            return "newer" if newer else "changed"
        if here is None:
            return "only_b"
        return "newer" if self._is_new(here) else "only_a"

    def _lost(self, here: Bucket | None, there: Bucket | None) -> int:
        """Events that B lacks, as far as a bucket tells: one that was written since the plan does not."""
        if here is None or self._is_new(here):
            return 0
        if there is None:
            return here.summary.count
        if here.packed and there.packed:
            return len(here.members - there.members)
        return max(0, here.summary.count - there.summary.count)  # its members are in its lanes or its children

    def _is_new(self, bucket: Bucket) -> bool:
        """Whether it was written since the plan. What was written by a clock that was ahead may be older."""
        latest_ms = self._clock.now_ms() + CLOCKS_DIFFER_MS
        return self._planned_ms is not None and self._planned_ms <= bucket.last_updated_ms <= latest_ms

    def _note_worst(self, here: Bucket, there: Bucket) -> None:
        # Of equal distances the finest window says most, then the first in key order.
        rank = (distance_e4(here, there), -WIDTH_MS[here.resolution], _backwards(here.subject), -here.start_ms)
        if len(self._worst) < WORST:
            heapq.heappush(self._worst, (rank, here, there))
        elif rank > self._worst[0][0]:
            heapq.heapreplace(self._worst, (rank, here, there))

    def worst(self) -> list[tuple[Bucket, Bucket]]:
        """The 20 pairs that differ most, worst first."""
        ordered = sorted(self._worst, key=lambda entry: entry[0], reverse=True)
        return [(here, there) for _, here, there in ordered]


def _backwards(text: str) -> str:
    """Sorts the other way round."""
    return "".join(chr(0x10FFFF - ord(character)) for character in text)


def _bin(polarity_e4: int) -> int:
    return min(PSI_BINS - 1, (polarity_e4 + E4) * PSI_BINS // (2 * E4))


def _net_flips(here: Bucket | None, there: Bucket | None) -> float:
    """Labels that changed at least, as the label counts of a bucket with the same events show it."""
    assert here is not None
    assert there is not None
    a, b = here.summary, there.summary
    return (abs(a.positive - b.positive) + abs(a.neutral - b.neutral) + abs(a.negative - b.negative)) / 2


def _flips(run: dict[str, Any] | None, tally: _Tally) -> dict[str, Any]:
    """Exact where a run re-scored events (each label before and after); else what the label counts show."""
    matrix: dict[str, int] = (run or {}).get("flips") or {}
    if matrix:
        total = sum(matrix.values())
        changed = sum(count for name, count in matrix.items() if name.split(">")[0] != name.split(">")[1])
        return {"events": changed, "share": round(changed / max(1, total), 6), "exact": True, "matrix": matrix}
    net = int(tally.all.flips)
    return {"events": net, "share": round(net / max(1, tally.events_1m), 6), "exact": False, "matrix": {}}


def _lost_of(tally: _Tally) -> dict[str, Any]:
    """By the resolution that shows most: where the minutes have expired the hours still tell."""
    part = max(tally.by_resolution.values(), key=lambda part: part.lost, default=tally.all)
    return {"events": part.lost, "of": part.events, "share": round(part.lost / max(1, part.events), 6)}


def _psi_of(run: dict[str, Any] | None, tally: _Tally) -> dict[str, Any]:
    """Over the events' polarity where a run re-scored them, else over the closes of 1m buckets."""
    scores = (run or {}).get("scores") or {}
    if any(scores.get("after", ())):
        return {"value": round(psi(_halved(scores["before"]), _halved(scores["after"])), 6), "over": "events"}
    return {"value": round(psi(tally.closes_a, tally.closes_b), 6), "over": "1m closes"}


def _halved(bins: Sequence[int]) -> list[int]:
    return [bins[at] + bins[at + 1] for at in range(0, len(bins), 2)]


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """Population stability index of two histograms: Σ (a − e) ln(a / e) over the bins' shares."""
    e_total, a_total = sum(expected), sum(actual)
    if not e_total or not a_total:
        return 0.0
    total = 0.0
    for e, a in zip(expected, actual, strict=True):
        e_share, a_share = max(e / e_total, PSI_FLOOR), max(a / a_total, PSI_FLOOR)
        total += (a_share - e_share) * math.log(a_share / e_share)
    return total


def breaches(report: dict[str, Any], limits: Limits) -> list[str]:
    """What stands between this comparison and a promote."""
    counts = report["counts"]
    held = sum(counts[name] for name in ("equal", "changed", "only_a"))
    lost = counts["only_a"] / held if held else 0.0
    checks = (
        ("buckets lost", lost, limits.max_lost),
        ("labels flipped", report["label_flips"]["share"], limits.max_flips),
        ("mean absolute change of close", report["mean_abs_close_change"], limits.max_close_change),
        ("population stability index", report["psi"]["value"], limits.max_psi),
    )
    found = [f"{name}: {value:.4f}, at most {limit:g}" for name, value, limit in checks if value > limit]
    missing = report["lost"]
    if missing["events"] > limits.max_lost * missing["of"]:
        found.insert(0, f"events lost: {missing['events']:,} of {missing['of']:,}, at most {limits.max_lost:g} of them")
    return found if report["complete"] else [*found, "the comparison was stopped before its end"]


def _worst(home: Home, here: Bucket, there: Bucket) -> dict[str, Any]:
    """A pair with the articles behind it."""
    now_ms = home.clock.now_ms()
    items = home.items.by_subject(here.subject, here.start_ms, end_ms(here), ARTICLES_SHOWN)
    return {
        "ticker": here.subject,
        "resolution": here.resolution,
        "difference": distance_e4(here, there) / E4,
        "a": bucket_document(here, now_ms),
        "b": bucket_document(there, now_ms),
        "articles": [
            {
                "article_id": item["source_id"],
                "title": item["metadata"]["title"],
                "url": item["source_url"],
                "published_at": item["metadata"]["published_at"],
                "label": item["sentiment"],
                "polarity": float(item["polarity"]),
            }
            for item in items
        ],
    }
