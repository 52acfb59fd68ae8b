"""The numbers of docs/scale.md, computed: shards, the classifier, lanes, hot subjects, fan-out, replicas, failover.
Deterministic; run `python -m ops.scale` to write them into the page.
"""

from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

from contracts.bucket import MEMBER_BYTES
from contracts.hashing import HASH_KEY_COUNT, hash_key
from contracts.member_parts import PART_LIMIT_BYTES
from infra.alarms import ALARMS
from ops.cost import HOURS, PRICES, WATCHERS_A_TASK, cheaper_on_fargate, stream_usd, units_per_bucket_batch
from ops.made_page import replaced
from stores.dynamo import MAX_BATCH_GET, MAX_BATCH_WRITE, MAX_WORKERS
from stores.kinesis_aggregate import MAX_AGGREGATE_BYTES

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
SHARD_RECORDS_S: Final = 1_000
SHARD_BYTES_S: Final = 1_000_000
EVENT_BYTES: Final = 420
#: DynamoDB's limit on one partition key.
PARTITION_WRITES_S: Final = 1_000
SUBJECTS: Final = 500
ZIPF: Final = 1.1
#: Functions that read a stream always: what it is for, and the archiver (infra/pipeline_stack.py).
STREAM_READERS: Final = 2
MINUTE_S: Final = 60
#: What Lambda brings the classifier at once, and how long it may take (infra/).
CLASSIFIER_RECORDS: Final = 100
CLASSIFIER_TIMEOUT_S: Final = 120
ARTICLE_BYTES: Final = 700
#: Of DynamoDB in the same region, and of the model for one text (docs/benchmarks.md); the first is a guess.
CALL_MS: Final = 6.0
SCORE_MS: Final = 2.2


class Spread(NamedTuple):
    """How a load falls on shards: the busiest one's share, and shards needed so that none is over 80 %."""

    shards: int
    busiest_share: float
    rate_at_80: float


def subject_shares() -> list[float]:
    """What share of all events each subject has: Zipf, as news is (the first of 500 has a sixth)."""
    weights = [1 / rank**ZIPF for rank in range(1, SUBJECTS + 1)]
    return [weight / sum(weights) for weight in weights]


