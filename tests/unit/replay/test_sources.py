"""What a source is not any more stops a run with its name and the remedy; nothing is skipped in silence."""

import gzip
import json
from pathlib import Path

import pytest

from contracts.aside import Aside, put_asides
from contracts.errors import BadRequest
from contracts.events import SCORED_STREAM
from contracts.settings import AggregatorSettings
from ops.replay.plan import load_plan, make_plan
from ops.replay.run import Drive, execute, start_run
from ops.replay.sources import Altered, Segment, lines_of, read
from ops.replay.stitch import heads
from stores.home import Home, forget_homes
from tests import oracle
from tests.events import lines, scored, stream
from tests.ports.conftest import HOMES
from tests.unit.replay.kit import Live, fields, ignore, planned, put, replayed

ALONE = Drive(concurrency=1)
AT_MS = 1_766_318_400_000


def lake_file(settings: AggregatorSettings, home: Home) -> Path:
    return Path(settings.data_dir) / "lake" / home.lake.keys("scored/")[0]


def archived(home: Home, settings: AggregatorSettings, events: list[dict]) -> None:
    put(home, events)
    Live(home, settings).all(batch=100)


def test_a_lake_object_that_is_gone_is_named_and_its_return_lets_the_run_go_on(
    home: Home, settings: AggregatorSettings
) -> None:
    events = stream(400, seed=1)
    archived(home, settings, events)
    plan = planned(home, settings, sources=("lake",))
    path = lake_file(settings, home)
    body = path.read_bytes()
    path.unlink()
    with pytest.raises(Altered, match=r"lake scored/date=.* cannot be read as planned.*restore it and resume"):
        start_run(home, settings, plan, ALONE, ignore)
    path.write_bytes(body)
    run = execute(home, settings, "r1", ALONE, ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)


def test_a_truncated_object_stops_plan_and_run(home: Home, settings: AggregatorSettings) -> None:
    archived(home, settings, stream(400, seed=2))
    plan = planned(home, settings, sources=("lake",))
    path = lake_file(settings, home)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(Altered, match="damaged"):
        start_run(home, settings, plan, ALONE, ignore)
    with pytest.raises(Altered, match="damaged"):
        planned(home, settings, sources=("lake",))


def test_an_object_with_other_content_is_noticed(home: Home, settings: AggregatorSettings) -> None:
    archived(home, settings, stream(400, seed=3))
    plan = planned(home, settings, sources=("lake",))
    path = lake_file(settings, home)
    found = gzip.decompress(path.read_bytes()).replace(b"positive", b"negative", 1)
    path.write_bytes(gzip.compress(found))
    with pytest.raises(Altered, match="is not what was planned"):
        start_run(home, settings, plan, ALONE, ignore)


def test_lines_of_an_unknown_schema_are_counted_as_quarantined(home: Home, settings: AggregatorSettings) -> None:
    good = stream(100, seed=4, bad_stamps=0)
    new = [scored(5_000 + n, "AAPL", AT_MS, 0.1) | {"schema": "scored-article/2"} for n in range(7)]
    home.lake.put(
        "scored/date=2025-12-21/shardId-000000000000-1-107.jsonl.gz",
        [json.dumps(event).encode() for event in [*good, *new]],
    )
    plan = planned(home, settings, sources=("lake",))
    assert plan.census.quarantined == 7
    run = start_run(home, settings, plan, ALONE, ignore)
    assert run["counts"]["quarantined"] == 7
    assert fields(home, run["generation"]) == oracle.buckets(good)


def test_a_plan_older_than_retention_says_so(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(300, seed=5))
    plan = planned(home, settings, sources=("log",))
    home.log.trim(SCORED_STREAM, home.clock.now_ms() + 1)
    with pytest.raises(Altered, match="retention has passed it: plan again"):
        start_run(home, settings, plan, ALONE, ignore)


def test_a_log_source_begins_where_it_is_told(home: Home, settings: AggregatorSettings) -> None:
    events = stream(200, seed=6, duplicates=0)
    put(home, events)
    shard, tip = next(iter(heads(home.log, SCORED_STREAM).items()))
    part = make_plan(home, settings, _wish(log_positions={shard: tip}))
    others = [one for one in part.segments if one.shard_id == shard]
    assert [one.records for one in others] == [1]
    assert not part.complete
    with pytest.raises(BadRequest, match="nothing to replay"):
        make_plan(home, settings, _wish(log_from_ms=home.clock.now_ms() + 60_000))


def _wish(**more):
    from ops.replay.plan import Wish

    return Wish(sources=("log",), **more)


