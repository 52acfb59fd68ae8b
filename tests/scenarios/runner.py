"""Runs a scenario on an engine and checks what it expects; then what every scenario must leave behind.

    expect open|final|revised AAPL [1m] 10:00 [o+0.40 h+0.90 l-0.20 c-0.20 s+1.10 n3 rev2 positive=2 sources=rss …]
    expect absent AAPL [1m] 10:00
    expect too_late|expired|quarantined|duplicates|counted|writes|repaired N     expect quarantined future N
    expect nothing else open but AAPL 10:01[, MSFT 10:02]                        expect watermark 10:01:05

Open, final and revised come from the watermark: minimum over the shards that are not idle, never backwards.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aggregation.finalizer import Findings
from aggregation.rollup import violation
from aggregation.watermark import NEVER_MS, combined_ms
from contracts.bucket import E4, Bucket, BucketKey, content_bytes
from contracts.instants import iso_ms
from contracts.ports import Record
from contracts.resolution import NAMES, WIDTH_MS
from tests import oracle
from tests.scenarios.engines import Delivery, Engine, Fault, Setup
from tests.scenarios.language import Scenario, Statement, is_time

_VALUE: Final = re.compile(r"([ohlcs])([+-]\d+(?:\.\d{1,4})?)\Z")
_NUMBER: Final = re.compile(r"(n|rev)(\d+)\Z")
_SHORT: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "s": "sum"}
_FIELDS: Final = {"model": "model_version"}
_COUNTERS: Final = frozenset(
    {"too_late", "expired", "quarantined", "duplicates", "counted", "writes", "repaired", "ended"}
)
_SHARD: Final = "s0"


class Runner:
    """One scenario on one engine."""

    def __init__(self, engine_of: Any, folder: Path) -> None:
        self._engine_of, self._folder = engine_of, folder
        self.setup = Setup()
        self._engine: Engine | None = None
        self._documents: list[dict[str, Any]] = []
        self._events: dict[str, dict[str, Any]] = {}
        self._sequence = 0
        self._began_ms: int | None = None
        self._parts: list[dict[str, list[bytes]]] | None = None
        self._last: list[Delivery] = []
        self._unacknowledged = False
        self._watermark_ms = NEVER_MS
        self._status: dict[BucketKey, str] = {}
        self._seen: dict[BucketKey, bytes] = {}
        self._scanned: dict[BucketKey, Bucket] | None = None
        self._gone: set[BucketKey] = set()
        self._findings = Findings(0, 0, 0, 0)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._engine_of(self.setup, self._folder)
        return self._engine

    def run(self, scenario: Scenario) -> None:
        """Raises `ScenarioError` (file:line) for the first expectation that does not hold."""
        try:
            for statement in scenario.statements:
                if statement.verb != "expect":
                    self._scanned = None
                getattr(self, f"_do_{statement.verb}")(statement)
            self._check_the_end(scenario.statements[-1])
        finally:
            if self._engine:
                self._engine.close()

    # ---- what happens -----------------------------------------------------------------------------------------
    def _do_setup(self, at: Statement) -> None:
        pairs = dict(zip(at.words[::2], at.words[1::2], strict=True))
        for name, value in pairs.items():
            if name in ("out_of_order", "allowed_lateness", "idle"):
                self.setup = replace(self.setup, **{f"{name}_ms": at.duration_ms(value)})
            elif name == "resolution":
                self.setup = replace(self.setup, resolution=value)
            elif name == "lanes":
                self.setup = replace(self.setup, lanes=int(value))
            elif name == "expire":
                self.setup = replace(self.setup, expire=value == "on")
            else:
                raise at.fail(f"no such parameter: {name!r}")

    def _do_event(self, at: Statement) -> None:
        words = list(at.words)
        event_ms = ingested_ms = at.time_ms(words.pop(0))
        if words[0].startswith("@"):
            ingested_ms = at.time_ms(words.pop(0)[1:])
        subject, polarity, name = words[0], float(words[1]), words[2]
        label = "positive" if polarity > 0.15 else "negative" if polarity < -0.15 else "neutral"
        shard, bad, more = _SHARD, False, {}
        for word in words[3:]:
            key, _, value = word.partition("=")
            if key == "shard":
                shard = value
            elif key == "bad":
                bad = True
            else:
                more[_FIELDS.get(key, key)] = value
        document = {
            "schema": "scored-article/1", "event_id": f"scn{name}@{subject}", "article_id": f"scn{name}",
            "subject": subject, "source": "rss", "event_time": iso_ms(event_ms), "ingested_at": iso_ms(ingested_ms),
            "scored_at": iso_ms(ingested_ms), "label": label, "confidence": 0.9, "polarity": polarity,
            "model_version": "m1",
        } | more  # fmt: skip
        if not bad:
            self._events[f"{name}@{subject}"] = self._events[name] = document
        self._put(shard, document, ingested_ms, bad)

    def _do_again(self, at: Statement) -> None:
        document, shard = self._events.get(at.words[0]), _SHARD
        if document is None:
            raise at.fail(f"no event {at.words[0]} above")
        for word in at.words[1:]:
            if word.startswith("@"):
                document = document | {"ingested_at": iso_ms(at.time_ms(word[1:]))}
            elif word.startswith("shard="):
                shard = word[6:]
            else:
                key, _, value = word.partition("=")
                changed: Any = float(value) if key == "polarity" else value
                document = document | {_FIELDS.get(key, key): changed}
        self._put(shard, document, oracle.to_ms(document["ingested_at"]), False)

    def _do_bytes(self, at: Statement) -> None:
        self._offer(_SHARD, at.words[0].encode("latin-1").decode("unicode_escape").encode("latin-1"))

    def _put(self, shard: str, document: dict[str, Any], ingested_ms: int, bad: bool) -> None:
        if not bad:
            self._documents.append(document)
        self.engine.clock.instant_ms = max(self.engine.clock.instant_ms, ingested_ms)
        self._offer(shard, json.dumps(document).encode())

    def _offer(self, shard: str, data: bytes) -> None:
        if self._parts is not None:
            self._parts[-1].setdefault(shard, []).append(data)
        else:
            self._deliver([self._delivery(shard, [data])])

    def _do_batch(self, at: Statement) -> None:
        self._parts = [{}]

    def _do_meanwhile(self, at: Statement) -> None:
        if self._parts is None:
            raise at.fail("`meanwhile` belongs between `batch` and `deliver`")
        self._parts.append({})

    def _do_deliver(self, at: Statement) -> None:
        parts, self._parts = self._parts, None
        if parts is None:
            raise at.fail("`deliver` without `batch`")
        fault = self._fault(at)
        others = [self._delivery(*item) for part in parts[1:] for item in part.items()]
        if len(others) > 1:
            raise at.fail("one batch at a time can be committed meanwhile")
        deliveries = [self._delivery(shard, records) for shard, records in parts[0].items()]
        deliveries[-1] = replace(deliveries[-1], fault=fault, meanwhile=others[0] if others else None)
        self._deliver(deliveries)

    def _fault(self, at: Statement) -> Fault | None:
        words = at.words
        if not words:
            return None
        dies = words[0] == "crash"
        if words[1:] == ("before", "writes"):
            return Fault(0, dies)
        if words in (("crash", "after", "commit"), ("reply", "lost")):
            return Fault(None, dies)
        if words[0] in ("crash", "throttled") and words[1] == "after" and words[3:] in (("writes",), ("write",)):
            return Fault(int(words[2]), dies)
        raise at.fail(f"no such fault: {' '.join(words)!r}")

    def _delivery(self, shard: str, records: list[bytes]) -> Delivery:
        made = []
        for data in records:
            self._sequence += 1
            made.append(Record(str(self._sequence), "AAPL", data, self.engine.clock.now_ms()))
        return Delivery(shard, tuple(made))

    def _deliver(self, deliveries: list[Delivery]) -> None:
        self._last = deliveries
        now_ms = self.engine.clock.now_ms()
        self._began_ms = now_ms if self._began_ms is None else min(self._began_ms, now_ms)
        acknowledged = [self.engine.deliver(delivery) for delivery in deliveries]
        self._unacknowledged = not all(acknowledged)
        self._look()

    def _do_crash(self, at: Statement) -> None:
        if at.words not in ((), ("after", "commit")):
            raise at.fail("`crash` or `crash after commit`; other places go with `deliver`")
        self._unacknowledged = at.words != ()
        self.engine.crash(acknowledged=not self._unacknowledged)

    def _do_redeliver(self, at: Statement) -> None:
        self._deliver([replace(delivery, fault=None, meanwhile=None) for delivery in self._last])

    def _do_lose(self, at: Statement) -> None:
        self.engine.lose_window_state()

    def _do_final(self, at: Statement) -> None:
        self.engine.end_window(at.words[1] if len(at.words) > 1 else _SHARD, early=False)

    def _do_end(self, at: Statement) -> None:
        self.engine.end_window(_SHARD, early=True)

    def _do_now(self, at: Statement) -> None:
        self.engine.clock.instant_ms = at.time_ms(at.words[0])
        self._look()

    def _do_later(self, at: Statement) -> None:
        self.engine.clock.advance(at.duration_ms(at.words[0]))
        self._look()

    def _do_gone(self, at: Statement) -> None:
        key, _ = self._key(at, list(at.words))
        if key not in self.engine.scan():
            raise at.fail(f"{key} was never there")
        self.engine.delete(key)
        self._gone.add(key)
        self._seen.pop(key, None)

    def _do_finalise(self, at: Statement) -> None:
        self._findings = self.engine.finalise()
        self._look()

    def _look(self) -> None:
        """What became of each window: open, final, or revised after it was final."""
        before_ms = self._watermark_ms
        setup, clock = self.setup, self.engine.clock
        self._watermark_ms = combined_ms(
            self.engine.progress(), clock.now_ms(), before_ms, setup.out_of_order_ms, setup.idle_ms
        )
        self._scanned = None
        for key, bucket in self._stored().items():
            content, end_ms = content_bytes(bucket), key.start_ms + WIDTH_MS[key.resolution]
            if self._seen.get(key) != content:
                self._seen[key] = content
                self._status[key] = "revised" if end_ms <= before_ms else "open"
            if self._status[key] == "open" and end_ms <= self._watermark_ms:
                self._status[key] = "final"

    def _stored(self) -> dict[BucketKey, Bucket]:
        """All buckets, read once after whatever happened last."""
        if self._scanned is None:
            self._scanned = self.engine.scan()
        return self._scanned

    # ---- what is expected -------------------------------------------------------------------------------------
    def _do_expect(self, at: Statement) -> None:
        first = at.words[0]
        if first in _COUNTERS:
            self._expect_count(at)
        elif at.words[:5] == ("nothing", "else", "open", "but", at.words[4] if len(at.words) > 4 else ""):
            self._expect_open(at, " ".join(at.words[4:]))
        elif at.words == ("nothing", "open"):
            self._expect_open(at, "")
        elif first == "watermark":
            if at.time_ms(at.words[1]) != self._watermark_ms:
                raise at.fail(f"the watermark is {iso_ms(self._watermark_ms)}")
        elif first in ("open", "final", "revised", "absent", "bucket"):
            self._expect_bucket(at, first)
        else:
            raise at.fail(f"cannot expect {first!r}")

    def _expect_count(self, at: Statement) -> None:
        name, number = at.words[0], int(at.words[-1])
        asides, tally = self.engine.asides(), self.engine.tally
        found = {
            "too_late": [key for reason, key in asides["late"] if reason == "too_late"],
            "expired": [key for reason, key in asides["late"] if reason == "expired"],
            "quarantined": [key for reason, key in asides["quarantined"] if at.words[1] in (reason, at.words[-1])],
        }
        numbers = {name: len(keys) for name, keys in found.items()} | {
            "duplicates": tally.duplicates,
            "counted": tally.counted,
            "writes": tally.writes,
            "repaired": self._findings.repaired,
            "ended": self._findings.ended,
        }
        if numbers[name] != number:
            raise at.fail(f"{name} is {numbers[name]}, expected {number}")

    def _expect_open(self, at: Statement, text: str) -> None:
        allowed = set()
        for part in filter(None, text.split(",")):
            key, rest = self._key(at, part.split())
            if rest:
                raise at.fail(f"one too many: {rest}")
            allowed.add(key)
        found = {
            key
            for key, status in self._status.items()
            if status == "open" and key.resolution == self.setup.resolution and "~" not in key.subject
        }
        if found != allowed:
            names = ", ".join(f"{key.subject} {iso_ms(key.start_ms)[11:16]}" for key in sorted(found))
            raise at.fail(f"open windows are: {names or 'none'}")

    def _key(self, at: Statement, words: list[str]) -> tuple[BucketKey, list[str]]:
        subject = words.pop(0)
        resolution = words.pop(0) if words[0] in NAMES else self.setup.resolution
        if not is_time(words[0]):
            raise at.fail(f"{words[0]!r} is no time")
        start_ms = at.time_ms(words.pop(0))
        if start_ms % WIDTH_MS[resolution]:
            raise at.fail(f"no {resolution} window starts at {iso_ms(start_ms)}")
        return BucketKey(subject, resolution, start_ms), words

    def _expect_bucket(self, at: Statement, status: str) -> None:
        key, words = self._key(at, list(at.words[1:]))
        bucket = self._stored().get(key)
        if status == "absent":
            if bucket is not None:
                raise at.fail(f"{key.subject} {key.resolution} is there, with {bucket.summary.count} events")
            return
        if bucket is None:
            raise at.fail(f"there is no bucket {key.subject} {key.resolution} {iso_ms(key.start_ms)}")
        if status != "bucket" and self._status[key] != status:
            raise at.fail(f"the window is {self._status[key]}, expected {status}")
        for word in words:
            expected, actual = _claim(at, word, bucket)
            if expected != actual:
                raise at.fail(f"{word}: it is {actual}")

    # ---- what every scenario leaves behind --------------------------------------------------------------------
    def _check_the_end(self, at: Statement) -> None:
        if self._unacknowledged or self._parts is not None:
            raise at.fail("left over: a batch that was never acknowledged")
        stored = self.engine.scan()
        broken = [f"{key}: {why}" for key, bucket in stored.items() if (why := violation(bucket, stored))]
        if broken:
            raise at.fail(f"law 2: {broken[0]}")
        asides = self.engine.asides()
        expired = {key.rpartition(" ")[2] for reason, key in asides["late"] if reason == "expired"}
        documents = [each for each in self._documents if each["event_id"] not in expired]
        right = oracle.buckets(documents, self.setup.allowed_lateness_ms)
        actual = {tuple(key): oracle.fields_of(bucket) for key, bucket in stored.items() if "~" not in key.subject}
        for key in sorted(right.keys() | actual.keys()):
            if key not in self._gone and right.get(key) != actual.get(key):
                raise at.fail(f"{key}: {actual.get(key)}, the oracle says {right.get(key)}")
        wrong = {verdict for each in self._documents if (verdict := oracle.verdict(each)) == "future"}
        if wrong and not asides["quarantined"]:
            raise at.fail("a future event was not quarantined")
        if self._began_ms is None:
            return
        for key, bucket in stored.items():  # or the finaliser's last look, which goes back no further, would miss it
            if bucket.last_updated_ms < self._began_ms and not bucket.is_partial:
                raise at.fail(f"{key}: written before the first delivery")
        findings = self.engine.finalise(self.engine.clock.now_ms() - self._began_ms + 1)
        if findings.repaired or findings.unsettled:
            raise at.fail(f"left over: the finaliser still finds {findings}")


def _claim(at: Statement, word: str, bucket: Bucket) -> tuple[Any, Any]:
    """(expected, actual) of one claim about a bucket."""
    fields = oracle.fields_of(bucket)
    labels = dict(zip(("positive", "neutral", "negative"), fields["labels"], strict=True))
    if found := _VALUE.match(word):
        return round(float(found[2]) * E4) / E4, fields[_SHORT[found[1]]] / E4
    if found := _NUMBER.match(word):
        return int(found[2]), bucket.summary.count if found[1] == "n" else bucket.rev
    name, _, value = word.partition("=")
    if name in labels:
        return int(value), labels[name]
    if name in ("sources", "models"):
        return value.split(","), fields["sources" if name == "sources" else "model_versions"]
    if name in ("opens", "closes"):
        return f"scn{value}@{bucket.subject}", fields["open_at" if name == "opens" else "close_at"][1]
    if name == "partial":
        return value == "yes", bucket.is_partial
    raise at.fail(f"no such claim: {word!r}")
