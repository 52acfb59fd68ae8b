"""Scores by text and model in one SQLite file: what a model once said of a text it need not say again.

A cache: losing it costs time only, so it is written without waiting for the disk at every commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from stores.sqlite_connection import Database, Schema

_SCHEMA: Final = Schema(
    1,
    (
        """CREATE TABLE scores (
            model TEXT NOT NULL, text_key BLOB NOT NULL, label TEXT NOT NULL, confidence_e4 INTEGER NOT NULL,
            polarity_e4 INTEGER NOT NULL, PRIMARY KEY (model, text_key)) WITHOUT ROWID""",
    ),
)
#: (label, confidence, polarity in 1/10,000)
Score = tuple[str, int, int]


class SqliteScores:
    """Rows by (model, key): texts by their hash under a model's version, or a run's articles by their id."""

    def __init__(self, path: Path) -> None:
        """Raises `Unusable` for a file that is damaged or of another format."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = Database(path, _SCHEMA, "normal")

    def get_many(self, model: str, keys: Sequence[bytes]) -> dict[bytes, Score]:
        """The known ones among the keys."""
        found: dict[bytes, Score] = {}
        statement = "SELECT label, confidence_e4, polarity_e4 FROM scores WHERE model = ? AND text_key = ?"
        with self._database.reading() as connection:
            for key in keys:
                row = connection.execute(statement, (model, key)).fetchone()
                if row is not None:
                    found[key] = row
        return found

    def put_many(self, model: str, scores: Mapping[bytes, Score] | Iterable[tuple[bytes, Score]]) -> None:
        """Remember; the first score of a key stands."""
        pairs = scores.items() if isinstance(scores, Mapping) else scores
        rows = [(model, key, *score) for key, score in pairs]
        with self._database.write() as connection:
            connection.executemany("INSERT INTO scores VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def close(self) -> None:
        """Nothing may be using the file any more."""
        self._database.close()
