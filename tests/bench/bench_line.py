"""`make bench`: the operator, the whole embedded line, and publish-to-screen; writes build/bench/line.json.

Every figure comes with proof that the work was done: the operator's result is compared with the exact answer,
the line's with `verify`, and every article published must arrive at the stream's client.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from contracts.clock import SystemClock
from contracts.events import RAW_STREAM, make_raw
from contracts.instants import iso_ms
from contracts.ports import Entry
from contracts.settings import Settings
from local.demo import DATA_FILE, read_day
from tests.bench.bench_engine import operator
from tests.bench.engine_job import job
from tests.bench.report import median, percentile, write
from tests.bench.sse_client import SseClient
from tests.e2e.harness import ROOT, Up, answer, candlewick

#: Where `bench-engine` looks for the peers' generator; without it the job is made here, of the same shape.
PEERS = ROOT.parent / "shared" / "peers"
OPERATOR_EVENTS = 1_000_000
OPERATOR_SUBJECTS = 13
ROUNDS = 5
LINE_ARTICLES = 3_000
RATE_PER_S = 50
STREAM_SECONDS = 20


def operator_rate() -> tuple[float, str]:
    """Events per CPU second of one core, JSON in → buckets out, and the result's digest: the engine benchmark's own job
    and program, each run a process of its own, each result compared with the exact answer."""
    path = job(PEERS if (PEERS / "gen.py").exists() else None, OPERATOR_EVENTS, OPERATOR_SUBJECTS)
    runs = [operator(path) for _ in range(ROUNDS)]
    assert all(run["equal_to_oracle"] for run in runs), "the operator's result is not the exact answer"
    return median([run["events_per_s"] for run in runs]), runs[-1]["digest"]


def articles(count: int, prefix: str, published_ms: int, spacing_ms: float) -> list[Any]:
    """Real headlines with identities of their own."""
    day = read_day(DATA_FILE)
    made = []
    for number in range(count):
        row = day[number % len(day)]
        at = iso_ms(published_ms + round(number * spacing_ms))
        made.append(
            make_raw(
                "bench",
                {
                    "article_id": f"bench#{prefix}{number:08d}",
                    "title": f"{row['h']} ({number})",
                    "snippet": row["s"],
                    "url": row["u"],
                    "tickers": row["t"] or ["AAPL"],
                    "published_at": at,
                    "ingested_at": at,
                },
            )
        )
    return made


def line_rate(folder: Path) -> tuple[float, str]:
    """Articles per second of wall time through `publish` and `drain`, and the digest of all buckets."""
    file = folder / "articles.jsonl"
    now_ms = SystemClock().now_ms()
    file.write_bytes(b"".join(a.encode() + b"\n" for a in articles(LINE_ARTICLES, "line", now_ms - 3_600_000, 1_000)))
    data = str(folder / "line")
    started = time.monotonic()
    assert answer("publish", str(file), "--as", "raw", "--data-dir", data)["published"] == LINE_ARTICLES
    assert answer("drain", "--data-dir", data)["counted"] >= LINE_ARTICLES
    seconds = time.monotonic() - started
    checked = candlewick("verify", "--json", "--data-dir", data)
    assert checked.returncode == 0, checked.stderr.decode()
    return LINE_ARTICLES / seconds, json.loads(checked.stdout)["digest"]


def publish_to_sse(folder: Path) -> tuple[dict[str, Any], float]:
    """(milliseconds from `put_records` returning to the event at a client, seconds from exec to ready)."""
    from stores.home import open_home

    data = folder / "sse"
    started = time.monotonic()
    with Up(data) as up:
        start_s = time.monotonic() - started
        received: dict[str, float] = {}

        def on_event(name: str, document: dict[str, Any], at_s: float) -> None:
            if name in ("new_item", "sentiment_update"):
                received.setdefault(document["article_id"], at_s)

        client = SseClient(up.url, "/api/v2/stream", on_event)
        client.start()
        assert client.ready.wait(15), "the stream did not say hello"
        home = open_home(Settings(data_dir=str(data)))
        count = RATE_PER_S * STREAM_SECONDS
        sent: dict[str, float] = {}
        batch = articles(count, "sse", SystemClock().now_ms(), 0)
        begin_s = time.monotonic()
        for number, article in enumerate(batch):
            time.sleep(max(0.0, begin_s + number / RATE_PER_S - time.monotonic()))
            now = iso_ms(SystemClock().now_ms())
            stamped = article.model_copy(update={"published_at": now, "ingested_at": now})
            sent[article.article_id] = time.monotonic()
            home.log.put_records(RAW_STREAM, [Entry(article.article_id, stamped.encode())])
        end_s = time.monotonic() + 10
        while len(received) < count and time.monotonic() < end_s:
            time.sleep(0.05)
        home.close()
    delays_ms = [1000 * (received[name] - sent[name]) for name in sent if name in received]
    return {
        "p50": round(percentile(delays_ms, 50), 1),
        "p95": round(percentile(delays_ms, 95), 1),
        "n": len(delays_ms),
        "missing": count - len(delays_ms),
    }, start_s


def main() -> None:
    rate, digest = operator_rate()
    with tempfile.TemporaryDirectory() as folder:
        articles_per_s, line_digest = line_rate(Path(folder))
        delays, start_s = publish_to_sse(Path(folder))
    assert delays["missing"] == 0, f"{delays['missing']} articles never arrived"
    write(
        "line",
        {
            "operator_events_per_s": round(rate),
            "operator_result_digest": digest,
            "line_articles_per_s": round(articles_per_s, 1),
            "line_result_sha256": line_digest,
            "publish_to_sse_ms": delays,
            "start_s": round(start_s, 2),
        },
    )


if __name__ == "__main__":
    main()
