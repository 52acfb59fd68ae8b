"""The Lambda entry points on the embedded home: event JSON in, `batchItemFailures` out, settings from variables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.archiver.handler import lambda_handler as archive
from consumers.classifier.handler import lambda_handler as classify
from consumers.classifier.models import registry
from consumers.read_model.handler import lambda_handler as copy_to_read_model
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.ports import Entry, Position
from contracts.settings import Settings
from producers.handler import lambda_handler as produce
from stores.home import Home, forget_homes, open_home
from tests.fakes.kinesis import kinesis_event
from tests.unit.consumers.classifying import article


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CANDLEWICK_MODEL", "vader")
    yield open_home(Settings(data_dir=str(tmp_path / "data")))
    forget_homes()


def events(home: Home, stream: str) -> list[dict[str, Any]]:
    """One Lambda event a shard that has records."""
    found = []
    for shard in home.log.shards(stream):
        page = home.log.get_records(home.log.iterator(stream, shard.shard_id, Position("TRIM_HORIZON")))
        if page.records:
            found.append(kinesis_event(stream, page.records, shard.shard_id))
    return found


def test_an_article_goes_all_the_way(home: Home) -> None:
    data = article("Apple shares soar on a great quarter")
    home.log.put_records(RAW_STREAM, [Entry("a", data), Entry("a", b"not JSON")])
    for event in events(home, RAW_STREAM):
        assert classify(event, None) == {"batchItemFailures": []}
        assert archive(event, None) == {"batchItemFailures": []}
        assert archive(event, None) == {"batchItemFailures": []}
    (scored,) = events(home, SCORED_STREAM)
    assert archive(scored, None) == {"batchItemFailures": []}
    folders = sorted(key.split("/date=")[0] for key in home.lake.keys(""))
    assert folders == ["quarantined/stream=raw-articles", "raw/source=rss-test", "raw/source=unknown", "scored"]
    (shard,) = home.items.stream_shards()
    (change,) = home.items.stream_read(shard, "")
    assert change.new is not None
    image = {name: {"S": change.new[name]} for name in ("source_id", "ingested_at", "sentiment", "status")}
    image["score"] = {"N": str(change.new["score"])}
    record = {"eventName": "INSERT", "dynamodb": {"NewImage": image, "SequenceNumber": "1"}}
    assert copy_to_read_model({"Records": [record]}, None) == {"batchItemFailures": []}
    (shown,) = home.items.dashboard_day("2025-12-21", None, 10)
    assert shown["sentiment"] == "positive"


@pytest.mark.parametrize(("told", "cores", "threads"), [("", 2, 2), ("0", 64, 4), ("3", 2, 3), ("", None, 1)])
def test_texts_are_scored_on_all_cores_unless_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, told: str, cores: int | None, threads: int
) -> None:
    if told:
        monkeypatch.setenv("CANDLEWICK_MODEL_THREADS", told)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    asked: list[int] = []
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda name, threads: (asked.append(threads), load(name, threads))[1])
    home.log.put_records(RAW_STREAM, [Entry("a", article("Apple shares soar on a great quarter"))])
    for event in events(home, RAW_STREAM):
        assert classify(event, None) == {"batchItemFailures": []}
    assert asked == [threads]


def test_bad_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWICK_LANES", "1000")
    monkeypatch.setenv("CANDLEWICK_MODEL_THREADS", "no")
    with pytest.raises(Unusable, match=r"LANES.*MODEL_THREADS|MODEL_THREADS.*LANES"):
        classify({"Records": []}, None)


def test_the_producers_poll_what_the_settings_file_says(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.json").write_text("[]")
    monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(tmp_path / "sources.json"))
    assert produce({}, None) == {"polled": 0, "failed": 0, "fetched": 0, "published": 0, "rejected": 0}
    monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(tmp_path / "nowhere.json"))
    with pytest.raises(Unusable, match="nowhere"):
        produce({}, None)
