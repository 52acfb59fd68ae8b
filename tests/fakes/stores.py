"""Control, items and lake in memory."""

import copy
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.clock import ManualClock
from contracts.errors import BadRequest, Conflict, Transient
from contracts.instants import parse_ms
from contracts.ports import ControlWrite, Item, ItemChange, Versioned


class FakeControl:
    """An expired document reads as absent (version 0), yet its versions count on."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.documents: dict[tuple[str, str], tuple[dict[str, Any], int, int | None]] = {}
        self.lock = threading.Lock()
        self.down = 0
        self.conflicts = 0

    def _fail(self) -> None:
        if self.down:
            self.down -= 1
            raise Transient("control", "told to be down")

    def get(self, kind: str, name: str) -> Versioned:
        with self.lock:
            self._fail()
            return self._get(kind, name)

    def _get(self, kind: str, name: str) -> Versioned:
        value, version, expires_ms = self.documents.get((kind, name), (None, 0, None))
        if value is None or (expires_ms is not None and expires_ms <= self.clock.now_ms()):
            return Versioned(None, 0)
        return Versioned(copy.deepcopy(value), version)

    def put(
        self,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
        expires_ms: int | None = None,
    ) -> int:
        with self.lock:
            self._fail()
            version = self._get(kind, name).version
            if expected_version is not None and version != expected_version:
                self.conflicts += 1
                raise Conflict(f"{kind}/{name} is at {version}, not {expected_version}")
            last = self.documents.get((kind, name), ({}, 0, None))[1]
            self.documents[kind, name] = (copy.deepcopy(dict(value)), last + 1, expires_ms)
            return last + 1

    def put_many(self, kind: str, writes: Mapping[str, ControlWrite]) -> list[str]:
        lost = []
        for name, write in writes.items():
            try:
                self.put(kind, name, *write)
            except Conflict:
                lost.append(name)
        return lost

    def delete(self, kind: str, name: str, expected_version: int | None = None) -> None:
        with self.lock:
            if expected_version is not None and self._get(kind, name).version != expected_version:
                self.conflicts += 1
                raise Conflict(f"{kind}/{name} is not at {expected_version}")
            self.documents.pop((kind, name), None)

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        with self.lock:
            self._fail()
            found = {name: self._get(kind, name).value for of, name in sorted(self.documents) if of == kind}
        return {name: value for name, value in found.items() if value is not None}


def plain(value: Any) -> Any:
    """A copy with every number in the one form stores give back: int, else float, else Decimal."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float | Decimal) and value == int(value):
        return int(value)
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return copy.deepcopy(value)


def _strength(item: Item) -> tuple[str, str]:
    return item["sentiment_score_combined"], item["item_key"]


class FakeItems:
    """Primary items with their change stream, and the dashboard's items by (day_partition, item_key)."""

    def __init__(self) -> None:
        self.primary: dict[str, Item] = {}
        self.changes: list[ItemChange] = []
        self.dashboard: dict[tuple[str, str], Item] = {}
        self.down = 0
        self.fail_put_of: str | None = None

    def _fail(self) -> None:
        if self.down:
            self.down -= 1
            raise Transient("items", "told to be down")

    def put_primary(self, item: Item) -> None:
        self._fail()
        if item["source_id"] == self.fail_put_of:
            raise Transient("items", "told to fail on this item")
        old, new = self.primary.get(item["source_id"]), plain(item)
        if old == new:
            return
        self.primary[item["source_id"]] = new
        sequence = f"{len(self.changes) + 1:08d}"
        self.changes.append(ItemChange(sequence, "INSERT" if old is None else "MODIFY", plain(new), old, 1))

    def scan_primary(self) -> Iterator[Item]:
        yield from [copy.deepcopy(item) for item in self.primary.values()]

    def put_primaries(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put_primary(item)

    def add_source(self, source_id: str, source: Mapping[str, Any]) -> bool:
        self._fail()
        item = self.primary.get(source_id)
        if item is None or any(known["article_id"] == source["article_id"] for known in item["sources"]):
            return False
        self.put_primary(item | {"sources": [*item["sources"], dict(source)]})
        return True

    def get_primary(self, source_id: str) -> Item | None:
        self._fail()
        return copy.deepcopy(self.primary.get(source_id))

    def get_primaries(self, source_ids: Sequence[str]) -> dict[str, Item]:
        self._fail()
        return {each: copy.deepcopy(self.primary[each]) for each in source_ids if each in self.primary}

    def by_subject(self, subject: str, start_ms: int, end_ms: int, limit: int) -> list[Item]:
        found = [
            (parse_ms(item["metadata"]["published_at"]), source_id, item)
            for source_id, item in self.primary.items()
            if subject in item["matched_tickers"] or subject in [f"tag:{tag}" for tag in item["matched_tags"]]
        ]
        found.sort(key=lambda each: each[:2])
        return [item for at_ms, _, item in found if start_ms <= at_ms < end_ms][:limit]

    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        return {"items-0": ()}

    def stream_ended(self, shard_id: str, after: str) -> bool:
        return False

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        start = int(after or 0)
        return self.changes[start : start + limit]

    def put_dashboard(self, items: Sequence[Item]) -> None:
        self._fail()
        for item in items:
            self.dashboard[item["day_partition"], item["item_key"]] = plain(item)

    def dashboard_day(self, day: str, before_key: str | None, limit: int) -> list[Item]:
        found = [
            item
            for (of, key), item in sorted(self.dashboard.items(), reverse=True)
            if of == day and not key.startswith("~") and (before_key is None or key < before_key)
        ]
        return found[:limit]

    def dashboard_tag(self, tag: str, before_key: str | None, limit: int) -> list[Item]:
        found = [item for item in self.dashboard.values() if item.get("tag") == tag]
        found.sort(key=lambda item: (item["ingested_at"], item["source_id"]), reverse=True)
        return [item for item in found if before_key is None or item["item_key"] < before_key][:limit]

    def dashboard_sentiment(self, sentiment: str, before_key: str | None, limit: int) -> list[Item]:
        found = [item for (_, key), item in self.dashboard.items() if key[0] != "~" and item["sentiment"] == sentiment]
        found.sort(key=_strength, reverse=True)
        last = next((_strength(item) for item in found if item["item_key"] == before_key), ("~", "~"))
        return [item for item in found if _strength(item) < last][:limit]

    def count_primary(self) -> int:
        return len(self.primary)


_PART = r"[A-Za-z0-9_=][A-Za-z0-9._=,@+\-]{0,199}"
_KEY = re.compile(rf"({_PART}/)+{_PART}\.jsonl\.gz\Z", re.ASCII)


class FakeLake:
    """Objects by key."""

    def __init__(self) -> None:
        self.objects: dict[str, list[bytes]] = {}
        self.down = 0

    def put(self, key: str, lines: Iterable[bytes]) -> None:
        if not _KEY.match(key):
            raise BadRequest(f"no lake key: {key[:200]!r}")
        if self.down:
            self.down -= 1
            raise Transient("lake", "told to be down")
        self.objects[key] = list(lines)

    def read(self, key: str) -> Iterator[bytes]:
        if key not in self.objects:
            raise BadRequest(f"no object {key}")
        return iter(self.objects[key])

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))


class FakeSecrets:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, name: str) -> str | None:
        return self.values.get(name)
