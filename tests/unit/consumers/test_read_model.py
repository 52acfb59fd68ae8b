"""The stream-processor contract, with its defects mended."""

import json
from typing import Any

import pytest

from consumers.read_model.service import process
from contracts.errors import Transient
from contracts.instants import parse_ms
from tests.fakes.stores import FakeItems

#: The sample event of the contract, verbatim.
SAMPLE = json.loads("""
{
  "Records": [
    {
      "eventID": "1",
      "eventName": "INSERT",
      "eventVersion": "1.1",
      "eventSource": "aws:dynamodb",
      "awsRegion": "us-east-1",
      "dynamodb": {
        "ApproximateCreationDateTime": 1700148000,
        "Keys": {
          "source_id": { "S": "newsapi#bbc-news-ai-regulation-2025-11-16" },
          "ingested_at": { "S": "2025-11-16T14:30:15.000Z" }
        },
        "NewImage": {
          "source_id": { "S": "newsapi#bbc-news-ai-regulation-2025-11-16" },
          "ingested_at": { "S": "2025-11-16T14:30:15.000Z" },
          "source_type": { "S": "newsapi" },
          "source_url": { "S": "https://www.bbc.com/news/technology-12345678" },
          "text_snippet": { "S": "European Union announces sweeping AI regulation..." },
          "sentiment": { "S": "neutral" },
          "score": { "N": "0.72" },
          "model_version": { "S": "v1.0.0" },
          "matched_tags": { "SS": ["AI", "regulation", "europe"] },
          "status": { "S": "analyzed" },
          "metadata": {
            "M": {
              "author": { "S": "Jane Smith" },
              "title": { "S": "EU Announces AI Regulation Framework" },
              "published_at": { "S": "2025-11-16T10:00:00Z" },
              "source_name": { "S": "BBC News" }
            }
          }
        },
        "OldImage": null,
        "SequenceNumber": "111",
        "SizeBytes": 500,
        "StreamViewType": "NEW_AND_OLD_IMAGES"
      },
      "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/sentiment-items-primary/stream/2025-11-16T00:00:00.000"
    }
  ]
}
""")  # noqa: E501


def changed(name: str = "INSERT", **attributes: Any) -> dict[str, Any]:
    """The sample's record with other attributes (None removes one)."""
    record: dict[str, Any] = json.loads(json.dumps(SAMPLE["Records"][0]))
    image = record["dynamodb"]["NewImage"] | attributes
    record["dynamodb"]["NewImage"] = {key: value for key, value in image.items() if value is not None}
    return record | {"eventName": name}


def test_the_contracts_sample_gives_one_item_and_one_a_tag() -> None:
    items = FakeItems()
    done = process(items, SAMPLE["Records"])
    assert (done.StreamProcessorSuccess, done.StreamProcessorErrors, done.StreamProcessorBatchSize) == (1, 0, 1)
    source_id = "newsapi#bbc-news-ai-regulation-2025-11-16"
    keys = [key for _, key in sorted(items.dashboard)]
    assert keys == [f"2025-11-16T14:30:15.000Z#{source_id}"] + [
        f"~{tag}#2025-11-16T14:30:15.000Z#{source_id}" for tag in ("AI", "europe", "regulation")
    ]
    (base,) = items.dashboard_day("2025-11-16", None, 10)
    assert base["sentiment_score_combined"] == "neutral#0.72"
    assert base["score"] == 0.72
    assert base["metadata"]["title"] == "EU Announces AI Regulation Framework"
    assert base["expires_at"] == parse_ms("2025-11-23T14:30:15Z") // 1000
    assert "tag" not in base
    assert len(items.dashboard_tag("AI", None, 10)) == 1


def test_two_articles_of_one_instant_do_not_overwrite_each_other() -> None:
    items = FakeItems()
    process(items, [changed(source_id={"S": "a#1"}), changed(source_id={"S": "b#1"})])
    assert len(items.dashboard_day("2025-11-16", None, 10)) == 2


def test_the_same_batch_again_changes_nothing() -> None:
    items = FakeItems()
    process(items, SAMPLE["Records"])
    before = dict(items.dashboard)
    process(items, SAMPLE["Records"])
    assert items.dashboard == before


def test_the_newest_image_of_a_batch_stands() -> None:
    items = FakeItems()
    process(items, [changed(sentiment={"S": "negative"}), changed("MODIFY", sentiment={"S": "positive"})])
    (base,) = items.dashboard_day("2025-11-16", None, 10)
    assert base["sentiment"] == "positive"


@pytest.mark.parametrize("record", [changed("REMOVE"), changed(status={"S": "pending"})])
def test_removals_and_pending_items_are_no_errors(record: dict[str, Any]) -> None:
    items = FakeItems()
    done = process(items, [record])
    assert (done.skipped, done.StreamProcessorErrors, len(items.dashboard)) == (1, 0, 0)


BAD = {
    "no image": {"eventName": "INSERT", "eventID": "9", "dynamodb": {}},
    "nothing": {"eventName": "INSERT"},
    "a list for a change": {"eventName": "INSERT", "dynamodb": [1]},
    "a list for an image": {"eventName": "INSERT", "dynamodb": {"NewImage": [1], "Keys": {"source_id": 7}}},
    "no source_id": changed(source_id=None),
    "empty sentiment": changed(sentiment={"S": ""}),
    "unknown sentiment": changed(sentiment={"S": "great"}),
    "no score": changed(score=None),
    "score as text": changed(score={"S": "0.7"}),
    "score NaN": changed(score={"N": "NaN"}),
    "score not a number": changed(score={"N": "much"}),
    "score above 1": changed(score={"N": "7"}),
    "bad time": changed(ingested_at={"S": "yesterday"}),
    "an untyped attribute": changed(source_url="https://x"),
    "an unknown type": changed(source_url={"Q": "x"}),
    "a broken map": changed(metadata={"M": [1]}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_record_is_skipped_and_counted(name: str, caplog: pytest.LogCaptureFixture) -> None:
    items = FakeItems()
    done = process(items, [BAD[name], changed()])
    assert (done.StreamProcessorErrors, done.StreamProcessorSuccess) == (1, 1)
    assert len(items.dashboard) == 4
    (line,) = caplog.records
    told = json.loads(line.getMessage())
    assert told["event_id"] == BAD[name].get("eventID")
    assert told["cause"]
    if BAD[name].get("dynamodb") and isinstance(BAD[name]["dynamodb"], dict) and BAD[name].get("eventID") == "1":
        assert told["source_id"] == "newsapi#bbc-news-ai-regulation-2025-11-16"


def test_a_store_that_fails_gives_the_batch_back() -> None:
    items = FakeItems()
    items.down = 1
    with pytest.raises(Transient):
        process(items, SAMPLE["Records"])
    assert process(items, SAMPLE["Records"]).items == 4