def spread(shards: int) -> Spread:
    """500 subjects on evenly split shards, by the MD5 of their key as Kinesis does it; one lane each."""
    loads = [0.0] * shards
    for number, share in enumerate(subject_shares()):
        loads[hash_key(f"S{number}") * shards // HASH_KEY_COUNT] += share
    return Spread(shards, max(loads), 0.8 * plain_limit() / max(loads))


def plain_limit() -> float:
    """Events a second one shard takes as single records: bytes or records, whichever ends first."""
    return min(SHARD_RECORDS_S, SHARD_BYTES_S / EVENT_BYTES)


def aggregated_limit() -> float:
    """Events a second one shard takes in aggregates: bytes only."""
    return SHARD_BYTES_S / EVENT_BYTES


def lanes_needed(events_s: float, batches_s: float = 1.0) -> int:
    """Partition keys a subject's minute needs so that none takes more writes than a partition can, and none more
    members than an item should hold."""
    writes = units_per_bucket_batch() * batches_s
    members = events_s * 60 * MEMBER_BYTES
    return max(1, ceil(writes / PARTITION_WRITES_S), ceil(members / (16 * PART_LIMIT_BYTES)))


def shard_rows() -> list[str]:
    rows = ["| shards | busiest shard's share | events/s at 80 % of it, single records | the same in aggregates |",
            "|---|---|---|---|"]  # fmt: skip
    for shards in (1, 2, 4, 8, 16, 32):
        found = spread(shards)
        aggregated = found.rate_at_80 * aggregated_limit() / plain_limit()
        rows.append(f"| {shards} | {found.busiest_share:.1%} | {found.rate_at_80:,.0f} | {aggregated:,.0f} |")
    return rows


def lane_rows() -> list[str]:
    rows = ["| events/s of one subject | members of a minute | lanes |", "|---|---|---|"]
    for rate in (1, 100, 1_000, 10_000):
        rows.append(f"| {rate:,} | {rate * 60:,} ({rate * 60 * MEMBER_BYTES / 1e6:.2f} MB) | {lanes_needed(rate)} |")
    return rows


def classifier_ms(subjects: int = 2) -> float:
    """Milliseconds of one new story of its own, in a batch of many: its calls go together as far as they can."""
    claim = 2 / MAX_BATCH_GET + 1 / MAX_WORKERS
    items = 2 / MAX_BATCH_GET + (1 + subjects) / MAX_BATCH_WRITE
    return (claim + items) * CALL_MS + SCORE_MS


def classifier() -> list[str]:
    """What the classifier does in one invocation and in a second."""
    each_ms = classifier_ms()
    brought = CLASSIFIER_RECORDS * (MAX_AGGREGATE_BYTES // ARTICLE_BYTES)
    done = CLASSIFIER_TIMEOUT_S * 1000 / each_ms
    return [
        f"A new story takes the classifier about {each_ms:.0f} ms at {CALL_MS:g} ms a call of DynamoDB, so a shard of"
        f" raw-articles takes {1000 / each_ms:,.0f} articles a second. An invocation brings at most"
        f" {CLASSIFIER_RECORDS} aggregates, {brought:,} articles of {ARTICLE_BYTES} bytes, and has"
        f" {CLASSIFIER_TIMEOUT_S} s, enough for {done:,.0f}; a batch that does not come to its end is halved by Lambda"
        f" until it does. Claims share a partition: all shards together make {PARTITION_WRITES_S:,} a second."
    ]


def fanout_rows() -> list[str]:
    rows = ["| watchers | tier | USD a month, without CloudFront |", "|---|---|---|"]
    first = cheaper_on_fargate()
    for watchers in (1, 3, 10, 1_000, 10_000, 100_000):
        if watchers < first:
            rows.append(f"| {watchers:,} | function | {stream_usd('lambda', watchers):,.2f} |")
        else:
            tasks = ceil(watchers / WATCHERS_A_TASK)
            tier = f"{tasks} Fargate task{'s' if tasks > 1 else ''}"
            rows.append(f"| {watchers:,} | {tier} | {stream_usd('fargate', watchers):,.2f} |")
    return rows


def replica_rows(events_s: float = 10.0) -> list[str]:
    rows = ["| replicas | bucket write units/s at 10 events/s | USD a month |", "|---|---|---|"]
    for replicas in (0, 1, 2, 3):
        units = events_s * units_per_bucket_batch() * (1 + replicas)
        usd = units * HOURS * 3600 / 1e6 * PRICES["dynamodb million write units"]
        rows.append(f"| {replicas} | {units:,.0f} | {usd:,.2f} |")
    return rows


def failover_rows() -> list[str]:
    alarm = next(row for row in ALARMS if row.name == "no-new-articles")
    alarm_minutes = alarm.period_s * alarm.periods / MINUTE_S
    steps = (
        ("a person notices, or a probe from outside", 5.0),
        ("`candlewick deploy --region R -c standby=on`: four small stacks over the copies", 6.0),
        ("the other page's address told, or a domain moved to it", 1.0),
        ("first poll of the sources, first candle", 1.0),
    )
    whole = sum(minutes for _, minutes in steps)
    by_alarm = whole - steps[0][1] + alarm_minutes
    return [
        "| step | minutes |",
        "|---|---|",
        *(f"| {name} | {minutes:g} |" for name, minutes in steps),
        f"| **recovery time** (asked for: 15) | **{whole:g}** |",
        f"| where nobody looks, and `{alarm.name}` rings after {alarm_minutes:g} minutes | {by_alarm:g} |",
    ]


def readers() -> str:
    """What the consumers of one shard share."""
    each_kb = SHARD_BYTES_S * 2 // STREAM_READERS // 1000
    return (
        f"{STREAM_READERS} functions share a shard's 2 MB/s and 5 reads/s, which is {each_kb:,} KB/s each, all that a"
        " shard takes in: with a third reader use enhanced fan-out or split."
    )


def page(text: str) -> str:
    """docs/scale.md with its tables computed anew."""
    top = subject_shares()[0]
    return replaced(
        text,
        {
            "shards": [f"Busiest of {SUBJECTS} subjects: {top:.1%} of all events.", "", *shard_rows()],
            "lanes": lane_rows(),
            "fanout": fanout_rows(),
            "replicas": replica_rows(),
            "failover": failover_rows(),
            "readers": [readers()],
            "classifier": classifier(),
        },
    )


def main() -> None:
    """Write the page's tables."""
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
