"""Keys: what cannot be sent is told by its name, and what a source repeats of them is nowhere."""

import pytest

from producers.fetch import FetchFailed
from producers.pace import Key
from producers.sources.registry import KINDS
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import FakeSite
from tests.unit.producers.asking import KEY, Asking, told

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
