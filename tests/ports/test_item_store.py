"""The ItemStore port: the primary table, its change stream, and the dashboard's read model."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.instants import parse_ms
from contracts.ports import ItemStore, Scanning
from contracts.resolution import DAY_MS

ITEM = {
    "source_id": "rss#1",
    "ingested_at": "2025-12-21T10:35:40.120Z",
    "sentiment": "negative",
    "score": 0.9312,
    "polarity": Decimal("-0.8917"),
    "matched_tags": {"ai", "regulation"},
    "status": "analyzed",
    "metadata": {"author": None, "title": "«Ünïcode» 🙂", "published_at": "2025-12-21T10:35:12.000Z"},
    "sources": [{"article_id": "rss#1"}],
    "flag": True,
    "count": 3,
}


@pytest.fixture
def store(installation) -> ItemStore:
    return installation.home.items


def stream(store: ItemStore, after: str = "") -> list:
    (shard,) = store.stream_shards()
    return store.stream_read(shard, after, 10_000)


# ---- primary ---------------------------------------------------------------------------------------------------
def test_an_item_comes_back_as_it_was_written(installation, store):
    store.put_primary(ITEM)
    found = installation.reopen().items.get_primary("rss#1")
    assert found is not None
    assert {name: float(value) if name == "polarity" else value for name, value in found.items()} == ITEM | {
        "polarity": -0.8917
    }
    assert installation.home.items.get_primary("rss#2") is None


def test_reads_of_many_leave_absent_ones_out(installation):
    store = installation.home.items
    store.put_primaries([ITEM | {"source_id": f"rss#{number}"} for number in range(3)])
    assert sorted(store.get_primaries(["rss#0", "rss#2", "rss#9"])) == ["rss#0", "rss#2"]
    assert store.count_primary() == 3


def test_a_subject_has_an_article_once_where_it_is_published_by_now(store):
    for published_at in ("2025-12-21T10:00:00.000Z", "2025-12-21T10:30:00.000Z", "2025-12-22T09:00:00.000Z"):
        item = ITEM | {"matched_tickers": ["AAPL"], "metadata": {"published_at": published_at}}
        store.put_primary(item)
        last_ms = parse_ms(published_at)
        found = store.by_subject("AAPL", last_ms - 2 * DAY_MS, last_ms + 1, 5)
        assert [each["metadata"] for each in found] == [item["metadata"]]
    assert store.by_subject("AAPL", last_ms - 2 * DAY_MS, last_ms, 5) == []


def test_the_same_item_again_is_not_a_change(store):
    store.put_primary(ITEM)
    same = dict(reversed(ITEM.items())) | {"polarity": -0.8917, "score": Decimal("0.9312"), "count": Decimal("3.00")}
    store.put_primary(same)
    assert len(stream(store)) == 1


def test_the_stream_tells_old_and_new_images_in_order(store):
    store.put_primary(ITEM)
    store.put_primaries([ITEM | {"status": "again"}, {"source_id": "rss#2"}])
    names = [(change.name, change.new, change.old) for change in stream(store)]
    first, second = store.get_primary("rss#1"), store.get_primary("rss#2")
    before = first | {"status": "analyzed"}
    assert names == [("INSERT", before, None), ("MODIFY", first, before), ("INSERT", second, None)]
    assert stream(store)[0].at_ms > 0


def test_the_stream_resumes_after_a_sequence_number(installation, store):
    store.put_primaries([{"source_id": f"rss#{number:03d}"} for number in range(250)])
    (shard,) = store.stream_shards()
    seen, after = [], ""
    while page := installation.reopen().items.stream_read(shard, after, 90):
        assert len(page) <= 90
        seen += [change.new["source_id"] for change in page]
        assert after == "" or int(page[0].sequence_number) > int(after)
        after = page[-1].sequence_number
    assert seen == [f"rss#{number:03d}" for number in range(250)]
    assert not store.stream_ended(shard, after)


def test_another_source_is_added_once(store):
    assert not store.add_source("rss#1", {"article_id": "finnhub#2"}), "added to nothing"
    store.put_primary(ITEM)
    assert store.add_source("rss#1", {"article_id": "finnhub#2", "source": "finnhub"})
    assert not store.add_source("rss#1", {"article_id": "finnhub#2", "source": "finnhub"})
    assert not store.add_source("rss#1", {"article_id": "rss#1"})
    found = store.get_primary("rss#1")
    assert [source["article_id"] for source in found["sources"]] == ["rss#1", "finnhub#2"]
    assert [change.name for change in stream(store)] == ["INSERT", "MODIFY"]


numbers = st.one_of(
    st.integers(-(10**15), 10**15),
    st.floats(-1e6, 1e6, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-100),
    st.decimals(-100, 100, places=4),
)
names = st.sets(st.text(min_size=1, max_size=4), min_size=1)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(max_size=8), numbers, names),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=4))
def test_any_item_survives_and_is_then_no_change(store, fields):
    item = fields | {"source_id": "any"}
    store.put_primary(item)
    changes = stream(store)
    found = store.get_primary("any")
    assert found == approximate(item)
    store.put_primary(found)
    assert stream(store) == changes


def approximate(value):
    """The value with Decimals as the floats they are nearest to: the port speaks of numbers, not of their types."""
    if isinstance(value, dict):
        return {name: approximate(part) for name, part in value.items()}
    if isinstance(value, list):
        return [approximate(part) for part in value]
    return float(value) if isinstance(value, Decimal) else value


# ---- dashboard -------------------------------------------------------------------------------------------------
def rows(number: int, day: str = "2025-12-21", sentiment: str = "neutral", tags: tuple[str, ...] = ("ai",)) -> list:
    """The read model's items of one article: the article, and a copy a tag."""
    ingested_at = f"{day}T10:{number:02d}:00.000Z"
    base = {
        "day_partition": day, "ingested_at": ingested_at, "source_id": f"rss#{number}", "sentiment": sentiment,
        "sentiment_score_combined": f"{sentiment}#0.{number:02d}", "matched_tags": set(tags),
        "item_key": f"{ingested_at}#rss#{number}",
    }  # fmt: skip
    return [base, *(base | {"tag": tag, "item_key": f"~{tag}#{base['item_key']}"} for tag in tags)]


