"""`candlewick failed`: what was given up on comes back, each kind by the way that is its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consumers.read_model.service import process
from local.driver_dynamo import typed_item
from ops.cli import app
from ops.failed_cmd import batches, show_articles
from stores.home import Home, forget_homes
from tests.events import BASE_MS, scored
from tests.unit.ops.given_up import article, change_of, document_of, event_of
from tests.unit.replay.kit import home_of, settings_of


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield home_of(tmp_path)
    forget_homes()


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])


def give_up(home: Home, name: str, event: dict[str, Any]) -> None:
    home.lake.put(f"failed/{name}/1-1.jsonl.gz", [json.dumps(document_of(event)).encode()])


def test_each_kind_names_the_way_of_the_other(home: Home, tmp_path: Path) -> None:
    home.items.put_primary(article(1))
    give_up(home, "aggregator", event_of([json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode()]))
    give_up(home, "read-model", {"Records": [change_of(1)]})
    fetched = run(tmp_path, "failed", "fetch", str(tmp_path / "out"))
    assert json.loads(fetched.stdout) == {"batches": 2, "raw-articles": 0, "scored-articles": 1, "not_of_a_stream": 1}
    assert "failed redrive" in fetched.stderr
    done = run(tmp_path, "failed", "redrive")
    counts = {"batches": 2, "articles": 1, "put": 1, "gone": 0, "bad": 0, "of_a_stream": 1}
    assert (done.exit_code, json.loads(done.stdout)) == (0, counts), done.output
    assert "failed fetch" in done.stderr
    assert "failed redrive" in run(tmp_path, "doctor").stdout
    assert [item["source_id"] for item in home.items.dashboard_day("2025-12-21", None, 9)] == ["rss#1"]


def test_more_articles_than_are_read_together(home: Home, tmp_path: Path) -> None:
    home.items.put_primaries(article(number) for number in range(250))
    give_up(home, "read-model", {"Records": [change_of(number) for number in range(250)]})
    assert json.loads(run(tmp_path, "failed", "redrive").stdout)["put"] == 250
    assert len(home.items.dashboard_day("2025-12-21", None, 300)) == 250


def test_what_changes_between_reading_and_putting_is_put_as_it_is_then(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the older one would stand: the change of the newer one was shown already."""
    home.items.put_primary(article(1))
    give_up(home, "read-model", {"Records": [change_of(1)]})
    read, other = home.items.get_primaries, {"article_id": "finnhub#9", "source": "finnhub"}

    def slow(ids: list[str]) -> dict[str, Any]:
        found = read(ids)
        monkeypatch.setattr(home.items, "get_primaries", read)
        home.items.add_source("rss#1", other)
        process(home.items, [{"dynamodb": {"NewImage": typed_item(read(ids)["rss#1"])}}])
        return found

    monkeypatch.setattr(home.items, "get_primaries", slow)
    assert show_articles(home, batches(home, settings_of(tmp_path), print))["put"] == 1
    (shown,) = home.items.dashboard_day("2025-12-21", None, 9)
    assert shown["sources"] == [other]


@pytest.mark.parametrize(
    "record",
    [
        {"eventName": "INSERT", "dynamodb": {}},
        "x",
        {"dynamodb": "x"},
        {"dynamodb": {"Keys": {"source_id": {"N": "1"}}}},
        {"dynamodb": {"Keys": {"source_id": {"S": 1}}}},
        {"dynamodb": {"Keys": "source_id"}},
    ],
)
def test_a_change_that_names_no_article_and_a_damaged_batch_are_told(home: Home, tmp_path: Path, record: Any) -> None:
    give_up(home, "read-model", {"Records": [record]})
    home.lake.put("failed/read-model/2-2.jsonl.gz", [b"no JSON"])
    done = run(tmp_path, "failed", "redrive")
    assert (done.exit_code, json.loads(done.stdout)["bad"]) == (3, 1), done.output
    assert "failed/read-model/2-2" in done.stderr
