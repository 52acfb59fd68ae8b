"""Counters of the read model's articles on DynamoDB, by minute and hour, changed in the transaction that writes the
articles: so they equal a recount, whatever was retried, delivered again or killed.

An article's item says in `counted` what it was counted for (a digest). It is written only if that is still what was
read, and the counters change in the same transaction by the difference: who lost a race reads again, and who brings an
article once more changes nothing. A counter row holds a whole window's counts (`label|positive`: 7, …), so a batch adds
to each window once, however many articles it has; the sum is exact because all the articles' guards are in the
transaction that adds it. Rows are spread over lanes, and live as long as the articles they count.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.events import LABELS
from contracts.instants import iso_ms
from contracts.ports import Item
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.tally import CELLS_FORMAT, KEPT_MS, Cell, Tally, cells_of
from stores.aws_client import Refused
from stores.dynamo import MAX_BATCH_GET, PASSING_REASONS, TRANSACTION_CANCELED, Lost, Row, Table
from stores.dynamo_schema import BY_SENTIMENT
from stores.dynamo_values import plain_item

#: What an article was counted for; a reader of articles leaves it out.
COUNTED: Final = "counted"
LANES: Final = 4
MAX_TRIES: Final = 20
#: Of one transaction: DynamoDB's limit, and a quarter of its 4 MB in characters of at most four bytes.
MAX_ACTIONS: Final = 100
MAX_CHARACTERS: Final = 1_000_000
#: Of one row in one transaction: an expression has 4 KB and 300 operators; the rest goes to another row.
MAX_CELLS: Final = 100
#: Days are not kept: the read model has a week, which is 168 hours.
_LEVELS_MS: Final = (MINUTE_MS, HOUR_MS)
_PREFIX: Final = f"tally{CELLS_FORMAT}#"
_BEGAN: Final[Row] = {"day_partition": {"S": _PREFIX + "began"}, "item_key": {"S": "began"}}
_JOIN: Final = "|"

_Window = tuple[int, int]  # width, start (ms)


class _Write(NamedTuple):
    """An article to write: its new row, what the stored one must still be `counted` for (None: not at all), and what
    it changes in the counters."""

    row: Row
    counted: dict[str, Any] | None
    changes: dict[_Window, Counter[Cell]]


class DynamoTallies:
    """Articles and their counters in the dashboard's table."""

    def __init__(self, dashboard: Table, clock: Clock) -> None:
        self._table = dashboard
        self._clock = clock
        self._began_ms: int | None = None

    # ---- writing ----------------------------------------------------------------------------------------------
    def put(self, rows: Sequence[Row]) -> None:
        """Write articles' rows (keys differ) and what they change in the counters. Killed or failing in between, some
        are written and counted, the others neither. Raises `Transient`."""
        if rows:
            self._begin()
        for start in range(0, len(rows), MAX_BATCH_GET):
            pending = list(rows[start : start + MAX_BATCH_GET])
            failures = 0
            while pending:
                left = self._put_once(pending, failures)
                failures = 0 if len(left) < len(pending) else failures + 1
                pending = left
                if failures >= MAX_TRIES:
                    raise Transient("dynamodb", f"{self._table.name}: {len(pending)} articles lost {failures} races")
                if pending:
                    self._table.service.pause(failures)

    def _put_once(self, rows: Sequence[Row], failures: int) -> list[Row]:
        """Those that somebody else changed meanwhile."""
        stored = {_key_of(row): row for row in self._table.get_many([_key(row) for row in rows])}
        writes = [write for row in rows if (write := _write(row, stored.get(_key_of(row)))) is not None]
        plain = [write for write in writes if not write.changes]
        left = [write.row for write, lost in zip(plain, self._table.each(self._lost, plain), strict=True) if lost]
        for group in _transactions([write for write in writes if write.changes]):
            if not self._commit(group, failures):
                left += [write.row for write in group]
        return left

    def _lost(self, write: _Write) -> bool:
        """Write an article that counts for what it did; whether somebody was there before."""
        condition, values = _guard(write)
        return isinstance(self._table.put_if(write.row, condition, values, {}), Lost)

    def _commit(self, group: Sequence[_Write], failures: int) -> bool:
        """All of the group and its counters, or nothing. Each try goes to another lane: any will do."""
        lane = (zlib.crc32(group[0].row["item_key"]["S"].encode()) + failures) % LANES
        actions = [*map(self._put_action, group), *self._counter_actions(_sum_of(group), lane)]
        assert len(actions) <= MAX_ACTIONS, f"{len(actions)} actions"
        try:
            self._table.service.call("transact_write_items", expect=(TRANSACTION_CANCELED,), TransactItems=actions)
        except Refused as refused:
            codes = {str(reason.get("Code")) for reason in refused.response.get("CancellationReasons", ())}
            if codes - PASSING_REASONS:
                raise Transient("dynamodb", f"{self._table.name}: {', '.join(sorted(codes))}") from None
            return False
        return True

    def _put_action(self, write: _Write) -> dict[str, Any]:
        condition, values = _guard(write)
        put = {"TableName": self._table.name, "Item": write.row, "ConditionExpression": condition}
        return {"Put": put | ({"ExpressionAttributeValues": values} if values else {})}

    def _counter_actions(self, changes: dict[_Window, Counter[Cell]], lane: int) -> list[dict[str, Any]]:
        return [
            {"Update": {"TableName": self._table.name} | update}
            for (width_ms, start_ms), counts in sorted(changes.items())
            for update in _updates(width_ms, start_ms, counts, lane)
        ]

    # ---- since when -------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        """Before the first article is counted, note since when all are: for ever in a table without articles, from now
        on in one that an earlier version filled."""
        if self._begun() is not None:
            return
        began_ms = self._clock.now_ms() if self._has_articles() else 0
        row = _BEGAN | {"began_ms": {"N": str(began_ms)}}
        self._table.put_if(row, "attribute_not_exists(day_partition)", {}, {})
        assert self._begun() is not None, "the note was just written"

    def _begun(self) -> int | None:
        if self._began_ms is None:
            row = self._table.get(_BEGAN)
            self._began_ms = int(row["began_ms"]["N"]) if row is not None else None
        return self._began_ms

    def _has_articles(self) -> bool:
        return any(
            next(self._table.query("sentiment = :l", {":l": {"S": label}}, IndexName=BY_SENTIMENT.name, Limit=1), None)
            for label in LABELS
        )

    # ---- reading ----------------------------------------------------------------------------------------------
    def since(self, since_ms: int) -> Tally | None:
        """Counts of the articles ingested since the minute of an instant, none older than the read model keeps; None
        where not all of these were counted: then recount."""
        first_ms = self._first_ms(since_ms)
        if first_ms is None:
            return None
        hour_ms = -(-first_ms // HOUR_MS) * HOUR_MS
        tally = Tally()
        for row in self._rows([(MINUTE_MS, first_ms, hour_ms), (HOUR_MS, hour_ms, None)]):
            _add(tally, row)
        return _whole(tally)

    def windows(self, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally] | None:
        """Counts by window of the articles ingested in a range; from hours where the width is made of hours. None as
        for `since`."""
        first_ms = self._first_ms(start_ms)
        if first_ms is None:
            return None
        fine_end_ms = min(-(-first_ms // HOUR_MS) * HOUR_MS, end_ms) if width_ms % HOUR_MS == 0 else end_ms
        windows: dict[int, Tally] = {}
        for row in self._rows([(MINUTE_MS, first_ms, fine_end_ms), (HOUR_MS, fine_end_ms, end_ms)]):
            at_ms = int(row["start_ms"]["N"])
            _add(windows.setdefault(at_ms - at_ms % width_ms, Tally()), row)
        return {at_ms: whole for at_ms, tally in windows.items() if (whole := _whole(tally)).counts}

    def _first_ms(self, since_ms: int) -> int | None:
        first_ms = max(since_ms, self._clock.now_ms() - KEPT_MS)
        began_ms = self._begun()
        if began_ms is None or began_ms > first_ms - first_ms % MINUTE_MS:
            return None
        return first_ms - first_ms % MINUTE_MS

    def _rows(self, pieces: Iterable[tuple[int, int, int | None]]) -> list[Row]:
        """Counter rows of pieces (width, first start, end of starts), all lanes."""
        asked = [
            (_partition(width_ms, lane), iso_ms(first_ms), iso_ms(end_ms) if end_ms is not None else "~")
            for width_ms, first_ms, end_ms in pieces
            if end_ms is None or first_ms < end_ms
            for lane in range(LANES)
        ]
        return [row for rows in self._table.each(self._queried, asked) for row in rows]

    def _queried(self, asked: tuple[str, str, str]) -> list[Row]:
        values = {name: {"S": value} for name, value in zip((":lane", ":first", ":end"), asked, strict=True)}
        # A row of the end itself sorts behind the end: it has a part's number after it.
        return list(self._table.query("day_partition = :lane AND item_key BETWEEN :first AND :end", values))


def counted_for(item: Item) -> str:
    """What an article counts for, in short: the same for the same minute and cells."""
    counted = cells_of(item)
    told = (counted[0] - counted[0] % MINUTE_MS, sorted(map(tuple, counted[1]))) if counted else None
    return f"{CELLS_FORMAT}:{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"


def _write(row: Row, stored: Row | None) -> _Write | None:
    """What is to be done for a row to be stored instead; None when it is there already. What another format counted
    is in that format's rows, and here it counts anew."""
    new = plain_item(row)
    new[COUNTED] = counted_for(new)
    old = plain_item(stored) if stored is not None else {}
    if old == new:
        return None
    counted = str(old.get(COUNTED, "")).startswith(f"{CELLS_FORMAT}:")
    changes: dict[_Window, Counter[Cell]] = {}
    for item, sign in ((old if counted else None, -1), (new, 1)):
        found = cells_of(item) if item is not None else None
        if found is None:
            continue
        for width_ms in _LEVELS_MS:
            counts = changes.setdefault((width_ms, found[0] - found[0] % width_ms), Counter())
            for cell in found[1]:
                counts[cell] += sign
    changes = {window: kept for window, counts in changes.items() if (kept := _nonzero(counts))}
    return _Write(row | {COUNTED: {"S": new[COUNTED]}}, (stored or {}).get(COUNTED), changes)