def test_failed_batches_and_quarantined_records_are_sources(home: Home, settings: AggregatorSettings) -> None:
    from local.driver_failures import FailureDestination
    from local.driver_source import KinesisSource

    events = stream(50, seed=7, bad_stamps=0)
    put(home, events)
    source = KinesisSource(home.log, SCORED_STREAM)
    for shard_id in heads(home.log, SCORED_STREAM):
        place = source.open(shard_id, None)
        records = source.read(shard_id, place, 1_000).records
        event = {"Records": [source.event_record(shard_id, record) for record in records]}
        destination = FailureDestination(home.lake, "failed", "aggregator")
        destination.put(source, shard_id, records, event, "RetryAttemptsExhausted", 3, "id", "cause", 5)
    change = {"payload": json.dumps({"Records": [{"eventName": "INSERT", "dynamodb": {}}]})}
    home.lake.put("failed/mapping=copier/change.jsonl.gz", [json.dumps(change).encode()])
    run = replayed(home, settings, sources=("failed",))
    assert fields(home, run["generation"]) == oracle.buckets(events)
    asides = [
        Aside("quarantined", "bad_value", "", SCORED_STREAM, "s", str(n), 0, 5, f"k{n}", json.dumps(event).encode())
        for n, event in enumerate(events)
    ]
    put_asides(home.lake, asides)
    run = replayed(home, settings, sources=("quarantine",))
    assert fields(home, run["generation"]) == oracle.buckets(events)


def test_batches_that_lambda_gave_up_on_are_a_source_too(tmp_path: Path) -> None:
    """They lie in a bucket of their own."""
    boto3 = pytest.importorskip("boto3")
    from tests.aws.test_failed import document_of, event_of

    events = stream(30, seed=7, hours=1, bad_stamps=0)
    with HOMES["aws"](tmp_path) as installed:
        home = installed.home
        settings = AggregatorSettings(**installed.settings.model_dump() | {"data_dir": str(tmp_path / "data")})
        with pytest.raises(BadRequest, match="0 records in failed"):
            planned(home, settings, sources=("failed",))
        bucket = f"{settings.environment}-candlewick-failed-123456789012-us-east-1"
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=bucket)
        for name, part in (("one", events[:20]), ("two", events[15:])):
            body = json.dumps(document_of(event_of([json.dumps(each).encode() for each in part])))
            s3.put_object(Bucket=bucket, Key=f"aws/lambda/uuid/{name}", Body=body.encode())
        plan = planned(home, settings, sources=("failed",))
        assert [one.place for one in plan.segments] == [f"s3://{bucket}/aws/lambda/uuid/{n}" for n in ("one", "two")]
        run = start_run(home, settings, plan, ALONE, ignore)
        assert fields(home, run["generation"]) == oracle.buckets(events)
        s3.delete_object(Bucket=bucket, Key="aws/lambda/uuid/two")
        with pytest.raises(Altered, match=r"aws/lambda/uuid/two cannot be read as planned: .* is gone"):
            start_run(home, settings, plan, ALONE, ignore)
    forget_homes()


def test_an_altered_plan_document_is_refused(home: Home, settings: AggregatorSettings, tmp_path: Path) -> None:
    put(home, stream(50, seed=8))
    import msgspec

    plan = planned(home, settings)
    path = tmp_path / "plan.json"
    path.write_bytes(msgspec.json.encode(plan))
    assert load_plan(home, str(path)) == plan
    changes = ({"subjects": ("AAPL",)}, {"groups": plan.groups[1:]}, {"complete": False}, {"digest": ""})
    for change in changes:
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, **change)))
        with pytest.raises(BadRequest, match="was altered"):
            load_plan(home, str(path))
    key = f"replay/plans/{plan.hash}.jsonl.gz"
    stored = Path(settings.data_dir, "lake", key)
    stored.write_bytes(stored.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BadRequest, match=f"lake object {key} is damaged: .*; plan again"):
        load_plan(home, plan.hash)
    with pytest.raises(BadRequest, match="no plan 'zzzz'"):
        load_plan(home, "zzzz")


def test_a_file_may_be_gzipped_and_a_missing_one_is_named(
    home: Home, settings: AggregatorSettings, tmp_path: Path
) -> None:
    events = stream(100, seed=9)
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(lines(events)))
    run = replayed(home, settings, sources=(f"file:{path}",))
    assert fields(home, run["generation"]) == oracle.buckets(events)
    for name, told in (("none.jsonl", "there is no file"), ("", "cannot be read: Is a directory")):
        with pytest.raises(Altered, match=told):
            list(read(home, Segment("file", SCORED_STREAM, str(tmp_path / name))))


def test_what_nobody_could_read_is_read_again(home: Home, settings: AggregatorSettings) -> None:
    """The archiver keeps unreadable records as base64; a mended decoder would find them there."""
    put(home, [scored(1, "AAPL", AT_MS, 0.5)])
    from contracts.ports import Entry

    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"not json")])
    Live(home, settings).all()
    unread = [one for one in planned(home, settings, sources=("lake",)).segments if one.kind == "unread"]
    assert [list(lines_of(home, one)) for one in unread] == [[b"not json"]]
