"""An article whose source tells it for one symbol after the other counts for each of them, once, whatever happens."""

import json
from collections import Counter
from itertools import permutations
from typing import Any

import pytest

from consumers.classifier.stories import MAX_ARTICLES, Claimant, story_key
from contracts.events import SCORED_STREAM
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS
from tests.unit.consumers.classifying import NOW_MS, Line, article, claim, records

TITLE = "Chip makers have a good day"


def listed(*tickers: str, source: str = "finnhub", **fields: Any) -> bytes:
    return article(TITLE, source=source, url=f"https://{source}.example/1", tickers=tickers, **fields)


def subjects(line: Line) -> list[str]:
    return [event["subject"] for event in line.scored]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_an_article_that_is_listed_for_further_symbols_counts_for_each_once(is_one_batch: bool) -> None:
    line = Line()
    datas = [listed(), listed("AAPL"), listed("MSFT"), listed("AAPL", "MSFT"), listed("AAPL")]
    if is_one_batch:
        counts = Counter(line.process(*datas).counts)
    else:
        counts = sum((Counter(line.process(data).counts) for data in datas), Counter())
    assert subjects(line) == ["AAPL", "MSFT"]
    assert (counts["received"], counts["scored"], counts["duplicates"], counts["events"]) == (5, 1, 4, 2)
    (item,) = line.items.primary.values()
    assert item["matched_tickers"] == ["AAPL", "MSFT"]
    assert len(line.model.batches) == 1, "its score is in its item"


def test_what_comes_later_has_the_times_the_score_and_the_model_of_the_first_try() -> None:
    line = Line()
    line.process(listed("AAPL"))
    line.clock.advance(HOUR_MS)
    line.model.version = "words-2"
    again = json.loads(listed("MSFT", published_ms=NOW_MS - 1, ingested_at=iso_ms(NOW_MS + HOUR_MS)))
    line.process(json.dumps(again | {"title": "Chip makers have a bad day"}).encode())
    first, second = line.scored
    own = ("event_id", "subject")
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}


def test_only_what_the_story_lacks_is_added() -> None:
    line = Line()
    line.process(listed("AAPL"), listed("MSFT", source="wire"))
    line.process(listed("MSFT", "NVDA"))
    line.process(listed("NVDA", "TSLA", source="wire"))
    assert [(event["source"], event["subject"]) for event in line.scored] == [
        ("finnhub", "AAPL"),
        ("wire", "MSFT"),
        ("finnhub", "NVDA"),
        ("wire", "TSLA"),
    ]
    assert {item["source_type"]: item["matched_tickers"] for item in line.items.primary.values()} == {
        "finnhub": ["AAPL", "NVDA"],
        "wire": ["MSFT", "TSLA"],
    }
    assert [each["source"] for each in line.items.primary[line.scored[0]["article_id"]]["sources"]] == [
        "finnhub",
        "wire",
    ]


def test_a_copy_that_turns_out_to_be_about_more_gets_its_item() -> None:
    line = Line()
    line.process(listed("AAPL"), listed("AAPL", source="wire"))
    assert line.items.count_primary() == 1
    line.process(listed("MSFT", source="wire"))
    assert [(event["source"], event["subject"]) for event in line.scored] == [("finnhub", "AAPL"), ("wire", "MSFT")]
    assert line.items.count_primary() == 2


def test_of_a_noisy_source_only_known_companies_are_added() -> None:
    line = Line()
    for ticker in ("AAPL", "ZZZQ", "MSFT"):
        line.process(listed(ticker, source="tiingo"))
    assert subjects(line) == ["AAPL", "MSFT"]


def test_when_its_story_is_forgotten_nothing_is_added() -> None:
    line = Line()
    line.process(listed("AAPL"))
    line.clock.advance(49 * HOUR_MS)
    outcome = line.process(listed("MSFT"))
    assert (outcome.retry_from, outcome.counts["duplicates"]) == (None, 1)
    assert subjects(line) == ["AAPL"]


@pytest.mark.parametrize("port", ["control", "items", "log"])
@pytest.mark.parametrize("calls", range(8))
def test_a_crash_anywhere_repeats_the_same_event(port: str, calls: int) -> None:
    line, clean = Line(), Line()
    for each in (line, clean):
        each.process(listed("AAPL"))
    clean.process(listed("MSFT"))
    names = {"control": ("get", "put"), "items": ("get_primaries", "put_primaries"), "log": ("put_records",)}[port]
    left = [calls]

    def failing(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt("killed after it was done")
            return result

        return call

    for name in names:
        setattr(getattr(line, port), name, failing(getattr(getattr(line, port), name)))
    for _ in range(2):
        try:
            line.new_service().process(records(listed("MSFT"), first_sequence=2))
        except KeyboardInterrupt:
            continue
    told = {event["event_id"]: json.dumps(event) for event in line.scored}
    assert told == {event["event_id"]: json.dumps(event) for event in clean.scored}
    assert {json.dumps(event) for event in line.scored} == set(told.values()), "one id, one content"
    assert line.items.primary == clean.items.primary


@pytest.mark.parametrize("order", list(permutations(["", "AAPL", "MSFT"])))
def test_in_any_order_it_counts_for_the_same(order: tuple[str, ...]) -> None:
    line = Line()
    for ticker in order:
        line.process(listed(*filter(None, [ticker])))
    assert sorted(subjects(line)) == ["AAPL", "MSFT"]
    assert [record.partition_key for record in line.log.records[SCORED_STREAM]] == subjects(line)


def test_a_known_article_claims_nothing_but_its_sources_tickers() -> None:
    line = Line()
    first = Claimant("a#1", TITLE, "a", NOW_MS, NOW_MS, ("AAPL",))
    claim(line.control, first, NOW_MS)
    version = line.control.get("story", story_key(TITLE)).version
    again = first._replace(subjects=("AAPL", "MSFT"), tickers=("AAPL",))
    assert claim(line.control, again, NOW_MS).owned == ("AAPL",)
    assert line.control.get("story", story_key(TITLE)).version == version, "nothing changed, nothing is written"
    later = first._replace(subjects=(), tickers=("NVDA",), story_key=story_key(TITLE), title="Another headline")
    assert claim(line.control, later, NOW_MS).owned == ("AAPL", "NVDA")
    assert line.control.get("story", story_key("Another headline")).version == 0


def test_a_story_of_very_many_articles_still_takes_what_its_first_is_told_for() -> None:
    line = Line()
    for number in range(MAX_ARTICLES + 5):
        claim(line.control, Claimant(f"s{number}#1", TITLE, "s", NOW_MS, NOW_MS, ("AAPL",)), NOW_MS)
    first = Claimant("s0#1", TITLE, "s", NOW_MS, NOW_MS, ("AAPL",), ("MSFT",))
    assert claim(line.control, first, NOW_MS).owned == ("AAPL", "MSFT")