def keys(items: list) -> list[str]:
    return [item["item_key"] for item in items]


def page_through(query, limit: int) -> list:
    """All pages of a dashboard query, each going on below the last key of the one before."""
    pieces: list = []
    before = None
    while page := query(before, limit):
        assert len(page) <= limit
        pieces += page
        before = page[-1]["item_key"]
    return pieces


def test_a_day_shows_each_article_once_newest_first(store):
    items = [row for number in range(10) for row in rows(number, tags=("ai", "chips"))]
    store.put_dashboard(items)
    store.put_dashboard(rows(3, day="2025-12-22"))
    day = page_through(lambda before, limit: store.dashboard_day("2025-12-21", before, limit), 3)
    assert [item["source_id"] for item in day] == [f"rss#{number}" for number in reversed(range(10))]
    assert not any("tag" in item for item in day)
    assert store.dashboard_day("2025-12-23", None, 10) == []


def test_a_tag_shows_its_copies_newest_first_over_days(store):
    for day in ("2025-12-20", "2025-12-21"):
        for number in range(4):
            store.put_dashboard(rows(number, day=day, tags=("ai",) if number % 2 else ("ai", "chips")))
    found = page_through(lambda before, limit: store.dashboard_tag("ai", before, limit), 3)
    times = [item["ingested_at"] for item in found]
    assert times == sorted(times, reverse=True)
    assert len(times) == 8
    assert len(store.dashboard_tag("chips", None, 100)) == 4
    assert store.dashboard_tag("a", None, 100) == []


def test_a_label_shows_each_article_once_surest_first(store):
    for number in range(7):
        store.put_dashboard(rows(number, sentiment="negative" if number != 2 else "positive"))
    store.put_dashboard(rows(3, day="2025-12-22", sentiment="negative"))
    found = page_through(lambda before, limit: store.dashboard_sentiment("negative", before, limit), 2)
    assert [(item["source_id"], item["day_partition"][-2:]) for item in found] == [
        ("rss#6", "21"), ("rss#5", "21"), ("rss#4", "21"), ("rss#3", "22"), ("rss#3", "21"), ("rss#1", "21"),
        ("rss#0", "21"),
    ]  # fmt: skip


def test_the_same_dashboard_items_again_change_nothing(installation, store):
    store.put_dashboard(rows(1))
    store.put_dashboard(rows(1))
    store.put_dashboard([])
    home = installation.reopen()
    assert home.items.dashboard_day("2025-12-21", None, 10) == [rows(1)[0]]
    assert keys(home.items.dashboard_tag("ai", None, 10)) == [rows(1)[1]["item_key"]]


def test_a_changed_label_moves_the_article(store):
    store.put_dashboard(rows(1, sentiment="neutral"))
    store.put_dashboard(rows(1, sentiment="positive"))
    assert store.dashboard_sentiment("neutral", None, 10) == []
    assert keys(store.dashboard_sentiment("positive", None, 10)) == keys(store.dashboard_day("2025-12-21", None, 10))


# ---- the read model is down --------------------------------------------------------------------------------------
def test_a_scan_of_the_primary_meets_every_article_once(store):
    items = [ITEM | {"source_id": f"rss#{number}", "matched_tickers": ["AAPL"]} for number in range(30)]
    store.put_primaries(items)
    assert isinstance(store, Scanning)
    ids = [item["source_id"] for item in items]
    found = list(store.scan_primary())
    assert len(found) == len(ids)
    assert {item["source_id"]: item for item in found} == store.get_primaries(ids)