def _nonzero(counts: Counter[Cell]) -> Counter[Cell]:
    return Counter({cell: count for cell, count in counts.items() if count})


def _sum_of(group: Iterable[_Write]) -> dict[_Window, Counter[Cell]]:
    total: dict[_Window, Counter[Cell]] = {}
    for write in group:
        for window, counts in write.changes.items():
            total.setdefault(window, Counter()).update(counts)
    return {window: kept for window, counts in total.items() if (kept := _nonzero(counts))}


def _transactions(writes: Iterable[_Write]) -> list[list[_Write]]:
    """Runs of writes that each fit one transaction with all their counters."""
    groups: list[list[_Write]] = []
    cells: dict[_Window, set[Cell]] = {}
    characters = 0
    for write in writes:
        size = len(repr(write.row))
        for window, counts in write.changes.items():
            cells.setdefault(window, set()).update(counts)
        rows = sum(-(-len(each) // MAX_CELLS) for each in cells.values())
        if not groups or len(groups[-1]) + 1 + rows > MAX_ACTIONS or characters + size > MAX_CHARACTERS:
            groups.append([])
            cells = {window: set(counts) for window, counts in write.changes.items()}
            characters = 0
        groups[-1].append(write)
        characters += size
    return groups


def _updates(width_ms: int, start_ms: int, counts: Counter[Cell], lane: int) -> list[dict[str, Any]]:
    """The counters' additions, a row for each so many cells."""
    cells = sorted(counts)
    updates = []
    for part, first in enumerate(range(0, len(cells), MAX_CELLS)):
        some = cells[first : first + MAX_CELLS]
        names = {f"#{n}": f"{cell.dimension}{_JOIN}{cell.name}" for n, cell in enumerate(some)}
        added = sorted({counts[cell] for cell in some})
        value_of = {count: f":{n}" for n, count in enumerate(added)}
        ttl = (start_ms + width_ms + KEPT_MS) // 1000
        updates.append(
            {
                "Key": {
                    "day_partition": {"S": _partition(width_ms, lane)},
                    "item_key": {"S": f"{iso_ms(start_ms)}#{part}"},
                },
                "UpdateExpression": "SET expires_at = :ttl, start_ms = :start ADD "
                + ", ".join(f"#{n} {value_of[counts[cell]]}" for n, cell in enumerate(some)),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {value_of[count]: {"N": str(count)} for count in added}
                | {":ttl": {"N": str(ttl)}, ":start": {"N": str(start_ms)}},
            }
        )
    return updates


def counter_bytes(cells: Sequence[Cell]) -> int:
    """Bytes of a row of counters as DynamoDB counts them: names and values, a number about a byte two digits."""
    overhead = len("day_partition") + len(_partition(HOUR_MS, 0)) + len("item_key") + 26 + len("expires_at") + 6
    return overhead + len("start_ms") + 8 + sum(len(f"{cell.dimension}{_JOIN}{cell.name}") + 3 for cell in cells)


def _add(tally: Tally, row: Row) -> None:
    for attribute, value in row.items():
        dimension, join, name = attribute.partition(_JOIN)
        if join:
            tally.add(Cell(dimension, name), int(value["N"]))


def _whole(tally: Tally) -> Tally:
    """Without what came to nothing: what one lane's row took out, another's had put in."""
    whole = Tally()
    for dimension, counts in tally.counts.items():
        for name, count in counts.items():
            if count:
                whole.add(Cell(dimension, name), count)
    return whole


def _guard(write: _Write) -> tuple[str, dict[str, Any]]:
    if write.counted is None:
        return f"attribute_not_exists({COUNTED})", {}
    return f"{COUNTED} = :counted", {":counted": write.counted}


def _partition(width_ms: int, lane: int) -> str:
    return f"{_PREFIX}{width_ms // 1000}s#{lane}"


def _key(row: Row) -> Row:
    return {"day_partition": row["day_partition"], "item_key": row["item_key"]}


def _key_of(row: Row) -> tuple[str, str]:
    return row["day_partition"]["S"], row["item_key"]["S"]
