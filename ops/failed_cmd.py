"""`candlewick failed list|fetch`: batches that were given up on, on either home, and what was in them (law 3)."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.console import plain_errors, printable, put_json, say
from ops.home import DEFAULT_DATA_DIR, AlwaysJson, DataDir, JsonLines, expanded, home_of

if TYPE_CHECKING:
    from contracts.settings import AggregatorSettings
    from stores.aws_client import Service
    from stores.failed_batches import FailedBatch
    from stores.home import Home

app = typer.Typer(no_args_is_help=True)
_BATCH_INFO: Final = ("KinesisBatchInfo", "DDBStreamBatchInfo")


@app.callback()
def failed() -> None:
    """Batches that were given up on."""


@app.command("list")
def list_failed(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: JsonLines = False) -> None:
    """When, which function, from which stream, how many records, why. Exit 3 where a batch is damaged."""
    with plain_errors():
        from ops.asides import end_partial

        count = 0
        damaged: list[str] = []
        for batch in batches(*home_of(data_dir), damaged.append):
            count += 1
            row = summary(batch)
            if as_json:
                put_json(row)
            else:
                what = f"{row['records']:>5} records of {row['stream']} {row['shard']}"
                why = printable(row["why"])
                sys.stdout.write(f"{row['at']}  {row['function']:<22} {what}  {why}  [{row['place']}]\n")
        say(f"{count} batches" if count or damaged else "no batch was given up on")
        end_partial(damaged)


@app.command()
def fetch(
    folder: Annotated[Path, typer.Argument(help="Where to write the records, one file a stream.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AlwaysJson = False,
) -> None:
    """Write their records as JSON lines, for `publish FILE --as raw|scored`; prints how many of each stream.

    Records of the articles' change stream are only counted: they are of no stream that can be published to. What is
    no JSON goes into one line, as it is, and `publish` rejects it. Exit 3 where a batch is damaged."""
    with plain_errors():
        from ops.asides import end_partial

        damaged: list[str] = []
        put_json(write_records(batches(*home_of(data_dir), damaged.append), expanded(str(folder))))
        end_partial(damaged)


def summary(batch: "FailedBatch") -> dict[str, Any]:
    """What a list shows of a batch."""
    document = batch.document
    info: dict[str, Any] = next((document[name] for name in _BATCH_INFO if document.get(name)), {})
    context = document.get("requestContext") or {}
    return {
        "at": document.get("timestamp", ""),
        "function": str(context.get("functionArn", "")).rpartition("function:")[2].partition(":")[0],
        "stream": str(info.get("streamArn", "")).rpartition("stream/")[2] or str(info.get("streamArn", "")),
        "shard": info.get("shardId", ""),
        "first": info.get("startSequenceNumber", ""),
        "last": info.get("endSequenceNumber", ""),
        "records": len(batch.event.get("Records", ())),
        "why": (document.get("responseContext") or {}).get("cause") or context.get("condition", ""),
        "place": batch.place,
    }


def write_records(batches: "Iterator[FailedBatch]", folder: Path) -> dict[str, int]:
    """One file a stream that has any, each record once however many batches hold it; how many records each has. A file
    of that name that was there already is written anew, or named when there is nothing to write."""
    from contracts.events import RAW_STREAM, SCORED_STREAM

    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, dict[bytes, None]] = {RAW_STREAM: {}, SCORED_STREAM: {}}
    count = other = 0
    for batch in batches:
        count += 1
        other += 0 if batch.records else len(batch.event.get("Records", ()))
        for record in batch.records:
            stream = next((name for name in lines if record.stream.endswith(name)), None)
            if stream is None:
                other += 1
            else:
                lines[stream][record.data] = None
    for stream, found in lines.items():
        file = folder / f"{stream}.jsonl"
        if found:
            file.write_bytes(b"".join(_in_one_line(data) + b"\n" for data in found))
        elif file.exists():
            say(f"candlewick: {file} is not of this call: no batch has a record of {stream}")
    return {"batches": count, **{stream: len(found) for stream, found in lines.items()}, "not_of_a_stream": other}


def _in_one_line(data: bytes) -> bytes:
    """A record without line feeds: in JSON they stand between its parts only, where a blank says the same."""
    return data.replace(b"\r", b" ").replace(b"\n", b" ")


def batches(home: "Home", settings: "AggregatorSettings", damaged: Callable[[str], None]) -> "Iterator[FailedBatch]":
    """All there are: our own driver's, and on AWS those of Lambda. `damaged` is told of those that cannot be read."""
    from stores.failed_batches import in_bucket, in_lake

    aws = _lambda_bucket(settings)
    return itertools.chain(in_lake(home.lake, damaged), in_bucket(*aws, damaged) if aws else ())


def count_batches(home: "Home", settings: "AggregatorSettings") -> int:
    """How many there are, without opening them, so that a damaged one counts too."""
    from stores.failed_batches import LAKE_PREFIX, places_in_bucket

    aws = _lambda_bucket(settings)
    return len(home.lake.keys(LAKE_PREFIX)) + (sum(1 for _ in places_in_bucket(*aws)) if aws else 0)


def _lambda_bucket(settings: "AggregatorSettings") -> "tuple[Service, str] | None":
    """Where Lambda puts the batches it gives up on."""
    if settings.home != "aws":
        return None
    from contracts.clock import SystemClock
    from stores.aws_home import AwsHome

    aws = AwsHome(settings, SystemClock())
    return aws.s3, aws.bucket_name("failed")
