"""The mock server of `web/dev` answers as the API does: what is seen with it is worth what the two have in common."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from api.answers import Articles, Changes, Series, SeriesList, Status, Subjects
from api.stream_answers import EVENTS
from tests.e2e.web_browser import Mock, mock_server, need_web

STREAM = "/api/v2/stream?tickers=AAPL&resolutions=1m,24h"
DAY_MS = 86_400_000
NEWS = {"new_item", "bucket_update", "partial_bucket"}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    need_web()
    with mock_server("--rate", "0.01") as server:
        yield server


def same_shape(model: type[BaseModel], said: Any) -> None:
    """Every member the API names is there, and no other."""
    assert model.model_validate(said).model_dump(mode="json") == said


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (Subjects, "/subjects"),
        (Status, "/status"),
        (Series, "/timeseries/AAPL?resolution=1h"),
        (SeriesList, "/timeseries?tickers=AAPL,MSFT&resolution=10m"),
        (Changes, "/changes?tickers=AAPL&resolutions=1m"),
    ],
)
def test_answers(mock: Mock, model: type[BaseModel], path: str) -> None:
    same_shape(model, mock.get(path))


def test_articles(mock: Mock) -> None:
    start = mock.get("/timeseries/AAPL?resolution=24h")["buckets"][-1]["start"]
    same_shape(Articles, mock.get(f"/timeseries/AAPL/24h/{start}/articles"))


def test_events(mock: Mock) -> None:
    """Of a stream that begins, and of late news, which comes to a window that has ended."""
    wanted = NEWS | {"hello", "snapshot", "heartbeat"}
    told: dict[str, Any] = {}
    with urllib.request.urlopen(mock.url + STREAM, timeout=10) as stream:
        for age_ms in (0, DAY_MS):
            mock.control("article", subject="AAPL", at=int(time.time() * 1000) - age_ms)
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            if name == "data":
                told.setdefault(event, json.loads(value))
            if told.keys() >= wanted:
                break
    assert told.keys() == wanted
    for event, data in told.items():
        same_shape(EVENTS[event], data)
