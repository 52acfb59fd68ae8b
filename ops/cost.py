"""What the AWS home costs a month, as code: load in, lines of money out. Pure.

Sizes of bucket items are taken from the code that writes them, so a change of format changes the estimate.
"""

from itertools import count, pairwise
from math import ceil
from typing import Final, Literal, NamedTuple

from aggregation.finalizer import LOOK_BACK_MS
from api.fleet import REPORT_EVERY_S
from api.options import ApiOptions
from api.sse.poller import EPOCH_EVERY_S
from contracts.bucket import Bucket, BucketKey, Summary, flat, pack_members
from contracts.events import LABELS
from contracts.metrics import METRICS
from contracts.resolution import CHILD, FINEST, HOUR_MS, MINUTE_MS, RESOLUTIONS, WIDTH_MS
from contracts.tally import DELAY_BINS, SCORE_BINS, Cell
from producers.source_state import MIN_SEEN, remembered
from producers.sources.registry import Source, load_sources
from stores.dynamo_bucket_item import bucket_row
from stores.dynamo_tallies import counter_bytes

DAYS: Final = 30
HOURS: Final = 730
SECONDS: Final = HOURS * 3600
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
    "s3 thousand puts": 0.005,  # and lists
    "logs gb": 0.50,
    "metric month": 0.30,
    "alarm month": 0.10,
    "secret month": 0.40,
    "million traces": 5.00,
    "http api million requests": 1.00,
    "cloudfront gb": 0.085,
    "fargate arm month": 7.08,
    "balancer month": 16.43,
    "balancer unit hour": 0.008,  # a gigabyte an hour
    "public address month": 3.65,
    "dax t3.small month": 29.20,
}
FREE_METRICS: Final = 10
FREE_ALARMS: Final = 10
FREE_CLOUDFRONT_GB: Final = 1_000
FREE_TRACES: Final = 100_000
TRACED_PAST_ONE_A_SECOND: Final = 0.05
TABLES_GB: Final = 1.5
READ_UNIT_BYTES: Final = 4_096
#: Between two runs of the producers, and of the finaliser (infra/pipeline_stack.py).
RUN_EVERY_S: Final = 300
#: Between two questions of a page that has no stream (web/src/stream/stream_client.ts), and what one reads: the live
#: generation and the lanes; what is new to it comes on top, seldom.
POLL_EVERY_S: Final = 2
POLL_READ_UNITS: Final = 2
WATCHERS_A_TASK: Final = 1_000
#: What an open stream carries.
STREAM_BYTES_S: Final = 200
#: Of the balancer, one a zone (infra/network.py); a task has one too.
BALANCER_ADDRESSES: Final = 2
#: What Container Insights tells of a cluster, of a service and of a task's family.
INSIGHTS_METRICS: Final = 8 + 11 + 6
#: What a source's state holds beside what it has told.
STATE_BYTES: Final = 600


class Load(NamedTuple):
    """What the installation has to do. `viewers`: watching at once, on average.
    `subjects_per_article`: events an article becomes. `requests_per_viewer_hour`: beside polls; a page asks for
    `/subjects` every minute, and other questions read less."""

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
    alarms: int = 28


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
    kids = flat((at + n * MINUTE_MS, summary) for n in range(children))
    bucket = Bucket(BucketKey("AAPL", name, at), summary, pack_members(range(members)), kids, 5, at, True)
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


def subjects_read_units(tickers: int) -> int:
    """Read units of one answer of `/subjects`: the list, and of each the hours of a day."""
    children = HOUR_MS // WIDTH_MS[CHILD["1h"]]
    return 1 + tickers * ceil(24 * item_bytes(children, 0, "1h") / READ_UNIT_BYTES)


def finalizer_read_units(tickers: int, events: float) -> float:
    """Read units of one run at so many events a month: of what was touched or is not over, the bookkeeping, the bucket
    and every child it may have."""
    units = 0.0
    for resolution in RESOLUTIONS:
        fine = CHILD.get(resolution.name)
        children = resolution.width_ms // WIDTH_MS[fine] if fine else 0
        seen_s = max(LOOK_BACK_MS, resolution.width_ms) / 1000
        units += _kinds_hit(tickers, events * seen_s / SECONDS) * (2 + children)
    return units


def asked_sources() -> list[Source]:
    """The sources reckoned with: the shipped ones that need no key."""
    return [each for each in load_sources(None) if each.enabled and not each.secret]


def sources_write_units() -> float:
    """Write units a month of the sources' states: each poll writes one."""
    state = ceil((MIN_SEEN * (len(remembered("")) + 3) + STATE_BYTES) / 1024)
    return sum(state * SECONDS / max(each.every_s, RUN_EVERY_S) for each in asked_sources())


