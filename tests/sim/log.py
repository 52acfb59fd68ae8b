"""The log: shards over ranges of hash keys, split and merged while it grows. And what is published on it."""

import itertools
import json
import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from contracts.hashing import HASH_KEY_COUNT, hash_key, member_hash
from contracts.instants import iso_ms
from contracts.ports import Record
from tests.sim import faults
from tests.sim.faults import Weather

START_MS: Final = 1_766_318_400_000 - 30_000  # half a minute before noon: windows of every resolution end soon
_hash_key = cache(hash_key)
SUBJECTS: Final = ("AAPL", "MSFT", "BRK.B", "tag:ai-regulation", "NVDA")
POISON: Final = (
    b"", b"\xff\xfe\x00", b"{not json", b"[]", b"null", b'{"schema":"scored-article/9"}', b"\xf3\x89\x9a\xc2damaged",
    b'{"schema":"scored-article/1"}', b'{"polarity": NaN}',
    b'{"schema":"scored-article/1","event_id":"sim#9999@AAPL","article_id":"sim#9999","subject":"AAPL","source":"rss",'
    b'"event_time":"9999-12-31T12:00:00.000Z","ingested_at":"9999-12-31T23:59:59.999999-23:59","scored_at":"",'
    b'"label":"neutral","confidence":0.9,"polarity":0.0,"model_version":"m1"}',
)  # fmt: skip


@dataclass
class Shard:
    """A range of hash keys `[first, last]` and its records. Its parents must be read to their end before it."""

    shard_id: str
    first: int
    last: int
    parents: tuple[str, ...] = ()
    closed: bool = False
    records: list[Record] = field(default_factory=list)


