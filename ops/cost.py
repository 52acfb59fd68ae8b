"""What the AWS home costs a month, as code: load in, lines of money out. Pure.

Sizes of bucket items are taken from the code that writes them, so a change of format changes the estimate.
"""

from itertools import pairwise
from math import ceil
from typing import Final, Literal, NamedTuple

from contracts.bucket import Bucket, Summary, pack_members
from contracts.events import LABELS
from contracts.metrics import METRICS
from contracts.resolution import FINEST, HOUR_MS, MINUTE_MS, RESOLUTIONS
from contracts.tally import DELAY_BINS, SCORE_BINS, Cell
from stores.dynamo_bucket_item import bucket_row
from stores.dynamo_tallies import counter_bytes

DAYS: Final = 30
HOURS: Final = 730
BUDGET_USD: Final = 60.0

#: USD, us-east-1, read from AWS' price list; check again before relying on them.
PRICES: Final[dict[str, float]] = {
    "kinesis shard month": 10.95,
    "kinesis shard month past 24 h": 14.60,
    "kinesis million payload units": 0.014,
    "dynamodb million write units": 0.625,
    "dynamodb million read units": 0.125,
    "dynamodb gb month": 0.25,
    "dynamodb recovery gb month": 0.20,
    "lambda million invocations": 0.20,
    "lambda arm gb second": 0.0000133334,
    "s3 gb month": 0.023,
    "s3 thousand puts": 0.005,
    "logs gb": 0.50,
    "metric month": 0.30,
    "alarm month": 0.10,
    "secret month": 0.40,
    "million traces": 5.00,
    "http api million requests": 1.00,
    "cloudfront gb": 0.085,
    "fargate arm month": 7.08,
    "balancer month": 16.43,
    "dax t3.small month": 29.20,
}
FREE_METRICS: Final = 10
FREE_ALARMS: Final = 10
FREE_CLOUDFRONT_GB: Final = 1_000
FREE_TRACES: Final = 100_000
TABLES_GB: Final = 1.5


class Load(NamedTuple):
    """What the installation has to do. `viewers`: watching at once, on average.
    `subjects_per_article`: events an article becomes."""

    articles_per_hour: float = 60
    subjects_per_article: float = 2.0
    tags_per_article: float = 0.5
    tickers: int = 13
    viewers: float = 2
    requests_per_viewer_hour: float = 60
    shards: int = 2
    retention_hours: int = 24
    replicas: int = 0
    dax: bool = False
    stream: Literal["lambda", "fargate", "poll"] = "lambda"
    custom_metrics: int = len(METRICS)
    alarms: int = 27


class Line(NamedTuple):
    """One position: what of, how much of it, and what it costs a month."""

    name: str
    usd: float
    quantity: float
    unit: str
    why: str


def documents_figure(tickers: int = 13) -> dict[str, float]:
    """The documents' own estimate: a write a ticker and minute, times eight resolutions, at the price they had."""
    before = tickers * 1_440
    return {
        "writes a day before fan-out": before,
        "writes a day after fan-out": before * len(RESOLUTIONS),
        "usd a month, documents (18,000 x 8 x 30 x 1.25/M)": round(18_000 * 8 * DAYS * 1.25 / 1e6, 2),
        "usd a month, exact count, today's price": round(
            before * len(RESOLUTIONS) * DAYS * PRICES["dynamodb million write units"] / 1e6, 2
        ),
    }


def write_units(children: int, members: int, name: str = FINEST.name) -> int:
    """Write units of one bucket write: its item's bytes over 1 KB, rounded up."""
    return ceil(item_bytes(children, members, name) / 1024)


def item_bytes(children: int, members: int, name: str) -> int:
    """Bytes of a typical bucket's item as DynamoDB counts them: names and values, numbers about one byte two digits."""
    at = 1_766_310_000_000
    ids = ("finnhub#9f86d081884c7d65@AAPL", "rss#0123456789abcdef@AAPL")
    summary = Summary(
        5, 1234, 9000, -9000, 100, at, ids[0], -250, at, ids[1], 2, 2, 1, ("finnhub", "rss"), ("minilm-news-1",)
    )
    kids = tuple((at + n * MINUTE_MS, summary) for n in range(children))
    bucket = Bucket("AAPL", name, at, summary, pack_members(range(members)), kids, 5, at, True)
    row, _ = bucket_row(bucket)
    return sum(len(field) + _bytes(value) for field, value in row.items())


def _bytes(value: dict[str, object]) -> int:
    ((kind, given),) = value.items()
    if kind == "M":
        assert isinstance(given, dict)
        return 3 + sum(len(name) + 1 + _bytes(part) for name, part in given.items())
    if kind == "N":
        return len(str(given)) // 2 + 2
    if kind == "SS":
        assert isinstance(given, list)
        return sum(len(part) for part in given)
    return len(given) if isinstance(given, (str, bytes)) else 1


