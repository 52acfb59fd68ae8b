"""Raw articles in, scored events and items out: every article once, nothing lost on a crash."""

import itertools
import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest

from consumers.classifier.stories import KIND, Claimant
from consumers.classifier.subjects import MAX_WATCHED_TAGS
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import SCORED_STREAM, decode_scored
from contracts.hashing import member_hash
from contracts.identity import canonical_url
from contracts.ports import Entry, PutResult, Versioned
from tests.unit.consumers.classifying import NOW_MS, Line, article, claim


def edited(data: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(data) | fields).encode()


def test_one_event_per_article_and_subject() -> None:
    line = Line()
    outcome = line.process(article(tickers=("ZZTOP",)))
    assert outcome.retry_from is None
    assert outcome.counts == {"received": 1, "scored": 1, "duplicates": 0, "events": 2, "quarantined": 0}
    assert [event["subject"] for event in line.scored] == ["AAPL", "ZZTOP"]
    event = decode_scored(line.log.data(SCORED_STREAM)[0])
    assert event.event_id == f"{event.article_id}@AAPL"
    assert (event.label, event.confidence, event.polarity) == ("positive", 0.9312, 0.8917)
    assert event.model_version == "words-1"
    assert event.event_time == "2025-12-21T09:39:00.000Z"
    assert [record.partition_key for record in line.log.records[SCORED_STREAM]] == ["AAPL", "ZZTOP"]


def test_the_item_has_the_contracts_attributes_and_ours() -> None:
    line = Line()
    line.process(article(snippet="What a week", publisher="The Paper", author="Jo", raw_key="raw/x"))
    (item,) = line.items.primary.values()
    assert item["source_type"] == "rss-test"
    assert item["sentiment"] == "positive"
    assert item["score"] == 0.9312
    assert item["polarity"] == 0.8917
    assert item["status"] == "analyzed"
    assert item["matched_tickers"] == ["AAPL"]
    assert item["matched_tags"] == []
    assert item["raw_key"] == "raw/x"
    assert item["sources"] == [{"article_id": item["source_id"], "source": "rss-test"}]
    assert item["metadata"] == {
        "author": "Jo",
        "title": "Apple shares have a good day",
        "published_at": "2025-12-21T09:39:00.000Z",
        "source_name": "The Paper",
    }


def test_without_a_raw_key_the_item_names_the_place_in_the_lake() -> None:
    line = Line()
    line.process(article())
    (item,) = line.items.primary.values()
    assert item["raw_key"] == "raw/source=rss-test/date=2025-12-21/shardId-000000000000-1"


def test_an_article_about_nothing_is_kept_and_emits_nothing() -> None:
    line = Line()
    outcome = line.process(article("A quiet day in the garden"))
    assert outcome.counts["scored"] == 1
    assert line.scored == []
    assert line.items.count_primary() == 1


def test_a_refetch_emits_nothing_even_when_a_new_tag_would_match() -> None:
    line = Line()
    line.process(article())
    line.control.put("watch", "list", {"subjects": ["tag:good-day"]})
    refetched = edited(article(), ingested_at="2025-12-21T09:41:00.000Z")
    outcome = line.process(refetched, first_sequence=2)
    assert outcome.counts["duplicates"] == 1
    assert len(line.scored) == 1
    assert line.process(article("Apple shares: another good day"), first_sequence=3).counts["events"] == 2


def test_the_same_article_twice_in_one_batch_counts_once() -> None:
    line = Line()
    outcome = line.process(article(), article())
    assert (outcome.counts["scored"], outcome.counts["duplicates"]) == (1, 1)
    assert len(line.scored) == 1


def test_a_watched_tag_matches_from_the_next_batch_on() -> None:
    line = Line()
    line.control.put("watch", "list-1", {"subjects": ["tag:ai-regulation", "AAPL"]})
    line.process(article("Europe agrees on regulation of AI"), article("Regulation of fisheries"))
    assert [event["subject"] for event in line.scored] == ["tag:ai-regulation"]
    (first, _) = line.items.primary.values()
    assert first["matched_tags"] == ["ai-regulation"]


def test_tags_of_many_tokens_neither_flood_an_article_nor_make_its_story_count_twice() -> None:
    line = Line()
    text = "the to of and in a is for on that by as from its it with was at has will be"
    common = ["-".join(each) for each in combinations(text.split(), 5)]
    for token in range(300):
        line.control.put("watch", f"u{token}", {"subjects": [f"tag:{tag}" for tag in common[25 * token :][:25]]})
    line.process(article("Good news", snippet=text, source="a"))
    assert len(line.scored) == MAX_WATCHED_TAGS
    told_again = line.process(article("Good news", snippet=text, source="b"), first_sequence=2)
    assert (told_again.counts["duplicates"], told_again.counts["events"]) == (1, 0)


