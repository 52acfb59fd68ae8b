"""`candlewick failed list|fetch`: batches that were given up on, on either home, and what was in them (law 3)."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.console import plain_errors, printable, put_json, say
from ops.home import DEFAULT_DATA_DIR, AlwaysJson, DataDir, JsonLines, home_of

if TYPE_CHECKING:
    from contracts.settings import AggregatorSettings
    from stores.failed_batches import FailedBatch
    from stores.home import Home

app = typer.Typer(no_args_is_help=True)
_BATCH_INFO: Final = ("KinesisBatchInfo", "DDBStreamBatchInfo")


@app.callback()
def failed() -> None:
    """Batches that were given up on."""


@app.command("list")
def list_failed(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: JsonLines = False) -> None:
    """When, which function, from which stream, how many records, why."""
    with plain_errors():
        count = 0
        for batch in batches(*home_of(data_dir)):
            count += 1
            row = summary(batch)
            if as_json:
                put_json(row)
            else:
                what = f"{row['records']:>5} records of {row['stream']} {row['shard']}"
                why = printable(row["why"])
                sys.stdout.write(f"{row['at']}  {row['function']:<22} {what}  {why}  [{row['place']}]\n")
        say(f"{count} batches" if count else "no batch was given up on")


@app.command()
def fetch(
    folder: Annotated[Path, typer.Argument(help="Where to write the records, one file a stream.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AlwaysJson = False,
) -> None:
    """Write their records as JSON lines, for `publish FILE --as raw|scored`; prints how many of each stream.

    Records of the articles' change stream are only counted: they are of no stream that can be published to. What is
    no JSON goes into one line, as it is, and `publish` rejects it."""
    with plain_errors():
        put_json(write_records(batches(*home_of(data_dir)), folder))


def summary(batch: "FailedBatch") -> dict[str, Any]:
    """What a list shows of a batch."""
    document = batch.document
    info: dict[str, Any] = next((document[name] for name in _BATCH_INFO if name in document), {})
    context = document.get("requestContext", {})
    return {
        "at": document.get("timestamp", ""),
        "function": str(context.get("functionArn", "")).rpartition("function:")[2].partition(":")[0],
        "stream": str(info.get("streamArn", "")).rpartition("stream/")[2] or str(info.get("streamArn", "")),
        "shard": info.get("shardId", ""),
        "first": info.get("startSequenceNumber", ""),
        "last": info.get("endSequenceNumber", ""),
        "records": len(batch.event.get("Records", ())),
        "why": document.get("responseContext", {}).get("cause") or context.get("condition", ""),
        "place": batch.place,
    }


def write_records(batches: "Iterator[FailedBatch]", folder: Path) -> dict[str, int]:
    """One file a stream, each record once however many batches hold it; how many records each has."""
    from contracts.events import RAW_STREAM, SCORED_STREAM
    from contracts.kinesis import records_of

    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, dict[bytes, None]] = {RAW_STREAM: {}, SCORED_STREAM: {}}
    count = other = 0
    for batch in batches:
        count += 1
        if not all("kinesis" in record for record in batch.event.get("Records", ())):
            other += len(batch.event["Records"])
            continue
        for record in records_of(batch.event):
            stream = next((name for name in lines if record.stream.endswith(name)), None)
            if stream is None:
                other += 1
            else:
                lines[stream][record.data] = None
    for stream, found in lines.items():
        if found:
            (folder / f"{stream}.jsonl").write_bytes(b"".join(_in_one_line(data) + b"\n" for data in found))
    return {"batches": count, **{stream: len(found) for stream, found in lines.items()}, "not_of_a_stream": other}


def _in_one_line(data: bytes) -> bytes:
    """A record without line feeds: in JSON they stand between its parts only, where a blank says the same."""
    return data.replace(b"\r", b" ").replace(b"\n", b" ")


def batches(home: "Home", settings: "AggregatorSettings") -> "Iterator[FailedBatch]":
    """All there are: our own driver's, and on AWS those of Lambda."""
    from stores.failed_batches import in_lake

    return itertools.chain(in_lake(home.lake), _of_lambda(settings))


def count_batches(home: "Home", settings: "AggregatorSettings") -> int:
    """How many there are; those in the lake without opening them, so that a damaged one counts too."""
    from stores.failed_batches import LAKE_PREFIX

    return len(home.lake.keys(LAKE_PREFIX)) + sum(1 for _ in _of_lambda(settings))


def _of_lambda(settings: "AggregatorSettings") -> "Iterator[FailedBatch]":
    if settings.home != "aws":
        return iter(())
    from contracts.clock import SystemClock
    from stores.aws_home import AwsHome
    from stores.failed_batches import in_bucket

    aws = AwsHome(settings, SystemClock())
    return in_bucket(aws.s3, aws.bucket_name("failed"))