class Log:
    """Sequence numbers grow over the whole log; a closed shard takes no more records."""

    def __init__(self, shards: int) -> None:
        edges = [HASH_KEY_COUNT * at // shards for at in range(shards + 1)]
        self.shards: dict[str, Shard] = {}
        for first, last in itertools.pairwise(edges):
            self._add(first, last - 1, ())
        self.length = 0

    def _add(self, first: int, last: int, parents: tuple[str, ...]) -> None:
        shard_id = f"shardId-{len(self.shards):012d}"
        self.shards[shard_id] = Shard(shard_id, first, last, parents)

    def open(self) -> list[Shard]:
        return sorted((shard for shard in self.shards.values() if not shard.closed), key=lambda shard: shard.first)

    def of(self, partition_key: str) -> Shard:
        place = _hash_key(partition_key)
        return next(shard for shard in self.open() if shard.first <= place <= shard.last)

    def put(self, partition_key: str, data: bytes, now_ms: int) -> None:
        self.length += 1
        self.of(partition_key).records.append(Record(str(self.length), partition_key, data, now_ms))

    def split(self, rnd: random.Random) -> bool:
        shard = rnd.choice(self.open())
        if len(self.open()) >= 5 or shard.last - shard.first < 2:
            return False
        middle = shard.first + (shard.last - shard.first) // 2
        shard.closed = True
        self._add(shard.first, middle, (shard.shard_id,))
        self._add(middle + 1, shard.last, (shard.shard_id,))
        return True

    def merge(self, rnd: random.Random) -> bool:
        shards = self.open()
        if len(shards) < 2:
            return False
        at = rnd.randrange(len(shards) - 1)
        left, right = shards[at], shards[at + 1]
        left.closed = right.closed = True
        self._add(left.first, right.last, (left.shard_id, right.shard_id))
        return True


class Newsroom:
    """Publishes scored events, with every kind of trouble of the real stream; keeps what it published, in log order."""

    def __init__(self, log: Log, rnd: random.Random, weather: Weather, lanes: int, lateness_ms: int) -> None:
        self._log, self._rnd, self._weather = log, rnd, weather
        self._lanes, self._lateness_ms = lanes, lateness_ms
        self._subjects = SUBJECTS[: rnd.randint(1, len(SUBJECTS))]
        self._spread_ms = rnd.choice((500, 5_000, 60_000, 600_000))
        self._silent: set[str] = set()
        self._last_ms = START_MS
        self.documents: list[dict[str, Any]] = []
        self.poisoned: list[bytes] = []

    def publish(self, now_ms: int) -> None:
        """One record, or what happened instead."""
        rnd, weather = self._rnd, self._weather
        if weather.fires(faults.PoisonedBytes):
            self._poison(now_ms)
        elif self.documents and weather.fires(faults.DuplicateRecord):
            self._put(rnd.choice(self.documents[-40:]), now_ms)
        elif self.documents and weather.fires(faults.IngestedAgain):
            again = rnd.choice(self.documents[-40:])
            later_ms = now_ms + rnd.choice((0, self._lateness_ms // 2, self._lateness_ms + 120_000))
            self._put(again | {"ingested_at": iso_ms(later_ms)}, now_ms)
        elif self.documents and weather.fires(faults.ChangedContent):
            again = rnd.choice(self.documents[-40:])
            self._put(again | {"polarity": self._polarity(), "model_version": "m2"}, now_ms)
        else:
            self._put(self._new(now_ms), now_ms)

    def change_silence(self) -> None:
        """One more shard gets nothing, or all get something again."""
        if self._weather.fires(faults.IdleShard):
            self._silent = {self._rnd.choice(self._log.open()).shard_id}
        elif self._rnd.random() < 0.2:
            self._silent = set()

    def _polarity(self) -> float:
        return self._rnd.choice((self._rnd.randint(-10_000, 10_000) / 10_000, 0.0, 1.0, -1.0, 0.1, 0.2, -0.7))

    def _new(self, now_ms: int) -> dict[str, Any]:
        rnd = self._rnd
        event_ms, ingested_ms = self._stamps(now_ms)
        event_time = iso_ms(event_ms)
        if self._weather.fires(faults.SlowPathTime):
            shifted = iso_ms(event_ms + 7_200_000)
            event_time = rnd.choice((event_time[:-1] + "+00:00", event_time[:-1] + "999Z", shifted[:-1] + "+02:00"))
        subject = rnd.choice(self._subjects)
        polarity = self._polarity()
        article = f"sim#{rnd.getrandbits(40):010x}"
        label = "positive" if polarity > 0.15 else "negative" if polarity < -0.15 else "neutral"
        return {
            "schema": "scored-article/1", "event_id": f"{article}@{subject}", "article_id": article,
            "subject": subject, "source": rnd.choice(("rss", "finnhub", "tiingo")), "event_time": event_time,
            "ingested_at": iso_ms(ingested_ms), "scored_at": iso_ms(ingested_ms), "label": label,
            "confidence": 0.9, "polarity": polarity, "model_version": "m1",
        }  # fmt: skip

    def _stamps(self, now_ms: int) -> tuple[int, int]:
        """(event time, time of ingestion)."""
        rnd, weather = self._rnd, self._weather
        if weather.fires(faults.SameInstant):
            return self._last_ms, max(now_ms, self._last_ms)
        event_ms = now_ms - rnd.randrange(self._spread_ms)
        if weather.fires(faults.OutOfOrderWithin):
            event_ms -= rnd.randrange(120_000)
        elif weather.fires(faults.OutOfOrderBeyond):
            event_ms -= rnd.randrange(max(self._lateness_ms, 1))
        elif weather.fires(faults.AtTheEdgeOfLateness):
            minute_ms = event_ms - event_ms % 60_000
            return event_ms, minute_ms + 60_000 + self._lateness_ms + rnd.choice((-1, 0, 1, -60_000, 60_000))
        elif weather.fires(faults.FutureDated):
            return now_ms + 300_000 + rnd.choice((0, 1, -1, 86_400_000)), now_ms
        self._last_ms = event_ms
        return event_ms, now_ms

    def _poison(self, now_ms: int) -> None:
        data = self._rnd.choice(POISON)
        self.poisoned.append(data)
        self._log.put(self._rnd.choice(self._subjects), data, now_ms)

    def _put(self, document: dict[str, Any], now_ms: int) -> None:
        key = document["subject"]
        if self._lanes > 1:
            key += f"~{member_hash(document['event_id']) % self._lanes}"
        if self._log.of(key).shard_id in self._silent:
            return
        self.documents.append(document)
        self._log.put(key, json.dumps(document).encode(), now_ms)
