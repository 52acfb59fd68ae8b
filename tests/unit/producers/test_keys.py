"""Keys: what cannot be sent is told by its name, and what a source repeats of them is nowhere."""

import pytest

from producers.fetch import FetchFailed
from producers.pace import Key
from producers.service import LOOK_AGAIN_MS, Polled
from producers.source_state import key_mark
from producers.sources.registry import KINDS, Source, secrets_of
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import FakeSite
from tests.unit.producers.asking import KEY, Asking, told
from tests.unit.producers.test_service import Polling

DESK = {"fields": {"id": "id", "title": "t"}, "headers": {"Authorization": {"secret": "MY_TOKEN", "before": "Bearer "}}}


@pytest.mark.parametrize("key", ["SESAME…", "“SESAME”", "SESAME\n", " SESAME", "SÉSAME"])
@pytest.mark.parametrize("kind", ["finnhub", "tiingo", "newsapi", "alphavantage", "json"])
def test_a_key_that_no_header_may_carry_is_told_by_its_name(site: FakeSite, kind: str, key: str) -> None:
    asking = Asking(site, kind, DESK if kind == "json" else None)
    name = KINDS[kind].secret or "MY_TOKEN"
    asking.secrets = FakeSecrets(**{name: key})
    with pytest.raises(FetchFailed, match=f"{name} holds a character that no header may carry") as caught:
        asking.ask()
    assert key.strip() not in str(caught.value)
    assert site.asked == []


def test_a_key_is_hidden_however_it_is_written_and_a_word_only_in_messages() -> None:
    key = Key("DESK", ('a+b/c "d"', "demo"), ())
    ways = 'a+b/c "d", a%2Bb%2Fc%20%22d%22, a%2bb%2fc+%22d%22, a%2Bb/c%20%22d%22, a+b/c \\"d\\"'
    assert key.hidden_in(f"{ways}, demo") == "…, …, …, …, …, …"
    assert key.hidden_in_news(f"{ways}, demo") == "…, …, …, …, …, demo"


def test_the_address_of_the_next_page_is_kept_without_the_key_and_asked_with_it(site: FakeSite) -> None:
    options = {"fields": {"id": "id", "title": "t"}, "items": "rows", "paging": {"by": "next", "next": "next"}}
    asking = Asking(site, "json", options | {"params": {"api key": {"secret": "MY_TOKEN"}, "q": "a/b"}})
    pages = [told({"rows": [{"id": n, "t": "x"}], "next": f"?cut=%2f&api+key={KEY}&page={n}#end"}) for n in range(12)]
    asking.put(*pages)
    assert asking.ask().more
    assert asking.cursor["place"] == "?cut=%2f&page=9#end"
    asking.ask()
    assert asking.asked[1] == f"/json?cut=%2F&page=0&api+key={KEY}"
    assert asking.asked[10] == f"/json?cut=%2F&page=9&api+key={KEY}"


# ---- keys of a JSON address, which are in its headers and parameters -------------------------------------------------
TWO_KEYS = DESK | {"params": {"q": "chips", "user": {"secret": "MY_USER"}, "again": {"secret": "MY_TOKEN"}}}


def desk(site: FakeSite, **fields: str) -> Polling:
    url = site.address + "/desk"
    return Polling(Source(name="desk", kind="json", url=url, every_s=86_400, options=TWO_KEYS, **fields))


def test_all_secrets_of_a_source_are_named_once(site: FakeSite) -> None:
    assert secrets_of(desk(site).sources[0]) == ("MY_TOKEN", "MY_USER")
    assert secrets_of(desk(site, secret="MY_KEY").sources[0]) == ("MY_KEY", "MY_TOKEN", "MY_USER")
    assert secrets_of(Source(name="f", kind="finnhub")) == ("FINNHUB_API_KEY",)
    assert secrets_of(Source(name="r", kind="rss", url="https://x.example")) == ()


def test_a_json_source_waits_for_each_of_its_keys_and_is_no_failure(site: FakeSite) -> None:
    polling = desk(site)
    site.put("/desk", told([{"id": 1, "t": "News"}]))
    for missing in ("MY_TOKEN", "MY_USER"):
        assert polling.service.poll() == Polled()
        state = polling.state("desk")
        assert (state["state"], state["error"], state["note"]) == ("no key", None, f"set {missing} to use it")
        polling.secrets.values[missing] = KEY
        polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().published == 1
    assert polling.state("desk")["state"] == "healthy"


@pytest.mark.parametrize("name", ["MY_TOKEN", "MY_USER"])
def test_a_json_source_whose_key_was_refused_is_asked_within_a_minute_of_another_one(site: FakeSite, name: str) -> None:
    polling = desk(site)
    polling.secrets.values |= {"MY_TOKEN": "old-token", "MY_USER": "old-user"}
    site.put("/desk", told({"error": "who is this?"}, 401), told([{"id": 1, "t": "News"}]))
    assert polling.service.poll().failed == 1
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().polled == 0
    polling.secrets.values[name] = "another-one"
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().published == 1
    assert polling.state("desk")["refused_key"] is None


def test_the_mark_of_one_key_is_what_older_versions_wrote_and_of_several_tells_them_apart() -> None:
    assert key_mark("k") == "e92a"
    assert len({key_mark("ab", "c"), key_mark("a", "bc"), key_mark("abc"), key_mark("c", "ab")}) == 4
