"""Makes the demo day (`local/demo_data/news.jsonl.gz`) from recorded news: `python -m local.make_demo FOLDER`.

Deterministic: the same folder gives the same bytes. FOLDER holds the four files named below (MIT, by akladyous). One
line an article: `o` offset in the day (ms), `f` feed, `p` publisher, `u` link, `h` headline, `s` text of at most 200
characters, `t` tickers. Stories that both Finnhub and StockNews told are kept from both, minutes apart.
"""

import argparse
import ast
import csv
import gzip
import json
import random
import sys
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.events import cut_snippet
from contracts.identity import normalised_headline
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.subjects import is_ticker
from producers.sources.finnhub import news_of

STOCKNEWS_ARCHIVE: Final = "stocknewsapi_2019-2021.csv.gz"
STOCKNEWS_WEEK: Final = "stocknews_01jun21-07jun21.csv"
FINNHUB_WEEK: Final = "finnhub_news_01jun21-07jun21.csv"
NEWSAPI_WEEK: Final = "newsapi_01jun21-07jun21.csv"

SEED: Final = 20_210_607
#: Mean seconds between articles by hour of the day (UTC): New York's morning is busiest, its night is quiet.
MEAN_GAP_S: Final = (
    *(34, 34, 34, 34, 33, 32, 30, 28, 26, 24, 22, 19),
    *(17, 15, 14, 14, 15, 16, 17, 18, 19, 22, 26, 30),
)
MIN_GAP_S: Final = 10
MAX_GAP_S: Final = 40
#: Tickers that were renamed since, and share classes as this project writes them.
RENAMED: Final = {"FB": "META", "BRK-A": "BRK.A", "BRK-B": "BRK.B"}
MAX_TICKERS: Final = 8


class Told(NamedTuple):
    """One recorded article."""

    feed: str
    at_ms: int
    publisher: str
    url: str
    headline: str
    snippet: str
    tickers: tuple[str, ...]


def read_stocknews(path: Path) -> Iterator[Told]:
    """Rows of a StockNewsAPI file, plain or gzip."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at_ms = int(parsedate_to_datetime(row["date"]).timestamp()) * 1000
            names = ast.literal_eval(row["tickers"]) if row["tickers"] else []
            yield _told("stocknews", at_ms, row["source_name"], row["news_url"], row["title"], row["text"], names)


def read_finnhub(path: Path) -> Iterator[Told]:
    """Rows of a Finnhub company-news file."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at_ms = int(row["datetime"]) * 1000
            names = [row["related"]] if row["related"] else []
            yield _told("finnhub", at_ms, row["source"], row["url"], row["headline"], news_of(row["summary"]), names)


def read_newsapi(path: Path) -> Iterator[Told]:
    """Rows of a NewsAPI file; they name no tickers."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at_ms = int(datetime.fromisoformat(row["publishedAt"]).timestamp()) * 1000
            name = str(ast.literal_eval(row["source"])["name"])
            yield _told("newsapi", at_ms, name, row["url"], row["title"], row["description"], [])


def _told(feed: str, at_ms: int, publisher: str, url: str, headline: str, text: str, names: list[str]) -> Told:
    tickers = dict.fromkeys(RENAMED.get(name, name) for name in names)
    return Told(
        feed,
        at_ms,
        publisher.strip(),
        url.strip(),
        " ".join(headline.split()),
        cut_snippet(" ".join(text.split())),
        tuple(ticker for ticker in tickers if is_ticker(ticker))[:MAX_TICKERS],
    )


def slots() -> list[int]:
    """Offsets of the day's stories in ms, ascending, 10 to 40 s apart."""
    chance = random.Random(SEED)
    found: list[int] = []
    at_ms = 4_000
    while at_ms < DAY_MS:
        found.append(at_ms)
        mean_s = MEAN_GAP_S[at_ms // HOUR_MS]
        gap_s = min(MAX_GAP_S, max(MIN_GAP_S, mean_s * chance.uniform(0.6, 1.4)))
        at_ms += round(gap_s * 1000)
    return found


def choose(stories: list[Told], count: int) -> list[Told]:
    """The stories of the day: first those that are not about Apple alone (the record is mostly about Apple), then
    the newest others; in the order of their time of day."""
    ranked = sorted(stories, key=lambda told: (_rank(told), -told.at_ms, told.url))[:count]
    return sorted(ranked, key=lambda told: (told.at_ms % DAY_MS, told.url))


def _rank(told: Told) -> int:
    if told.feed == "finnhub" or (told.tickers and "AAPL" not in told.tickers):
        return 0
    return 1 if len(told.tickers) > 1 else 2 if told.feed == "newsapi" or told.tickers else 3


def make(folder: Path) -> list[dict[str, Any]]:
    """The day's articles, ascending by offset."""
    finnhub = list(read_finnhub(folder / FINNHUB_WEEK))
    others = [
        *read_stocknews(folder / STOCKNEWS_WEEK),
        *read_stocknews(folder / STOCKNEWS_ARCHIVE),
        *read_newsapi(folder / NEWSAPI_WEEK),
    ]
    stories: dict[str, Told] = {}
    copies: dict[str, Told] = {}
    for told in [*finnhub, *others]:
        key = normalised_headline(told.headline)
        if not key or not told.url.startswith("http"):
            continue
        if key not in stories:
            stories[key] = told
        elif told.feed != stories[key].feed:
            copies.setdefault(key, told)
    times = slots()
    chance = random.Random(SEED + 1)
    day: list[tuple[int, Told]] = []
    for offset_ms, told in zip(times, choose(list(stories.values()), len(times)), strict=False):
        day.append((offset_ms, told))
        copy = copies.get(normalised_headline(told.headline))
        if copy is not None:
            day.append((min(DAY_MS - 1, offset_ms + chance.randrange(20_000, 400_000)), copy))
    day.sort(key=lambda each: (each[0], each[1].url))
    return [
        {"o": o, "f": t.feed, "p": t.publisher, "u": t.url, "h": t.headline, "s": t.snippet, "t": t.tickers}
        for o, t in day
    ]


def main(arguments: list[str]) -> None:
    """Write the file and say on stderr what is in it."""
    parser = argparse.ArgumentParser(description="make the demo day from recorded news")
    parser.add_argument("folder", type=Path, help="folder with the four recorded files")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "demo_data" / "news.jsonl.gz")
    given = parser.parse_args(arguments)
    day = make(given.folder)
    lines = b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in day)
    given.to.write_bytes(gzip.compress(lines, 9, mtime=0))
    sys.stderr.write(f"{len(day)} articles, {given.to.stat().st_size} bytes: {given.to.name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