def test_a_story_from_two_sources_counts_once_and_lists_both() -> None:
    line = Line()
    first = article(source="finnhub", published_ms=NOW_MS - 600_000)
    second = article("APPLE shares – have a good day!", source="tiingo", published_ms=NOW_MS - 590_000)
    line.process(first)
    outcome = line.process(second, first_sequence=2)
    assert (outcome.counts["duplicates"], outcome.counts["events"]) == (1, 0)
    assert len(line.scored) == 1
    (item,) = line.items.primary.values()
    assert [source["source"] for source in item["sources"]] == ["finnhub", "tiingo"]
    assert len(line.model.batches) == 1, "a copy is never scored"


def test_a_source_that_came_before_the_crashed_firsts_item_is_linked_on_the_retry() -> None:
    line = Line()
    first, second = article(source="a"), article(source="b")
    real = line.control.get

    def breaks_after_the_put(kind: str, name: str) -> Versioned:
        if kind == "story" and line.items.primary:
            line.control.get = real  # type: ignore[method-assign]
            raise Transient("control", "told to fail")
        return real(kind, name)

    line.control.get = breaks_after_the_put  # type: ignore[method-assign]
    assert line.process(first).retry_from is not None
    copy = json.loads(second)
    claim(line.control, Claimant(copy["article_id"], copy["title"], "b", NOW_MS, NOW_MS, ("AAPL",)), NOW_MS)
    assert line.process(first).retry_from is None
    (item,) = line.items.primary.values()
    assert [source["source"] for source in item["sources"]] == ["a", "b"]


def test_markup_of_a_file_is_no_other_story_and_hides_no_company() -> None:
    line = Line()
    line.process(article("AT&amp;T raises <b>dividend</b>", source="a"), article("AT&T raises dividend", source="b"))
    assert [event["subject"] for event in line.scored] == ["T"]
    (item,) = line.items.primary.values()
    assert [each["source"] for each in item["sources"]] == ["a", "b"]


def test_the_second_ticker_of_a_known_story_still_counts_for_that_ticker() -> None:
    line = Line()
    line.process(article(source="a"), article(source="b", tickers=("MSFT",)))
    assert sorted(line.event_ids) == sorted(
        [f"{line.scored[0]['article_id']}@AAPL", f"{line.scored[1]['article_id']}@MSFT"]
    )
    assert {item["source_type"]: item["matched_tickers"] for item in line.items.primary.values()} == {
        "a": ["AAPL"],
        "b": ["MSFT"],
    }


def timeless(line: Line) -> dict[str, Any]:
    """The items without the instant of scoring, which a retry moves."""
    return {key: {**item, "scored_at": ""} for key, item in line.items.primary.items()}


@pytest.mark.parametrize("broken_item", [True, False])
def test_a_crash_before_the_item_repeats_the_same_events(broken_item: bool) -> None:
    line = Line()
    batch = [article("Apple shares: a good day"), article("Microsoft has a bad day"), article("Tesla recalls cars")]
    clean = Line()
    clean.process(*batch)
    middle = next(key for key, item in clean.items.primary.items() if item["matched_tickers"] == ["MSFT"])
    if broken_item:
        line.items.fail_put_of = middle
        outcome = line.process(*batch)
        assert outcome.retry_from is not None
        assert len(line.items.primary) < 3
        line.items.fail_put_of = None
    else:
        line.control.down = 1
        outcome = line.process(*batch)
        assert outcome.retry_from is not None
    line.clock.advance(5_000)
    start = int(outcome.retry_from.sequence_number)
    assert line.service.process([*_records_from(batch, start)]).retry_from is None
    assert set(line.event_ids) == set(clean.event_ids)
    assert timeless(line) == timeless(clean)
    times = {(event["event_id"], event["event_time"]) for event in line.scored}
    assert len(times) == 3


def _records_from(batch: list[bytes], start: int) -> list:
    from tests.unit.consumers.classifying import records

    return records(*batch)[start - 1 :]


def test_the_event_time_of_the_first_try_stands() -> None:
    line = Line()
    line.items.fail_put_of = json.loads(article())["article_id"]
    line.process(article())
    line.items.fail_put_of = None
    line.process(article(published_ms=NOW_MS - 1_000), first_sequence=2)
    assert len({(event["event_id"], event["event_time"]) for event in line.scored}) == 1


def test_throttled_entries_are_retried_and_a_log_that_stays_down_hands_the_batch_back() -> None:
    line = Line()
    line.log.throttled = 1
    assert line.process(article()).retry_from is None
    line.log.down = 100
    outcome = line.process(article("Microsoft is good"), first_sequence=7)
    assert outcome.retry_from is not None
    assert outcome.retry_from.sequence_number == "7"
    assert line.items.count_primary() == 1, "an item is the mark that the events are out"


def test_a_lake_that_is_down_holds_the_bad_record_and_what_follows() -> None:
    line = Line()
    line.lake.down = 1
    outcome = line.process(article(), b"{", b"[", article("Microsoft is good"))
    assert outcome.retry_from is not None
    assert outcome.retry_from.sequence_number == "2", "the first of them"
    assert len(line.scored) == 1