def lake_objects(load: Load, articles: float, events: float) -> float:
    """Objects the archiver puts a month, each after a list of what is there: one of a batch, which is a minute of a
    shard, and day; of raw articles one a source besides. Half of the shards are the raw articles'."""
    batches = load.shards / 2 * HOURS * 60
    return batches * _kinds_hit(len(asked_sources()), articles / batches) + min(batches, events)


def estimate(load: Load) -> list[Line]:
    """The lines, dearest first."""
    articles = load.articles_per_hour * HOURS
    events = articles * load.subjects_per_article
    lines = [*_streams(load, articles, events), *_tables(load, articles, events), *_functions(load, articles, events)]
    lines += [*_steady(load, events), *_open_streams(load), *_watchers(load), *_rest(load, articles, events)]
    lines.append(_traces(lines))
    return sorted((line for line in lines if line.usd > 0), key=lambda line: (-line.usd, line.name))


def total_usd(lines: list[Line]) -> float:
    """Sum, to the cent."""
    return round(sum(line.usd for line in lines), 2)


def batches_of_subjects(load: Load, events: float) -> float:
    """(batch, subject) pairs a month: never more than events, nor than a batch a second and subject."""
    return min(events, _kinds_hit(load.tickers, events / SECONDS) * SECONDS)


def _kinds_hit(kinds: int, events: float) -> float:
    """How many of so many subjects, or sources, some events are of."""
    return kinds * (1 - (1 - 1 / kinds) ** events) if kinds else 0.0


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
    counters = min(articles, SECONDS / 2) * units_per_counted_batch(load)
    watermarks = load.shards * SECONDS / 10
    reads = pairs * 8 * 0.5 + articles  # buckets and, of each article, what it was counted for
    return [
        Line("DynamoDB: buckets", (buckets + index) * copies * write / 1e6, buckets + index, "write units", "8 each"),
        Line("DynamoDB: changes", changes * copies * write / 1e6, changes, "write units", "for watchers"),
        Line("DynamoDB: articles", articles_units * copies * write / 1e6, articles_units, "write units", "and claims"),
        Line("DynamoDB: read model", model * copies * write / 1e6, model, "write units", "days, tags, labels"),
        Line("DynamoDB: counters", counters * copies * write / 1e6, counters, "write units", "of the read model"),
        Line("DynamoDB: watermarks", watermarks * copies * write / 1e6, watermarks, "write units", "shards' progress"),
        Line("DynamoDB: reads", reads * read / 1e6, reads, "read units", "buckets, articles"),
        Line("DynamoDB: storage", TABLES_GB * copies * PRICES["dynamodb gb month"], TABLES_GB, "GB", "TTL bounds it"),
        Line(
            "DynamoDB: recovery", TABLES_GB * copies * PRICES["dynamodb recovery gb month"], TABLES_GB, "GB",
            "to any second of 35 days",
        ),
    ]  # fmt: skip


def _steady(load: Load, events: float) -> list[Line]:
    """What the schedules ask and write, and the watchers' questions."""
    write, read = PRICES["dynamodb million write units"], PRICES["dynamodb million read units"]
    states = sources_write_units()
    checked = finalizer_read_units(load.tickers, events) * SECONDS / RUN_EVERY_S
    asked = load.viewers * HOURS * load.requests_per_viewer_hour * subjects_read_units(load.tickers)
    asked += _polls(load) * POLL_READ_UNITS
    copies = 1 + load.replicas
    return [
        Line("DynamoDB: sources", states * copies * write / 1e6, states, "write units", "where each left off"),
        Line("DynamoDB: finalizer", checked * read / 1e6, checked, "read units", "what was touched, and its children"),
        Line("DynamoDB: questions", asked * read / 1e6, asked, "read units", "REST, as if all were /subjects"),
    ]


def _polls(load: Load) -> float:
    return load.viewers * SECONDS / POLL_EVERY_S if load.stream == "poll" else 0.0


def _functions(load: Load, articles: float, events: float) -> list[Line]:
    seconds = SECONDS
    requests = load.viewers * HOURS * load.requests_per_viewer_hour + _polls(load)
    rows = (
        # name, invocations a month, seconds each, GB
        ("classifier", min(articles, seconds / 2), 0.4, 2.0),
        ("aggregator", min(events, seconds / 2) + load.shards * seconds / 60, 0.15, 1.0),
        ("read-model", min(articles, seconds / 2), 0.05, 0.25),
        ("archiver", load.shards * seconds / 60, 0.2, 0.5),
        ("producers", seconds / RUN_EVERY_S, 20.0, 0.5),
        ("finalizer", seconds / RUN_EVERY_S, 1.0, 0.5),
        ("api", requests, 0.05, 0.5),
    )
    million, gb_second = PRICES["lambda million invocations"], PRICES["lambda arm gb second"]
    return [
        Line(f"Lambda: {name}", calls * million / 1e6 + calls * took_s * memory * gb_second, calls, "invocations",
             f"{took_s} s at {memory:g} GB")
        for name, calls, took_s, memory in rows
    ]  # fmt: skip


