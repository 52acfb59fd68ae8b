"""Story claims: exact under races, the same answer on every retry."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from consumers.classifier.stories import (
    BUCKET_MS,
    MAX_ARTICLES,
    MAX_DOCUMENT_BYTES,
    MAX_OUTAGE_MS,
    Claimant,
    claim_all,
    links,
    story_key,
)
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.resolution import DAY_MS, HOUR_MS
from tests.fakes.stores import FakeControl
from tests.unit.consumers.classifying import claim

NOON_MS = 1_766_310_000_000 // BUCKET_MS * BUCKET_MS


def claimant(
    name: str, at_ms: int = NOON_MS, subjects: tuple[str, ...] = ("AAPL",), title: str = "Apple rises"
) -> Claimant:
    return Claimant(name, title, name.partition("#")[0], at_ms, at_ms + 10, subjects)


def test_the_first_owns_the_others_are_its_sources() -> None:
    control = FakeControl()
    first = claim(control, claimant("a#1", subjects=("AAPL", "MSFT")), NOON_MS)
    second = claim(control, claimant("b#1", subjects=("AAPL", "NVDA")), NOON_MS)
    assert (first.owned, second.owned) == (("AAPL", "MSFT"), ("NVDA",))
    assert second.first_id == "a#1"
    b_as_source = {"article_id": "b#1", "source": "b"}
    assert links(control.get("story", first.story_key), "a#1") == ("a#1", [b_as_source])
    assert links(control.get("story", first.story_key), "b#1") == ("a#1", [b_as_source])
    assert links(control.get("story", first.story_key), "c#1") == ("c#1", [])


def test_a_retry_gets_the_answer_of_the_first_try() -> None:
    control = FakeControl()
    first = claim(control, claimant("a#1"), NOON_MS)
    again = claim(control, claimant("a#1", at_ms=NOON_MS + 5_000, subjects=("AAPL", "MSFT")), NOON_MS + 60_000)
    assert again == first


@pytest.mark.parametrize(
    ("first_hour", "second_hour", "same"),
    [
        (0, 5, True),  # one bucket
        (5, 7, True),  # neighbours, each the other's nearer one
        (5, 11, True),  # the first is near the border
        (1, 11, False),  # neither is
        (1, 7, True),  # the second is near the border
        (0, 24, False),  # the same headline on another day
    ],
)
def test_a_story_is_a_headline_within_neighbouring_buckets(first_hour: int, second_hour: int, same: bool) -> None:
    for one, other in ((first_hour, second_hour), (second_hour, first_hour)):
        control = FakeControl()
        claim(control, claimant("a#1", NOON_MS + one * HOUR_MS), NOON_MS)
        second = claim(control, claimant("b#1", NOON_MS + other * HOUR_MS), NOON_MS)
        assert (second.owned == ()) is same


def test_a_subject_whose_owner_came_too_late_is_had_by_who_did_not() -> None:
    late_at, in_time_at = NOON_MS - DAY_MS - 10 * 60_000, NOON_MS - 23 * HOUR_MS
    for order in ("late first", "late last"):
        control = FakeControl()
        late = claimant("a#1", late_at, ("AAPL", "MSFT"))._replace(ingested_ms=NOON_MS)
        in_time = claimant("b#1", in_time_at)._replace(ingested_ms=NOON_MS)
        told = [late, in_time] if order == "late first" else [in_time, late]
        for each in told:
            claim(control, each, NOON_MS)
        third = claim(control, claimant("c#1", in_time_at), NOON_MS)
        owned = {each.article_id: claim(control, each, NOON_MS).owned for each in told}
        assert owned["b#1"] == ("AAPL",), order
        assert third.owned == ()
        # Who lost a subject gives the answer of its first try again.
        assert owned["a#1"] == (("AAPL", "MSFT") if order == "late first" else ("MSFT",))


def test_of_several_stories_an_article_is_part_of_each_has_its_subjects() -> None:
    control = FakeControl()
    assert claim(control, claimant("x#1", NOON_MS + HOUR_MS, ("AAPL", "MSFT")), NOON_MS).owned == ("AAPL", "MSFT")
    assert claim(control, claimant("y#1", NOON_MS + 11 * HOUR_MS), NOON_MS).owned == ("AAPL",)
    assert claim(control, claimant("z#1", NOON_MS + 7 * HOUR_MS, ("AAPL", "MSFT")), NOON_MS).owned == ()


def test_a_story_is_remembered_while_another_of_its_articles_may_count() -> None:
    for lateness_ms, owned in ((DAY_MS, ("AAPL",)), (7 * DAY_MS, ())):
        control = FakeControl()
        (first,) = claim_all(control, [claimant("a#1")], NOON_MS, lateness_ms)
        later_ms = NOON_MS + 50 * HOUR_MS
        late = claimant("b#1", NOON_MS + HOUR_MS)._replace(ingested_ms=later_ms)
        (second,) = claim_all(control, [late], later_ms, lateness_ms)
        assert first is not None
        assert second is not None
        assert (first.owned, second.owned) == (("AAPL",), owned)


def test_how_long_an_article_waits_on_the_log_changes_nothing() -> None:
    control = FakeControl(ManualClock(NOON_MS))
    first = claim(control, claimant("a#1"), NOON_MS)
    for waited_ms in (49 * HOUR_MS, MAX_OUTAGE_MS):
        control.clock.advance(waited_ms - (control.clock.now_ms() - NOON_MS))
        second = claim(control, claimant(f"b#{waited_ms}", NOON_MS + 30_000), NOON_MS + waited_ms)
        assert (second.owned, second.first_id, second.is_copy) == ((), "a#1", True)
        assert claim(control, claimant("a#1"), NOON_MS + waited_ms) == first, "nor does a try that was cut short"


def test_headlines_are_compared_by_their_words() -> None:
    assert story_key("Apple’s  RISE: 5%!") == story_key("apple s rise 5")
    assert story_key("Apple rises") != story_key("Apple falls")
    assert story_key("📈") != story_key("📉")
    assert story_key("AT&amp;T <b>raises</b>") == story_key("AT&T raises")
    assert story_key("https://t.example/1") != story_key("https://t.example/2"), "a headline that is but a link"


def test_twenty_parallel_classifiers_own_each_subject_once() -> None:
    control = FakeControl()
    start = threading.Barrier(20)

    def race(number: int) -> tuple[str, ...]:
        start.wait()
        return claim(control, claimant(f"source{number}#1", subjects=("AAPL", f"T{number % 5}")), NOON_MS).owned

    with ThreadPoolExecutor(20) as pool:
        owned = [subject for each in pool.map(race, range(20)) for subject in each]
    assert sorted(owned) == ["AAPL", "T0", "T1", "T2", "T3", "T4"]
    document = control.get("story", story_key("Apple rises")).value
    assert document is not None
    assert len(document["entries"][0]["articles"]) == 20


def test_a_batch_is_claimed_in_order_with_one_write_a_headline() -> None:
    control = FakeControl()
    batch = [
        claimant("a#1"),
        claimant("b#1", subjects=("AAPL", "MSFT")),
        claimant("c#1", title="Another"),
        claimant("d#1"),
    ]
    claims = claim_all(control, batch, NOON_MS)
    assert [each and each.owned for each in claims] == [("AAPL",), ("MSFT",), ("AAPL",), ()]
    assert control.get("story", story_key("Apple rises")).version == 1
    assert claim_all(control, batch, NOON_MS) == claims


def test_parallel_batches_own_each_subject_once() -> None:
    control = FakeControl()
    start = threading.Barrier(8)

    def race(number: int) -> list[str]:
        batch = [
            claimant(f"s{number}#{story}", title=f"Story {story}", subjects=(f"T{story}", f"U{story}"))
            for story in range(20)
        ]
        start.wait()
        return [subject for each in claim_all(control, batch, NOON_MS) if each for subject in each.owned]

    with ThreadPoolExecutor(8) as pool:
        owned = [subject for each in pool.map(race, range(8)) for subject in each]
    assert sorted(owned) == sorted(f"{letter}{story}" for letter in "TU" for story in range(20))


def test_a_race_that_never_ends_is_handed_back() -> None:
    class AlwaysLoses(FakeControl):
        def put(self, *args: object, **kwargs: object) -> int:
            return super().put("story", story_key("Apple rises"), {"entries": []}, expected_version=-1)

    with pytest.raises(Transient):
        claim(AlwaysLoses(), claimant("a#1"), NOON_MS)


def test_claims_expire_and_a_document_stays_bounded() -> None:
    control = FakeControl()
    for number in range(MAX_ARTICLES + 50):
        claim(control, claimant(f"s{number}#1"), NOON_MS)
    document = control.get("story", story_key("Apple rises")).value
    assert document is not None
    assert len(document["entries"][0]["articles"]) == MAX_ARTICLES
    late = claim(control, claimant("late#1", subjects=("AAPL", "MSFT")), NOON_MS)
    assert late.owned == ("MSFT",)
    control.clock.advance(49 * HOUR_MS)
    claim(control, claimant("new#1", NOON_MS + 100 * HOUR_MS), NOON_MS + 100 * HOUR_MS)
    document = control.get("story", story_key("Apple rises")).value
    assert document is not None
    assert [entry["article_id"] for entry in document["entries"]] == ["new#1"]


def of_day(number: int, subjects: tuple[str, ...] = ("AAPL", "MSFT", "TSLA")) -> Claimant:
    return claimant(f"newsapi#{number:016x}", NOON_MS - number * DAY_MS, subjects)


def stored_bytes(control: FakeControl) -> int:
    return len(msgspec.json.encode(control.get("story", story_key("Apple rises")).value))


def test_a_headline_that_comes_back_every_day_forgets_its_oldest_stories() -> None:
    control, days = FakeControl(), 800
    for first in range(0, days, 200):
        claims = claim_all(control, [of_day(number) for number in range(first, first + 200)], NOON_MS)
        assert [each and each.owned for each in claims] == [("AAPL", "MSFT", "TSLA")] * 200
        assert stored_bytes(control) < MAX_DOCUMENT_BYTES + 1_000
    assert claim(control, claimant("a#1", NOON_MS - 100 * DAY_MS), NOON_MS).owned == ("AAPL",), "forgotten"
    second = claimant("b#1", NOON_MS - (days - 400) * DAY_MS)
    assert claim(control, second, NOON_MS).owned == (), "its story is remembered"
    claim_all(control, [of_day(number) for number in range(days, days + 300)], NOON_MS)
    assert claim(control, second._replace(article_id="c#1"), NOON_MS).owned == (), "a story joined lately stays longer"


def test_one_story_that_fills_a_document_alone_begins_anew() -> None:
    control = FakeControl()
    for first in range(0, 900, 100):
        batch = [claimant(f"rns#{number}", subjects=(f"tag:{number:060}",)) for number in range(first, first + 100)]
        claims = claim_all(control, batch, NOON_MS)
        assert all(each and len(each.owned) == 1 for each in claims)
        assert stored_bytes(control) < MAX_DOCUMENT_BYTES + 1_000
