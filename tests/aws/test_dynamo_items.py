"""How many articles there are on DynamoDB: what the service counted by itself, so that nobody pays for asking."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.options import ApiOptions
from contracts.errors import Transient
from contracts.instants import parse_ms
from stores.dynamo_schema import ITEMS_PRIMARY, TABLES, physical_name
from stores.dynamo_tables import create_table
from stores.home import open_home
from tests.aws.conftest import World


def fill(world: World, count: int) -> None:
    world.aws.items.put_primaries([{"source_id": f"rss#{number}", "snippet": "x" * 5_000} for number in range(count)])


def not_counted_yet(service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB counts a table's items every six hours or so."""
    if operation == "DescribeTable":
        answer["Table"]["ItemCount"] = 0
    return answer


def test_the_status_of_the_line_scans_no_table(world: World) -> None:
    fill(world, 300)
    options = ApiOptions(home="aws", lake_bucket="lake")
    with TestClient(create_app(open_home(options, world.clock), options, live=False)) as client:
        for _ in range(2):
            assert client.get("/api/v2/status").json()["counts"]["articles"] == 300
    assert "Scan" not in world.faults.calls


def test_a_table_too_young_to_have_been_counted_is_counted_for_one_page(world: World) -> None:
    world.faults.after.append(not_counted_yet)
    assert world.aws.items.count_primary() == 0
    fill(world, 40)
    assert world.aws.items.count_primary() == 40
    fill(world, 400)
    world.faults.calls.clear()
    assert 100 < world.aws.items.count_primary() < 400, "what a page of a megabyte holds"
    assert world.faults.calls["Scan"] == 1


def test_a_table_made_by_somebody_who_died_over_it_forgets_in_time_all_the_same(world: World) -> None:
    service = world.aws.control._table.service
    name, table = physical_name("dev", "left-behind"), TABLES[ITEMS_PRIMARY]

    def time_to_live() -> dict[str, Any]:
        found: dict[str, Any] = service.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        return found

    create_table(service, name, table)
    assert time_to_live() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    off = {"Enabled": False, "AttributeName": "ttl"}
    service.client.update_time_to_live(TableName=name, TimeToLiveSpecification=off)
    create_table(service, name, table)
    assert time_to_live()["TimeToLiveStatus"] == "ENABLED"
    world.faults.calls.clear()
    create_table(service, name, table)
    assert "UpdateTimeToLive" not in world.faults.calls, "it is refused while it is on"


def test_an_article_is_there_only_with_its_mentions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry takes one that is there for known, and would never list it behind its candle."""
    items = world.aws.items
    news = {
        "source_id": "rss#1",
        "matched_tickers": ["AAPL"],
        "metadata": {"published_at": "2025-12-21T12:00:00.000Z"},
    }

    def down(rows: Any) -> None:
        raise Transient("dynamodb", "down")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(items._dashboard, "write_many", down)
        with pytest.raises(Transient):
            items.put_primary(news)
    assert items.get_primary("rss#1") is None
    items.put_primary(news)
    at_ms = parse_ms("2025-12-21T12:00:00.000Z")
    assert [item["source_id"] for item in items.by_subject("AAPL", at_ms, at_ms + 1, 5)] == ["rss#1"]


def test_of_two_sources_that_are_added_at_once_none_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items = world.aws.items
    first, second, third = ({"article_id": f"{name}#1", "source": name} for name in ("rss", "finnhub", "tiingo"))
    items.put_primary({"source_id": "rss#1", "sources": [first]})
    read = items._primary.get

    def a_moment_before(key: Any) -> Any:
        found = read(key)
        monkeypatch.setattr(items._primary, "get", read)
        assert items.add_source("rss#1", second), "the rival, between our look and our write"
        return found

    monkeypatch.setattr(items._primary, "get", a_moment_before)
    assert items.add_source("rss#1", third)
    stored = items.get_primary("rss#1")
    assert stored is not None
    assert stored["sources"] == [first, second, third]
