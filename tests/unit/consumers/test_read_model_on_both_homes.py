"""The stream-processor contract through the Lambda entry point, on the stores that are used."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from consumers.read_model.handler import lambda_handler
from contracts import telemetry
from contracts.errors import Transient
from contracts.instants import parse_ms
from contracts.settings import to_env
from stores.home import forget_homes
from tests.ports.conftest import HOMES, Installation
from tests.unit.consumers.test_read_model import SAMPLE, changed

SOURCE_ID = "newsapi#bbc-news-ai-regulation-2025-11-16"
AT = "2025-11-16T14:30:15.000Z"


@pytest.fixture(params=["embedded", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with HOMES[request.param](tmp_path) as opened:
        opened.clock.instant_ms = parse_ms(AT) + 1_000
        for name, value in to_env(opened.settings).items():
            monkeypatch.setenv(name, value)
        yield opened
        forget_homes()


def counted(event: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """The answer, and what was added to the three metrics."""
    names = ("StreamProcessorSuccess", "StreamProcessorErrors", "StreamProcessorBatchSize")
    before = telemetry.totals()
    answer = lambda_handler(event, None)
    after = telemetry.totals()
    return answer, [after.get(name, 0) - before.get(name, 0) for name in names]


def test_the_contracts_event_and_again(home: Installation) -> None:
    items = home.home.items
    for _ in range(2):
        assert counted(json.loads(json.dumps(SAMPLE))) == ({"batchItemFailures": []}, [1, 0, 1])
        (base,) = items.dashboard_day("2025-11-16", None, 10)
        wanted = {
            "day_partition": "2025-11-16", "ingested_at": AT, "source_id": SOURCE_ID, "source_type": "newsapi",
            "sentiment": "neutral", "sentiment_score_combined": "neutral#0.72", "item_key": f"{AT}#{SOURCE_ID}",
            "text_snippet": "European Union announces sweeping AI regulation...", "model_version": "v1.0.0",
            "source_url": "https://www.bbc.com/news/technology-12345678",
        }  # fmt: skip
        assert {name: base[name] for name in wanted} == wanted
        assert Decimal(str(base["score"])) == Decimal("0.72")
        assert sorted(base["matched_tags"]) == ["AI", "europe", "regulation"]
        assert int(base["expires_at"]) == parse_ms(AT) // 1000 + 7 * 86_400
        assert base["metadata"]["author"] == "Jane Smith"
        copies = [copy for tag in ("AI", "europe", "regulation") for copy in items.dashboard_tag(tag, None, 10)]
        assert [copy["item_key"] for copy in copies] == [
            f"~{tag}#{AT}#{SOURCE_ID}" for tag in ("AI", "europe", "regulation")
        ]
        assert [each["source_id"] for each in items.dashboard_sentiment("neutral", None, 10)] == [SOURCE_ID]


def test_good_bad_pending_and_removed_in_one_batch(home: Installation) -> None:
    batch = [
        changed(source_id={"S": "a#1"}),
        changed(score={"N": "NaN"}),
        changed("MODIFY", source_id={"S": "b#1"}, status={"S": "pending"}),
        changed("REMOVE", source_id={"S": "c#1"}),
        changed(source_id={"S": "d#1"}),
    ]
    assert counted({"Records": batch}) == ({"batchItemFailures": []}, [2, 1, 5])
    assert [each["source_id"] for each in home.home.items.dashboard_day("2025-11-16", None, 10)] == ["d#1", "a#1"]
    assert lambda_handler({"Records": []}, None) == {"batchItemFailures": []}


def test_a_table_that_does_not_take_it_gives_the_batch_back_from_its_first_record(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise Transient("items-dashboard", "throttled")

    with monkeypatch.context() as broken:
        broken.setattr(type(home.home.items), "put_dashboard", down)
        answer, counts = counted(SAMPLE)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "111"}]}
        assert counts == [0, 0, 0], "nothing is counted twice: the batch comes again"
        assert lambda_handler(
            {"Records": [changed() | {"dynamodb": changed()["dynamodb"] | {"SequenceNumber": "7"}}]}, None
        )
    assert counted(SAMPLE)[0] == {"batchItemFailures": []}
    assert len(home.home.items.dashboard_day("2025-11-16", None, 10)) == 1
