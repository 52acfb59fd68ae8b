"""Counters of the read model's articles, by minute, hour and day, changed in the transaction that changes the article:
so they equal a recount at any moment, whatever was retried or killed.
"""

import sqlite3
from collections import Counter
from typing import Final

from contracts.ports import Item
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.tally import LEVELS_MS, Cell, Tally, cells_of, spans_since
from stores.item_codec import decode_item

TABLE: Final = """CREATE TABLE tallies (
    width_ms INTEGER NOT NULL, start_ms INTEGER NOT NULL, dimension TEXT NOT NULL, name TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (width_ms, start_ms, dimension, name)) WITHOUT ROWID"""

_Row = tuple[int, int, str, str]


class Changes:
    """What a transaction does to the counters; written once, at its end."""

    def __init__(self) -> None:
        self._counts: Counter[_Row] = Counter()

    def replace(self, old: Item | None, new: Item | None) -> None:
        """An article of the read model becomes another (None: none)."""
        for item, sign in ((old, -1), (new, 1)):
            counted = cells_of(item) if item is not None else None
            if counted is None:
                continue
            ingested_ms, cells = counted
            for width_ms in LEVELS_MS:
                start_ms = ingested_ms - ingested_ms % width_ms
                self._counts.update({(width_ms, start_ms, *cell): sign for cell in cells})

    def write(self, connection: sqlite3.Connection) -> None:
        """Apply them; a counter that comes to nothing is gone."""
        rows = [(*row, count) for row, count in self._counts.items() if count]
        connection.executemany(
            "INSERT INTO tallies VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count", rows
        )
        fewer = [row[:4] for row in rows if row[4] < 0]
        connection.executemany(
            "DELETE FROM tallies WHERE (width_ms, start_ms, dimension, name) = (?, ?, ?, ?) AND count = 0", fewer
        )


def count_all(connection: sqlite3.Connection) -> None:
    """Make the table and count what is there: a file without counters, or one that counted less."""
    connection.execute("DROP TABLE IF EXISTS tallies")
    connection.execute(TABLE)
    changes = Changes()
    for (body,) in connection.execute("SELECT body FROM dashboard WHERE item_key < '~'"):
        changes.replace(None, decode_item(body))
    changes.write(connection)


def read(connection: sqlite3.Connection, since_ms: int) -> Tally:
    """Counts of the articles ingested since the minute of an instant."""
    tally = Tally()
    for width_ms, first_ms, end_ms in spans_since(since_ms):
        rows = connection.execute(
            "SELECT dimension, name, sum(count) FROM tallies WHERE width_ms = ? AND start_ms >= ? AND start_ms < ?"
            " GROUP BY dimension, name",
            (width_ms, first_ms, end_ms if end_ms is not None else 1 << 62),
        )
        for dimension, name, count in rows:
            tally.add(Cell(dimension, name), count)
    return tally


def read_windows(connection: sqlite3.Connection, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally]:
    """Counts by window of the articles ingested in a range; from hours where the width is made of hours."""
    level_ms = HOUR_MS if width_ms % HOUR_MS == 0 else MINUTE_MS
    rows = connection.execute(
        "SELECT start_ms - start_ms % ?, dimension, name, sum(count) FROM tallies"
        " WHERE width_ms = ? AND start_ms >= ? AND start_ms < ? GROUP BY 1, 2, 3",
        (width_ms, level_ms, start_ms, end_ms),
    )
    windows: dict[int, Tally] = {}
    for window_ms, dimension, name, count in rows:
        windows.setdefault(window_ms, Tally()).add(Cell(dimension, name), count)
    return windows