def test_a_known_article_is_held_too_where_its_story_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have died before it was named as a source of its story's first."""
    line, first = Line(), article(source="a")
    line.process(first)
    get, asked = line.control.get, itertools.count()

    def failing(kind: str, name: str) -> Versioned:
        if kind == KIND and next(asked):  # the claim of the new one is read; what is to be linked is not
            raise Transient("control", "down")
        return get(kind, name)

    monkeypatch.setattr(line.control, "get", failing)
    outcome = line.process(first, article("Microsoft is good"), first_sequence=2)
    assert outcome.retry_from is not None
    assert outcome.retry_from.sequence_number == "2"


def test_lanes_spread_one_subject_and_meet_again_on_a_retry() -> None:
    line = Line(lanes=4)
    line.process(*[article(f"Apple shares number {n}") for n in range(20)])
    for record, event in zip(line.log.records[SCORED_STREAM], line.scored, strict=True):
        assert record.partition_key == f"AAPL~{member_hash(event['event_id']) % 4}"
        assert event["subject"] == "AAPL"


BAD = {
    "malformed JSON": (b'{"schema":"raw-article/1", oops', "unparseable"),
    "not an object": (b"[1,2]", "unparseable"),
    "NaN": (edited(article(), tickers=[]).replace(b'"tickers": []', b'"tickers": NaN'), "unparseable"),
    "missing field": (json.dumps({k: v for k, v in json.loads(article()).items() if k != "title"}).encode(), None),
    "300 KB description": (edited(article(), snippet="x" * 300_000), "oversized"),
    "long snippet": (edited(article(), snippet="x" * 300), "bad_value"),
    "1970": (edited(article(), published_at="1970-01-01T00:00:00Z"), "before_2000"),
    "tomorrow": (edited(article(), published_at="2025-12-22T09:40:00Z"), "future"),
    "no zone": (edited(article(), published_at="2025-12-21T09:40:00"), "bad_time"),
    "a ticker with #": (edited(article(), tickers=["AA#PL"]), "bad_subject"),
    "another schema": (edited(article(), schema="raw-article/9"), "unknown_schema"),
    "not UTF-8": (b'{"title":"\xff\xfe"}', "unparseable"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_set_aside_with_its_reason_and_the_batch_goes_on(name: str) -> None:
    data, reason = BAD[name]
    line = Line()
    outcome = line.process(data, article())
    assert outcome.retry_from is None
    assert outcome.counts["quarantined"] == 1
    (aside,) = line.set_aside()
    assert aside["reason"] == (reason or "missing_field")
    assert aside["sequence_number"] == "1"
    assert len(line.scored) == 1


def test_a_retry_sets_the_same_record_aside_in_the_same_object() -> None:
    line = Line()
    line.process(b"{", article())
    before = dict(line.lake.objects)
    line.process(b"{", article())
    assert line.lake.objects == before


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<b>Apple</b> shares <script>alert(1)</script> rise", "Apple shares alert(1) rise"),
        ("سهم Apple يرتفع 📈 shares", "سهم Apple يرتفع 📈 shares"),
        ("Family 👨‍👩‍👧 buys Apple shares", "Family 👨‍👩‍👧 buys Apple shares"),
    ],
)
def test_strange_titles_are_shown_safely_and_scored(title: str, shown: str) -> None:
    line = Line()
    line.process(article(title, url="https://x.example/1"))
    (item,) = line.items.primary.values()
    assert item["metadata"]["title"] == shown
    assert [event["subject"] for event in line.scored] == ["AAPL"]


def test_a_script_link_is_never_offered() -> None:
    line = Line()
    line.process(article(url="javascript:alert(1)"))
    (item,) = line.items.primary.values()
    assert item["source_url"] == ""
    assert canonical_url("javascript:alert(1)") == "javascript:alert(1)"


def test_the_clock_is_the_services_own() -> None:
    line = Line()
    assert isinstance(line.clock, ManualClock)
    line.process(article())
    assert line.scored[0]["scored_at"] == "2025-12-21T09:40:00.000Z"


def test_a_record_that_the_stream_refuses_alone_is_handed_back_with_all_behind_it() -> None:
    """Kinesis throttles single records of a call. No item before its events: it would say that they are there."""
    line = Line()
    put, throttled = line.log.put_records, {"AAPL"}

    def refusing(stream: str, entries: Sequence[Entry]) -> list[PutResult]:
        taken = iter(put(stream, [entry for entry in entries if entry.partition_key not in throttled]))
        refused = PutResult(None, None, "ProvisionedThroughputExceededException")
        return [refused if entry.partition_key in throttled else next(taken) for entry in entries]

    line.log.put_records = refusing  # type: ignore[method-assign]
    news = [
        article(f"{name} shares have a good day", tickers=(ticker,), url=f"https://example.com/{ticker}")
        for name, ticker in (("Apple", "AAPL"), ("Microsoft", "MSFT"), ("Nvidia", "NVDA"))
    ]
    outcome = line.process(*news)
    assert outcome.retry_from is not None
    assert outcome.retry_from.sequence_number == "1"
    assert line.items.count_primary() == 0
    throttled.clear()
    assert line.process(*news).retry_from is None
    assert {event["subject"] for event in line.scored} == {"AAPL", "MSFT", "NVDA"}
    assert line.items.count_primary() == 3
