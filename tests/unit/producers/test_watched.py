"""Watch lists and what they may cost: anybody may edit one, and the keys' calls are counted."""

import json
import threading
from typing import Any

import pytest

from contracts.watched import WATCH_KIND, watched_subjects
from producers.sources import finnhub
from producers.sources.newsapi import MAX_QUERY_CHARACTERS
from producers.sources.registry import MAX_SYMBOLS, Fetched, Request, Source, asked_for
from tests.fakes.web import FakeSite
from tests.unit.producers.asking import SECRETS, Asking, told
from tests.unit.producers.test_json_sources import query
from tests.unit.producers.test_service import Polling

EVERY_S = 1_800


def polling_of(site: FakeSite, kind: str, options: dict[str, Any] | None = None) -> Polling:
    url = site.put(f"/{kind}", told({"status": "ok", "totalResults": 0, "articles": [], "feed": []}))
    polling = Polling(Source(name=kind, kind=kind, url=url, every_s=EVERY_S, options=options or {}))
    polling.secrets = SECRETS
    polling.restart()
    return polling


def watch(polling: Polling, *subjects: str, user: str = "somebody") -> None:
    polling.control.put(WATCH_KIND, user, {"subjects": list(subjects)})


@pytest.mark.parametrize("kind", ["newsapi", "alphavantage"])
def test_an_edit_every_second_does_not_spend_the_key(site: FakeSite, kind: str) -> None:
    polling = polling_of(site, kind)
    watch(polling, "A")
    polling.service.poll()
    polling.clock.advance(EVERY_S * 1000)
    polling.service.poll()
    site.asked.clear()
    for second in range(EVERY_S - 1):
        polling.clock.advance(1_000)
        watch(polling, f"S{second}")
        polling.service.poll()
    assert len(site.asked) == 1, "before its turn once"
    polling.clock.advance(1_000)
    polling.service.poll()
    assert len(site.asked) <= 2


def test_only_what_is_new_to_a_source_is_asked_for_before_its_turn(site: FakeSite) -> None:
    polling = polling_of(site, "alphavantage", {"symbols": ["NVDA"]})
    watch(polling, "AAPL", "MSFT")
    polling.service.poll()
    polling.clock.advance(EVERY_S * 1000)
    polling.service.poll()
    for subjects in (["AAPL"], ["AAPL", "tag:ai"], [], ["MSFT"]):
        polling.clock.advance(1_000)
        watch(polling, *subjects)
        assert polling.service.poll().polled == 0, subjects
    watch(polling, "TSLA")
    assert polling.service.poll().polled == 1
    assert polling.service.poll().polled == 0


def test_a_poll_by_name_does_not_make_others_overlook_what_is_new(site: FakeSite) -> None:
    polling = polling_of(site, "alphavantage")
    watch(polling, "AAPL")
    polling.service.poll()
    polling.clock.advance(EVERY_S * 1000)
    polling.service.poll()
    watch(polling, "AAPL", "TSLA")
    assert polling.service.poll("another").polled == 0
    assert polling.service.poll().polled == 1


def test_a_source_with_a_query_of_its_own_asks_for_nobody(site: FakeSite) -> None:
    source = Source(name="n", kind="newsapi", options={"query": "chips"})
    assert asked_for(source, ["AAPL", "tag:ai"]) == ()
    assert asked_for(source.model_copy(update={"options": {}}), ["AAPL", "tag:ai"]) == ("tag:ai", "AAPL")


@pytest.mark.parametrize("kind", ["newsapi", "tiingo"])
def test_a_sources_state_keeps_what_it_was_asked_for_and_not_all_that_is_watched(site: FakeSite, kind: str) -> None:
    polling = polling_of(site, kind)
    for token in range(300):
        tags = [f"tag:{token:05}-{number:02}-{'x' * 40}" for number in range(24)]
        watch(polling, f"A{token}", *tags, user=f"u{token}")
    polling.service.poll()
    state = polling.state(kind)
    assert len(json.dumps(state)) < 10_000
    assert 1 < len(state["watched"]) <= MAX_SYMBOLS


def test_what_is_watched_while_a_source_is_asked_is_asked_for_next(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    back, entered = threading.Event(), threading.Event()

    def fetch(request: Request) -> Fetched:
        asked.append(request.watched)
        entered.set()
        assert back.wait(30)
        return Fetched()

    monkeypatch.setattr(finnhub, "fetch", fetch)
    polling = polling_of(site, "finnhub")
    polling.service._round._round_ms = 50.0
    watch(polling, "AAPL")
    polling.service.poll()
    assert entered.wait(30)
    watch(polling, "AAPL", "NVDA")
    back.set()
    while not polling.state("finnhub").get("watched"):
        polling.service.poll()
    assert polling.state("finnhub")["watched"] == ["AAPL"]
    polling.clock.advance(EVERY_S * 1000)
    while len(asked) < 2:
        polling.service.poll()
    assert asked == [("AAPL",), ("AAPL", "NVDA")]


def test_who_watches_much_leaves_room_for_others_and_what_has_none_is_noted(site: FakeSite) -> None:
    polling = Polling()
    for number in range(10):
        watch(polling, *(f"A{number}{letter}X" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXY"), user=f"u{number}")
    watch(polling, "NVDA", user="z")
    watched = watched_subjects(polling.control)
    assert len(watched) == 251
    asking = Asking(site, "finnhub", {"symbols": ["ZTS"], "limits": [[5_000, 1]], "category": None})
    asking.put(told([]))
    note = asking.ask(*watched).note
    symbols = [query(path)["symbol"] for path in asking.asked]
    assert (len(symbols), symbols[0], symbols[1:]) == (MAX_SYMBOLS, "ZTS", sorted(symbols[1:]))
    assert "NVDA" in symbols
    assert note is not None
    assert "no room for 52 of the watched subjects: A" in note


@pytest.mark.parametrize("kind", ["tiingo", "alphavantage"])
def test_every_source_that_leaves_symbols_out_says_so(site: FakeSite, kind: str) -> None:
    asking = Asking(site, kind, {"limits": [[5_000, 1]]})
    asking.put(told([] if kind == "tiingo" else {"feed": []}))
    watched = [f"A{number}" for number in range(MAX_SYMBOLS + 1)]
    assert asking.ask(*watched).note == "no room for 1 of the watched subjects: A200"


def test_a_query_that_is_full_says_what_it_leaves_out(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {})
    asking.put(told({"status": "ok", "totalResults": 0, "articles": []}))
    long = [f"tag:{letter * 50}" for letter in "abcdefghijkl"]
    note = asking.ask("NVDA", *long, "AMD").note
    asked = query(asking.asked[0])["q"]
    assert len(asked) <= MAX_QUERY_CHARACTERS
    assert asked.endswith('"AMD" OR "NVDA"')
    assert note is not None
    assert "no room for 4 of the watched subjects: tag:iii" in note
    assert asking.ask("NVDA").note is None