def units_per_bucket_batch() -> int:
    """Write units of one batch on one subject: a bucket of every resolution, each with about half its children."""
    total = write_units(0, 5)
    for fine, coarse in pairwise(RESOLUTIONS):
        total += write_units(max(1, coarse.width_ms // fine.width_ms // 2), 0, coarse.name)
    return total


def units_per_counted_batch(load: Load) -> int:
    """Write units of what a batch adds to the counters: a minute's row and an hour's, in a transaction (double). The
    hour is as full as hours get: every ticker, label, score and delay there is."""
    names = {
        "ticker": [f"TICK{n}" for n in range(load.tickers)], "tag": [f"some-watched-tag-{n}" for n in range(5)],
        "source": ["finnhub", "rss", "tiingo", "newsapi"], "label": LABELS, "model": ["minilm-news-1"],
        "date": ["2025-12-21"], "score": SCORE_BINS, "arrival": DELAY_BINS, "scoring": DELAY_BINS,
    }  # fmt: skip
    hour = [Cell(dimension, name) for dimension, some in names.items() for name in some]
    minute = hour[:: max(1, len(hour) // 12)]  # an article counts for about twelve
    return sum(2 * ceil(counter_bytes(cells) / 1024) for cells in (minute, hour))


def estimate(load: Load) -> list[Line]:
    """The lines, dearest first."""
    articles = load.articles_per_hour * HOURS
    events = articles * load.subjects_per_article
    lines = [*_streams(load, articles, events), *_tables(load, articles, events), *_functions(load, articles, events)]
    lines += [*_watchers(load), *_rest(load, articles, events)]
    lines.append(_traces(lines))
    return sorted((line for line in lines if line.usd > 0), key=lambda line: (-line.usd, line.name))


def total_usd(lines: list[Line]) -> float:
    """Sum, to the cent."""
    return round(sum(line.usd for line in lines), 2)


def batches_of_subjects(load: Load, events: float) -> float:
    """(batch, subject) pairs a month: never more than events, nor than a batch a second and subject."""
    rate = events / (HOURS * 3600)
    per_second = load.tickers * (1 - (1 - 1 / load.tickers) ** rate) if rate < 1e4 else load.tickers
    return min(events, per_second * HOURS * 3600)


def _streams(load: Load, articles: float, events: float) -> list[Line]:
    units = (articles + events) / 1e6  # 25 KB each at most: ours are below
    return [
        Line("Kinesis shards", load.shards * PRICES["kinesis shard month"], load.shards, "shards", "always on"),
        Line(
            "Kinesis: retention past 24 h",
            load.shards * PRICES["kinesis shard month past 24 h"] if load.retention_hours > 24 else 0.0,
            load.shards, "shards", "the lake keeps all of it anyway",
        ),
        Line("Kinesis puts", units * PRICES["kinesis million payload units"], units, "million units", "one an event"),
    ]  # fmt: skip


def _tables(load: Load, articles: float, events: float) -> list[Line]:
    pairs = batches_of_subjects(load, events)
    write, read = PRICES["dynamodb million write units"], PRICES["dynamodb million read units"]
    copies = 1 + load.replicas
    buckets = pairs * units_per_bucket_batch()
    index = events / 5 * 3  # by_touch: about three writes in a bucket's life of some five batches
    changes = pairs * 6  # a 2 KB item and the head, in one transaction (double)
    articles_units = articles * (2 + load.subjects_per_article + 1)  # item, mentions, story claim
    # Article and copies, 2 KB, each with an index; the article in a transaction with its counters (double).
    model = articles * (4 + 2 + load.tags_per_article * 2 * 2)
    counters = min(articles, HOURS * 3600 / 2) * units_per_counted_batch(load)
    watermarks = load.shards * HOURS * 3600 / 10
    # Buckets and, of each article, what it was counted for; then the watchers' questions.
    reads = pairs * 8 * 0.5 + articles + load.viewers * HOURS * load.requests_per_viewer_hour * 20
    changes_read = HOURS * 3600 * 2 * 0.5 * (1 if load.stream != "poll" else 0.25)
    return [
        Line("DynamoDB: buckets", (buckets + index) * copies * write / 1e6, buckets + index, "write units", "8 each"),
        Line("DynamoDB: changes", changes * copies * write / 1e6, changes, "write units", "for watchers"),
        Line("DynamoDB: articles", articles_units * copies * write / 1e6, articles_units, "write units", "and claims"),
        Line("DynamoDB: read model", model * copies * write / 1e6, model, "write units", "days, tags, labels"),
        Line("DynamoDB: counters", counters * copies * write / 1e6, counters, "write units", "of the read model"),
        Line("DynamoDB: watermarks", watermarks * copies * write / 1e6, watermarks, "write units", "shards' progress"),
        Line("DynamoDB: reads", (reads + changes_read) * read / 1e6, reads + changes_read, "read units", "all"),
        Line("DynamoDB: storage", TABLES_GB * copies * PRICES["dynamodb gb month"], TABLES_GB, "GB", "TTL bounds it"),
        Line(
            "DynamoDB: recovery", TABLES_GB * PRICES["dynamodb recovery gb month"], TABLES_GB, "GB",
            "to any second of 35 days",
        ),
    ]  # fmt: skip


def _functions(load: Load, articles: float, events: float) -> list[Line]:
    seconds = HOURS * 3600
    rows = (
        # name, invocations a month, seconds each, GB
        ("classifier", min(articles, seconds / 2), 0.4, 2.0),
        ("aggregator", min(events, seconds / 2) + load.shards * seconds / 60, 0.15, 1.0),
        ("read-model", min(articles, seconds / 2), 0.05, 0.25),
        ("archiver", load.shards * seconds / 60, 0.2, 0.5),
        ("producers", seconds / 300, 20.0, 0.5),
        ("finalizer", seconds / 300, 1.0, 0.5),
        ("api", load.viewers * HOURS * load.requests_per_viewer_hour, 0.05, 0.5),
    )
    million, gb_second = PRICES["lambda million invocations"], PRICES["lambda arm gb second"]
    return [
        Line(f"Lambda: {name}", calls * million / 1e6 + calls * took_s * memory * gb_second, calls, "invocations",
             f"{took_s} s at {memory:g} GB")
        for name, calls, took_s, memory in rows
    ]  # fmt: skip


def _traces(lines: list[Line]) -> Line:
    """Every invocation leaves one: sampling begins above one a second."""
    count = sum(line.quantity for line in lines if line.unit == "invocations")
    usd = max(0.0, count - FREE_TRACES) / 1e6 * PRICES["million traces"]
    return Line("Traces", usd, count, "traces", "the first 100,000 are free")


def _watchers(load: Load) -> list[Line]:
    open_hours = load.viewers * HOURS
    gigabytes = open_hours * 3600 * 0.2e3 / 1e9 + open_hours * load.requests_per_viewer_hour * 20e3 / 1e9
    paid = max(0.0, gigabytes - FREE_CLOUDFRONT_GB)
    lines = [
        Line("CloudFront", paid * PRICES["cloudfront gb"], gigabytes, "GB", "the first 1,000 GB are free"),
        Line(
            "HTTP API", open_hours * load.requests_per_viewer_hour / 1e6 * PRICES["http api million requests"],
            open_hours * load.requests_per_viewer_hour, "requests", "REST",
        ),
    ]  # fmt: skip
    if load.stream == "lambda":
        held = open_hours * 3600 * 0.25 * PRICES["lambda arm gb second"]
        lines.append(Line("Event streams (Lambda)", held, load.viewers, "open streams", "each holds 256 MB"))
    elif load.stream == "fargate":
        tasks = max(1, ceil(load.viewers / 1_000))
        usd = tasks * PRICES["fargate arm month"] + PRICES["balancer month"]
        lines.append(Line("Event streams (Fargate)", usd, tasks, "tasks", "1,000 watchers each, and a balancer"))
    return lines


def _rest(load: Load, articles: float, events: float) -> list[Line]:
    logs_gb = 0.5 + (articles + events) * 200 / 1e9
    puts = load.shards * HOURS * 60 / 1e3
    lake_gb = (articles + events) * 0.25e3 / 1e9
    metrics = max(0, load.custom_metrics - FREE_METRICS)
    alarms = max(0, load.alarms - FREE_ALARMS)
    return [
        Line("Logs", logs_gb * PRICES["logs gb"], logs_gb, "GB", "one line a batch"),
        Line("Lake: puts", puts * PRICES["s3 thousand puts"], puts * 1e3, "objects", "one a minute and shard"),
        Line("Lake: storage", lake_gb * PRICES["s3 gb month"], lake_gb, "GB a month", "gzip JSON lines"),
        Line("Custom metrics", metrics * PRICES["metric month"], load.custom_metrics, "metrics", "10 are free"),
        Line("Alarms", alarms * PRICES["alarm month"], load.alarms, "alarms", "10 are free"),
        Line("Secret", PRICES["secret month"] * (1 + load.replicas), 1, "secret", "all keys in one"),
        Line("DAX", PRICES["dax t3.small month"] if load.dax else 0.0, 1, "node", "off by default"),
    ]


assert HOUR_MS == 60 * MINUTE_MS
