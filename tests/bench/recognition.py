"""How right company recognition is on labelled headlines: `python -m tests.bench.recognition`.

`tests/golden/recognition.jsonl` holds 345 real headlines (StockNewsAPI, NewsAPI, twitter-financial-news-sentiment and
SEntFiN; see NOTICE), each labelled by hand with the companies it is about, by their US or OTC symbol. The rules were
tuned on the part `tuned`; the part `held-out` was drawn and labelled afterwards, before the recogniser had seen it, and
nothing was tuned on it. What the symbol table does not hold cannot be found by name: recall is given over
the companies of the table, and over all.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from consumers.classifier.subjects import recognise, shipped_symbols

SAMPLE = Path(__file__).parents[1] / "golden" / "recognition.jsonl"
PARTS = ("tuned", "held-out")


class Row(NamedTuple):
    """One headline: what it is about, and what was found."""

    text: str
    wanted: frozenset[str]
    found: frozenset[str]


class Measured(NamedTuple):
    """Counts over (headline, company) pairs."""

    headlines: int
    right: int
    wrong: int
    missed: int
    missed_in_table: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    @property
    def recall_in_table(self) -> float:
        return self.right / max(1, self.right + self.missed_in_table)


def read_sample(part: str) -> Iterator[Row]:
    """The headlines of a part."""
    symbols = shipped_symbols()
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["part"] == part:
            yield Row(row["text"], frozenset(row["tickers"]), frozenset(recognise(row["text"], symbols)))


def measure(rows: Iterable[Row]) -> Measured:
    """What was right, wrong and missed."""
    known = shipped_symbols().tickers
    headlines = right = wrong = missed = missed_in_table = 0
    for row in rows:
        headlines += 1
        right += len(row.wanted & row.found)
        wrong += len(row.found - row.wanted)
        missed += len(row.wanted - row.found)
        missed_in_table += len((row.wanted - row.found) & known)
    return Measured(headlines, right, wrong, missed, missed_in_table)


def main() -> None:
    out = sys.stdout.write
    out("part       headlines  right  wrong  missed  precision  recall (in table)  recall (all)\n")
    for part in PARTS:
        rows = list(read_sample(part))
        m = measure(rows)
        out(
            f"{part:<9}  {m.headlines:>9}  {m.right:>5}  {m.wrong:>5}  {m.missed:>6}  {m.precision:>9.3f}"
            f"  {m.recall_in_table:>17.3f}  {m.recall:>12.3f}\n"
        )
        if "--show" in sys.argv:
            for row in rows:
                if row.wanted != row.found:
                    out(f"  wanted {sorted(row.wanted)}, found {sorted(row.found)}: {row.text[:120]}\n")


if __name__ == "__main__":
    main()