def _traces(lines: list[Line]) -> Line:
    """Every invocation leaves one: sampling begins above one a second and function."""
    calls = [line.quantity for line in lines if line.unit == "invocations"]
    traces = sum(min(each, SECONDS) + max(0.0, each - SECONDS) * TRACED_PAST_ONE_A_SECOND for each in calls)
    usd = max(0.0, traces - FREE_TRACES) / 1e6 * PRICES["million traces"]
    return Line("Traces", usd, traces, "traces", "the first 100,000 are free")


def stream_usd(stream: Literal["lambda", "fargate"], viewers: int) -> float:
    """What so many streams cost that are always open."""
    return sum(line.usd for line in _open_streams(Load(viewers=viewers, stream=stream)))


def cheaper_on_fargate() -> int:
    """From how many streams on that are always open."""
    return next(n for n in count(1) if stream_usd("fargate", n) < stream_usd("lambda", n))


def _open_streams(load: Load) -> list[Line]:
    """Each process looks at the lanes and at the live generation, and says that it is there."""
    if load.stream == "lambda":
        processes = load.viewers
        usd = processes * SECONDS * 0.25 * PRICES["lambda arm gb second"]
        line = Line("Event streams (Lambda)", usd, processes, "open streams", "each holds 256 MB")
    elif load.stream == "fargate":
        processes = max(1, ceil(load.viewers / WATCHERS_A_TASK))
        usd = processes * PRICES["fargate arm month"] + PRICES["balancer month"]
        usd += (processes + BALANCER_ADDRESSES) * PRICES["public address month"]
        usd += INSIGHTS_METRICS * PRICES["metric month"]
        usd += load.viewers * STREAM_BYTES_S * SECONDS / 1e9 * PRICES["balancer unit hour"]
        line = Line("Event streams (Fargate)", usd, processes, "tasks", "a balancer, addresses, Container Insights")
    else:
        return []
    looks_s = 1000 / ApiOptions.model_construct(home="aws").poll_every_ms + 1 / EPOCH_EVERY_S
    looks, reports = processes * SECONDS * looks_s, processes * SECONDS / REPORT_EVERY_S
    read, write = PRICES["dynamodb million read units"], PRICES["dynamodb million write units"]
    return [
        line,
        Line("DynamoDB: streams' looks", looks * read / 1e6, looks, "read units", "lanes, live generation"),
        Line(
            "DynamoDB: streams' reports", reports * (1 + load.replicas) * write / 1e6, reports, "write units",
            "how many are open",
        ),
    ]  # fmt: skip


def _watchers(load: Load) -> list[Line]:
    open_hours = load.viewers * HOURS
    gigabytes = open_hours * 3600 * STREAM_BYTES_S / 1e9 + open_hours * load.requests_per_viewer_hour * 20e3 / 1e9
    paid = max(0.0, gigabytes - FREE_CLOUDFRONT_GB)
    requests = open_hours * load.requests_per_viewer_hour + _polls(load)
    return [
        Line("CloudFront", paid * PRICES["cloudfront gb"], gigabytes, "GB", "the first 1,000 GB are free"),
        Line("HTTP API", requests / 1e6 * PRICES["http api million requests"], requests, "requests", "REST, polls"),
    ]


def _rest(load: Load, articles: float, events: float) -> list[Line]:
    logs_gb = 0.5 + (articles + events) * 200 / 1e9
    objects = lake_objects(load, articles, events)
    lake_usd = objects / 1e3 * PRICES["s3 thousand puts"]  # and lists; a copied object is put again
    why = f"one a batch, day and source; {len(asked_sources())} sources"
    lake_gb = (articles + events) * 0.25e3 / 1e9
    metrics = max(0, load.custom_metrics - FREE_METRICS)
    alarms = max(0, load.alarms - FREE_ALARMS)
    return [
        Line("Logs", logs_gb * PRICES["logs gb"], logs_gb, "GB", "one line a batch"),
        Line("Lake: puts", lake_usd * (1 + load.replicas), objects, "objects", why),
        Line("Lake: lists", lake_usd, objects, "lists", "what is there, before each"),
        Line("Lake: storage", lake_gb * PRICES["s3 gb month"], lake_gb, "GB a month", "gzip JSON lines"),
        Line("Custom metrics", metrics * PRICES["metric month"], load.custom_metrics, "metrics", "10 are free"),
        Line("Alarms", alarms * PRICES["alarm month"], load.alarms, "alarms", "10 are free"),
        Line("Secret", PRICES["secret month"] * (1 + load.replicas), 1, "secret", "all keys in one"),
        Line("DAX", PRICES["dax t3.small month"] if load.dax else 0.0, 1, "node", "off by default"),
    ]


assert HOUR_MS == 60 * MINUTE_MS
