"""The demo day: what is in the file, and that the feed is a function of the clock alone."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient, Unusable
from contracts.events import RAW_STREAM, RawArticle, check_raw_times, decode_raw
from contracts.identity import normalised_headline
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.subjects import is_ticker
from local import make_demo
from local.demo import DATA_FILE, DemoFeed, read_day
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeControl

START_MS = 1_766_310_000_000
DAY = read_day(DATA_FILE)


class Playing:
    def __init__(self, start_ms: int = START_MS) -> None:
        self.clock = ManualClock(start_ms)
        self.log = FakeLog()
        self.control = FakeControl(self.clock)
        self.feed = self.restart()

    def restart(self) -> DemoFeed:
        self.feed = DemoFeed(self.log, self.control, self.clock)
        return self.feed

    @property
    def articles(self) -> list[RawArticle]:
        return [decode_raw(data) for data in self.log.data(RAW_STREAM)]


def test_the_first_step_fills_the_last_24_hours_as_history() -> None:
    playing = Playing()
    assert playing.feed.step() == len(DAY)
    for article in playing.articles:
        check_raw_times(article.published_ms, article.ingested_ms)
        assert START_MS - DAY_MS < article.published_ms <= START_MS
        if START_MS - article.published_ms > MINUTE_MS:
            assert article.ingested_ms == article.published_ms
    assert START_MS - playing.articles[0].published_ms < HOUR_MS, "the newest hour comes first"
    assert len({article.article_id for article in playing.articles}) == len(DAY)


def test_then_it_plays_live_about_three_a_minute() -> None:
    playing = Playing(START_MS // DAY_MS * DAY_MS + 14 * HOUR_MS)
    playing.feed.step()
    seen = len(playing.articles)
    per_step = []
    for _ in range(2 * 60 * 10):
        playing.clock.advance(500)
        per_step.append(playing.feed.step())
    new = playing.articles[seen:]
    assert sum(per_step) == len(new)
    assert 25 <= len(new) <= 60
    assert all(0 <= article.ingested_ms - article.published_ms < 500 for article in new)


def test_a_day_later_the_same_news_has_other_identities() -> None:
    playing = Playing()
    playing.feed.step()
    playing.clock.advance(DAY_MS)
    assert playing.feed.step() == len(DAY)
    first, second = playing.articles[: len(DAY)], playing.articles[len(DAY) :]
    assert not {article.article_id for article in first} & {article.article_id for article in second}
    assert sorted(article.title for article in first) == sorted(article.title for article in second)


def test_a_restart_goes_on_where_it_was() -> None:
    playing = Playing()
    playing.feed.step()
    assert playing.restart().step() == 0
    playing.clock.advance(10 * MINUTE_MS)
    missed = playing.restart().step()
    other = Playing(playing.clock.now_ms())
    other.feed.step()
    mine = {article.article_id: article.published_at for article in playing.articles}
    assert missed > 0
    assert mine.items() >= {article.article_id: article.published_at for article in other.articles}.items()


def test_a_crash_before_the_cursor_repeats_the_same_articles() -> None:
    playing = Playing()
    playing.control.down = 2
    with pytest.raises(Transient):
        playing.feed.step()
    with pytest.raises(Transient):
        playing.feed.step()
    playing.feed.step()
    playing.control.documents.clear()
    playing.restart().step()
    texts = {(article.article_id, article.published_at) for article in playing.articles}
    assert len(texts) == len(DAY)


def test_the_clock_stepping_back_publishes_nothing() -> None:
    playing = Playing()
    playing.feed.step()
    playing.clock.advance(-HOUR_MS)
    assert playing.feed.step() == 0


def test_a_clock_that_was_days_ahead_does_not_keep_the_feed_silent() -> None:
    """What was played then is none of what is due now; less than a day ahead it all is."""
    playing = Playing(START_MS + 3 * DAY_MS)
    playing.feed.step()
    ahead = len(playing.articles)
    playing.clock.advance(-3 * DAY_MS)
    assert playing.feed.step() == len(DAY)
    assert not {a.article_id for a in playing.articles[:ahead]} & {a.article_id for a in playing.articles[ahead:]}
    playing.clock.advance(10 * MINUTE_MS)
    assert playing.restart().step() > 0
    playing.clock.advance(-10 * MINUTE_MS)
    assert playing.feed.step() == 0


def test_restarted_with_a_cursor_days_ahead_it_plays() -> None:
    playing = Playing(START_MS + 3 * DAY_MS)
    playing.feed.step()
    playing.clock.advance(-3 * DAY_MS)
    assert playing.restart().step() == len(DAY)


def test_the_day_is_what_it_should_be() -> None:
    assert DATA_FILE.stat().st_size < 1_000_000
    assert 2_500 <= len(DAY) <= 4_300
    stories: dict[str, set[str]] = {}
    for row in DAY:
        stories.setdefault(normalised_headline(row["h"]), set()).add(row["f"])
        assert len(row["s"]) <= 200
        assert row["u"].startswith("http")
        assert all(is_ticker(ticker) for ticker in row["t"])
    assert sum(len(feeds) > 1 for feeds in stories.values()) >= 3, "no story is told by two sources"
    tickers = {ticker for row in DAY for ticker in row["t"]}
    assert tickers >= {"AAPL", "MSFT", "AMZN", "TSLA", "GOOGL", "NVDA", "META"}
    first_told = sorted({normalised_headline(row["h"]): row["o"] for row in reversed(DAY)}.values())
    assert all(later - earlier <= 40_000 for earlier, later in pairwise(first_told))


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    for name, data in {"missing": None, "text": b"hello", "cut": DATA_FILE.read_bytes()[:5_000]}.items():
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(Unusable, match="--no-demo"):
            read_day(path)


def test_making_the_day_gives_the_same_bytes(tmp_path: Path) -> None:
    header = "news_url,image_url,title,text,source_name,date,topics,sentiment,type,tickers"
    when = '"Mon, 07 Jun 2021 18:52:59 -0400"'
    row = "https://x.example/{0},,Apple story {0},{1},CNBC," + when + ",[],Positive,Article,['FB']"
    stocknews = "\n".join([header, *(row.format(n, "word " * 80) for n in range(5))])
    (tmp_path / make_demo.STOCKNEWS_WEEK).write_text(stocknews)
    (tmp_path / make_demo.STOCKNEWS_ARCHIVE).write_bytes(gzip.compress(header.encode()))
    (tmp_path / make_demo.FINNHUB_WEEK).write_text(
        "category,datetime,headline,id,image,related,source,summary,url\n"
        "company,1623110079,APPLE STORY 3,1,,AAPL,Reuters,short,https://f.example/1\n"
    )
    (tmp_path / make_demo.NEWSAPI_WEEK).write_text(
        "source,author,title,description,url,urlToImage,publishedAt,content\n"
    )
    day = make_demo.make(tmp_path)
    assert json.dumps(day) == json.dumps(make_demo.make(tmp_path))
    assert len(day) == 6
    assert [entry["f"] for entry in day if "3" in entry["h"]] == ["finnhub", "stocknews"]
    assert {ticker for entry in day for ticker in entry["t"]} == {"META", "AAPL"}
    assert all(len(entry["s"]) <= 200 for entry in day)
