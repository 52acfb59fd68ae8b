"""One real story as Finnhub (seconds, its own link), Tiingo (microseconds, another query string) and NewsAPI (a title
that ends in the publisher's name) tell it: counted once, every source listed."""

from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS
from producers.sources.registry import Fetched
from tests.fakes.web import FakeSite, fake_site
from tests.unit.consumers.classifying import Line, article
from tests.unit.producers.asking import PAGES, Asking, golden, told

HEADLINE = "Apple's new 'private relay' feature will not be available in China"


def told_by(site: FakeSite, kind: str) -> list[bytes]:
    asking = Asking(site, kind)
    asking.put(told(golden(PAGES[kind][0])))
    fetched: Fetched = asking.ask()
    return [article.encode() for article in fetched.articles if article.title == HEADLINE]


def test_a_story_told_by_three_sources_counts_once_and_lists_them_all() -> None:
    with fake_site() as site:
        copies = {kind: told_by(site, kind) for kind in ("finnhub", "tiingo", "newsapi")}
    assert {kind: len(found) for kind, found in copies.items()} == {"finnhub": 1, "tiingo": 1, "newsapi": 3}
    for order in (("finnhub", "tiingo", "newsapi"), ("newsapi", "tiingo", "finnhub")):
        line = Line()
        line.clock.instant_ms = 1_623_111_000_000
        for number, kind in enumerate(order):
            line.process(*copies[kind], first_sequence=100 * number + 1)
            line.process(*copies[kind], first_sequence=100 * number + 1)  # a retry of the batch
        assert [event["subject"] for event in line.scored] == ["AAPL"]
        (item,) = line.items.primary.values()
        assert {each["source"] for each in item["sources"]} == {"finnhub", "tiingo", "newsapi"}
        assert len(item["sources"]) == 5


def test_a_copy_that_is_told_again_when_its_story_is_forgotten_counts_no_second_time() -> None:
    line = Line()
    told_twice = [
        article(title="Apple shares have a good day", source=source, url=f"https://{source}.example/1")
        for source in ("reuters", "cnbc")
    ]
    line.process(*told_twice)
    counted = list(line.event_ids)
    assert len(counted) == 1
    for hours in (1, 49, 49):
        line.clock.advance(hours * HOUR_MS)
        line.process(*told_twice)
        assert line.event_ids == counted
    now_ms = line.clock.now_ms()
    again = {"url": "https://cnbc.example/1", "published_ms": now_ms - 1, "ingested_at": iso_ms(now_ms)}
    line.process(article(title="Apple shares have a good day", source="cnbc", **again))
    assert line.event_ids == counted, "with a new date"


def test_what_a_source_tells_anew_under_one_headline_has_its_own_item() -> None:
    """A page of records, two of one title, one of which changes later (sources.md: adds exactly one)."""
    line = Line()

    def record(identity: int, title: str, text: str) -> bytes:
        return article(title=title, source="json", url=None, snippet=text, article_id=f"json#{identity}")

    page = [record(1, "Apple shares rise", "first"), record(2, "Apple shares rise", "other"), record(3, "x", "y")]
    assert line.process(*page).counts["scored"] == 3
    counts = line.process(*page, record(4, "x", "y, corrected")).counts
    assert (counts["scored"], counts["duplicates"]) == (1, 3)
    assert set(line.items.primary) == {"json#1", "json#2", "json#3", "json#4"}
    assert [event["subject"] for event in line.scored] == ["AAPL"]
    assert all(len(item["sources"]) == 1 for item in line.items.primary.values())
    for number, text in ((5, "y"), (6, "y, corrected")):
        same = article(title="x", source="json", url=None, snippet=text, article_id=f"json#{number}")
        assert line.process(same).counts["duplicates"] == 1, "the same words are a copy"


def test_a_copy_without_a_time_of_its_own_counts_once_however_often_it_is_met() -> None:
    line = Line()
    for hours in (0, 49, 49):
        line.clock.advance(hours * HOUR_MS)
        now_ms = line.clock.now_ms()
        for source in ("reuters", "cnbc"):
            url = f"https://{source}.example/1"
            line.process(article(source=source, url=url, published_ms=now_ms, ingested_at=iso_ms(now_ms)))
        assert len(line.event_ids) == 1
