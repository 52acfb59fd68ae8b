"""What operators ask of an installation on AWS by the command line: what was set aside, and what was given up on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from contracts.aside import Aside, put_asides
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import SCORED_STREAM
from contracts.instants import iso_ms
from contracts.ports import Entry, Tallying
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings, to_env
from local.driver import kinesis_driver
from local.driver_dynamo import typed_item
from local.mappings import Mapping
from ops.cli import app
from stores.aws_client import Service
from stores.aws_home import AwsHome
from stores.failed_batches import in_bucket
from stores.home import SHARD_COUNTS, Home, forget_homes, open_home
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS, scored
from tests.unit.ops.given_up import article, change_of, document_of, event_of

runner = CliRunner()
EVENTS = [scored(number, "AAPL", BASE_MS + number, 0.5) for number in range(3)]
BUCKET = "dev-candlewick-failed-123456789012-us-east-1"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Home]:
    clock = ManualClock(BASE_MS)
    settings = AggregatorSettings(home="aws", lake_bucket="lake", data_dir=str(tmp_path / "none"))
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        for name, value in to_env(settings).items():
            monkeypatch.setenv(name, value)
        yield open_home(settings, clock)
        forget_homes()


def run(*arguments: str) -> Any:
    ended = runner.invoke(app, list(arguments))
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_batches_that_lambda_gave_up_on_are_listed_and_can_be_published_again(home: Home, tmp_path: Path) -> None:
    assert run("failed", "list", "--json") == [], "there is no bucket yet"
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    event = event_of([json.dumps(each).encode() for each in EVENTS])
    for name in ("one", "the-same-again"):
        body = json.dumps(document_of(event)).encode()
        s3.put_object(Bucket=BUCKET, Key=f"aws/lambda/uuid/shardId-000000000000/2025/12/21/{name}", Body=body)
    first, second = run("failed", "list", "--json")
    assert first["place"].endswith("/one")
    assert second["place"].endswith("/the-same-again")
    assert (first["function"], first["stream"]) == ("dev-candlewick-aggregator", "dev-scored-articles")
    assert (first["records"], first["why"]) == (3, "RetryAttemptsExhausted")
    (fetched,) = run("failed", "fetch", str(tmp_path / "out"))
    assert fetched == {"batches": 2, "raw-articles": 0, "scored-articles": 3, "not_of_a_stream": 0}
    file = tmp_path / "out" / "scored-articles.jsonl"
    assert [json.loads(line) for line in file.read_text().splitlines()] == EVENTS
    (published,) = run("publish", str(file), "--as", "scored")
    assert published == {"read": 3, "published": 3, "rejected": 0}


def test_batches_of_our_own_driver_are_listed_alike(home: Home, tmp_path: Path) -> None:
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", json.dumps(each).encode()) for each in EVENTS])

    def away(event: dict[str, Any], context: Any) -> None:
        raise Transient("store", "away")

    mapping = Mapping("aggregator", SCORED_STREAM, away, batch_size=10, max_retries=1)
    kinesis_driver(mapping, home.log, home.control, home.lake, home.clock).run_until_idle(final=True)
    (row,) = run("failed", "list", "--json")
    assert (row["stream"], row["records"]) == (SCORED_STREAM, 3)
    assert "away" in row["why"]
    (fetched,) = run("failed", "fetch", str(tmp_path / "out"))
    assert fetched == {"batches": 1, "raw-articles": 0, "scored-articles": 3, "not_of_a_stream": 0}


def test_articles_the_read_model_gave_up_on_are_put_into_it_as_they_are_by_now(home: Home) -> None:
    home.items.put_primaries([article(1) | {"sentiment": "positive"}, article(2), article(3) | {"score": 7}])
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/dev-sentiment-items-primary/stream/2025"
    old = {"NewImage": typed_item(article(1))}
    changes = [change_of(1, **old), change_of(2), change_of(2, "MODIFY"), change_of(3), change_of(4, "REMOVE")]
    document = document_of({"Records": changes})
    document["DDBStreamBatchInfo"] = document.pop("KinesisBatchInfo") | {"streamArn": arn}
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="aws/lambda/uuid/s/2025/12/21/one", Body=json.dumps(document).encode())
    (row,) = run("failed", "list", "--json")
    assert (row["stream"], row["records"]) == ("dev-sentiment-items-primary", 5)
    for _ in range(2):
        done = runner.invoke(app, ["failed", "redrive"])
        counts = {"batches": 1, "articles": 4, "put": 2, "gone": 1, "bad": 1, "of_a_stream": 0}
        assert (done.exit_code, json.loads(done.stdout)) == (3, counts), done.output
        shown = home.items.dashboard_day(iso_ms(BASE_MS)[:10], None, 10)
        assert {item["source_id"]: item["sentiment"] for item in shown} == {"rss#1": "positive", "rss#2": "neutral"}
        assert isinstance(home.items, Tallying)
        tally = home.items.tally(0)
        assert tally is not None
        assert tally.counts["label"] == {"positive": 1, "neutral": 1}


def test_articles_are_exported_in_columns_and_without_those_past_their_time(home: Home, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    old = article(2) | {"ingested_at": iso_ms(BASE_MS - 40 * DAY_MS)}
    home.items.put_primaries([article(1), old])
    out = tmp_path / "items.parquet"
    done = runner.invoke(app, ["export", "items", "--format", "parquet", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert parquet.read_table(out).to_pydict()["source_id"] == ["rss#1"]
    (row,) = run("export", "items")
    assert row == article(1)


def test_what_was_set_aside_and_the_sources_are_shown_without_a_folder(home: Home) -> None:
    bad = Aside("quarantined", "unparseable", "no JSON", SCORED_STREAM, "shardId-0", "7", 0, BASE_MS, "sha256:1", b"a")
    put_asides(home.lake, [bad])
    (shown,) = run("quarantine", "list", "--json")
    assert shown["sequence_number"] == "7"
    assert run("late", "list", "--json") == []
    assert len(run("sources", "list", "--json")) >= 1


def test_an_object_of_lambda_that_breaks_off_is_transient() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")

    class Body:
        def read(self) -> bytes:
            raise exceptions.ResponseStreamingError(error="connection broken")

    class Client:
        def list_objects_v2(self, **given: Any) -> dict[str, Any]:
            return {"Contents": [{"Key": "aws/lambda/a"}]}

        def get_object(self, **given: Any) -> dict[str, Any]:
            return {"Body": Body()}

    with pytest.raises(Transient, match="aws/lambda/a"):
        list(in_bucket(Service("s3", Client, ManualClock()), BUCKET, print))
