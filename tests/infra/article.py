"""An article through a deployed stage, run by the ordinary venv: `python -m tests.infra.article LAKE_BUCKET API_URL`.

Puts one article on raw-articles, drives the aggregator's windows (emulators have none) by reading the stream with boto3
and invoking the deployed function with window and state, and reads the candle from the deployed HTTP API.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from contracts.clock import Clock, SystemClock
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.identity import article_id
from contracts.instants import iso_ms
from contracts.ports import Entry
from contracts.settings import Settings
from local.driver import kinesis_driver
from local.mappings import Mapping
from stores.aws_home import AwsHome

FUNCTION = "dev-candlewick-aggregator"
PATIENCE_MS = 240_000
READ_TIMEOUT_S = 150  # a function may be asked for the first time: it reads the model


def article(number: int, now_ms: int) -> dict[str, Any]:
    """A `raw-article/1` with bad news about Apple, ingested now."""
    url = f"https://example.com/{now_ms}/{number}"
    title = f"Apple shares plunge after terrible earnings miss, lawsuit number {now_ms}{number}"
    return {
        "schema": "raw-article/1", "article_id": article_id("test", url, title, now_ms), "source": "test",
        "publisher": "Test", "url": url, "title": title, "snippet": "A dreadful quarter.", "author": None,
        "language": "en", "published_at": iso_ms(now_ms - 60_000), "ingested_at": iso_ms(now_ms), "tickers": ["AAPL"],
        "tags": [], "raw_key": None,
    }  # fmt: skip


def invoker(calls: list[dict[str, Any]]) -> Callable[[dict[str, Any], Any], Any]:
    """A handler that is the deployed function; keeps the events it was given."""
    config = Config(read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})
    client = boto3.client("lambda", config=config)

    def invoke(event: dict[str, Any], context: Any) -> Any:
        calls.append(event)
        answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise RuntimeError(body)
        return body

    return invoke


def wait_for(clock: Clock, look: Callable[[], Any]) -> Any:
    """What `look` finds; AssertionError when it finds nothing in time."""
    until_ms = clock.monotonic_ms() + PATIENCE_MS
    while not (found := look()):
        assert clock.monotonic_ms() < until_ms, "nothing came through in time"
        clock.wait(threading.Event(), 100)
    return found


def get_json(url: str, path: str) -> dict[str, Any] | None:
    """An answer of the HTTP API, None while there is none: it may be starting. Its host is a name that only the
    emulator knows, so it goes in the header."""
    host = url.removeprefix("http://").removeprefix("https://")
    request = urllib.request.Request(f"http://127.0.0.1:{host.rpartition(':')[2]}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 404 or error.code >= 500:
            return None
        raise
    except OSError:
        return None
    return found


def main() -> None:
    """Prints what came out as JSON."""
    bucket, api_url = sys.argv[1:3]
    clock = SystemClock()
    home = AwsHome(Settings(home="aws", lake_bucket=bucket), clock)
    sent = article(1, clock.now_ms())
    started_ms = clock.monotonic_ms()
    home.log.put_records(RAW_STREAM, [Entry(sent["article_id"], json.dumps(sent).encode())])
    item = wait_for(clock, lambda: home.items.get_primary(sent["article_id"]))
    calls: list[dict[str, Any]] = []
    mapping = Mapping(
        "aggregator", SCORED_STREAM, invoker(calls), batch_size=1_000, tumbling_window_s=60,
        max_retries=3, report_item_failures=True,
    )  # fmt: skip
    driver = kinesis_driver(mapping, home.log, home.control, home.lake, clock)

    def candle() -> Any:
        driver.run_until_idle()
        series = get_json(api_url, "/api/v2/timeseries/AAPL?resolution=1h")
        # An hour may have ended since the article was sent.
        return series and next(filter(None, [series["partial_bucket"], *series["buckets"]]), None)

    bucket_of = wait_for(clock, candle)
    driver.run_until_idle(final=True)
    took_ms = clock.monotonic_ms() - started_ms
    listed = wait_for(clock, lambda: (get_json(api_url, "/api/v2/items?ticker=AAPL") or {}).get("items"))
    lake = wait_for(clock, lambda: home.lake.keys("raw/source=test/"))
    json.dump(
        {
            "sent": sent["article_id"],
            "item": {"sentiment": item["sentiment"], "tickers": item["matched_tickers"]},
            "candle": {"count": bucket_of["count"], "close": bucket_of["close"]},
            "windows": [[bool(event.get("window")), event["isFinalInvokeForWindow"]] for event in calls],
            "listed": [each.get("source_id") or each.get("id") for each in listed],
            "lake": len(lake),
            "took_ms": round(took_ms),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
