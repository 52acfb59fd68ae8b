"""`candlewick failed list|fetch|redrive`: batches that were given up on, on either home, and how what was in them comes
back (law 3): records of a stream by `publish`, articles of the read model by `redrive`."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.console import PARTIAL, plain_errors, printable, put_json, say
from ops.home import DEFAULT_DATA_DIR, AlwaysJson, DataDir, JsonLines, expanded, home_of

if TYPE_CHECKING:
    from contracts.settings import AggregatorSettings
    from stores.aws_client import Service
    from stores.failed_batches import FailedBatch
    from stores.home import Home

app = typer.Typer(no_args_is_help=True)
_BATCH_INFO: Final = ("KinesisBatchInfo", "DDBStreamBatchInfo")
#: Articles that are read and put together.
_TOGETHER: Final = 100


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

    Records of the articles' change stream are only counted: they are of no stream that can be published to, `redrive`
    is for them. What is no JSON goes into one line, as it is, and `publish` rejects it. Exit 3 where a batch is
    damaged."""
    with plain_errors():
        from ops.asides import end_partial

        damaged: list[str] = []
        counts = write_records(batches(*home_of(data_dir), damaged.append), expanded(str(folder)))
        put_json(counts)
        if counts["not_of_a_stream"]:
            say("the others are changes of articles: `candlewick failed redrive` puts the articles into the read model")
        end_partial(damaged)


@app.command()
def redrive(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AlwaysJson = False) -> None:
    """Put the articles of the read model's batches into it, as they are by now; prints how many. Again does no harm.

    `gone` were deleted since, `bad` is what cannot be shown. Records of streams are only counted: `fetch` and
    `publish` are for them. Exit 3 where a batch is damaged or an article bad."""
    with plain_errors():
        from ops.asides import end_partial

        damaged: list[str] = []
        home, settings = home_of(data_dir)
        counts = show_articles(home, batches(home, settings, damaged.append))
        put_json(counts)
        if counts["of_a_stream"]:
            say("records of streams come back by `candlewick failed fetch` and `candlewick publish`")
        end_partial(damaged)
        if counts["bad"]:
            raise typer.Exit(PARTIAL)


def summary(batch: "FailedBatch") -> dict[str, Any]:
    """What a list shows of a batch."""
    document = batch.document
    info: dict[str, Any] = next((document[name] for name in _BATCH_INFO if document.get(name)), {})
    context = document.get("requestContext") or {}
    return {
        "at": document.get("timestamp", ""),
        "function": str(context.get("functionArn", "")).rpartition("function:")[2].partition(":")[0],
        "stream": _stream_of(str(info.get("streamArn", ""))),
        "shard": info.get("shardId", ""),
        "first": info.get("startSequenceNumber", ""),
        "last": info.get("endSequenceNumber", ""),
        "records": len(batch.event.get("Records", ())),
        "why": (document.get("responseContext") or {}).get("cause") or context.get("condition", ""),
        "place": batch.place,
    }


def _stream_of(arn: str) -> str:
    """Its name; of a table's changes the table's."""
    return arn.partition(":table/")[2].partition("/")[0] or arn.rpartition("stream/")[2] or arn


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


def show_articles(home: "Home", batches: "Iterator[FailedBatch]") -> dict[str, int]:
    """Give the read model every article that the batches have a change of, each once, as the primary has it: what it
    was in the batch may be old by now. Raises `Transient`."""
    from consumers.read_model.service import process, source_id_of
    from local.driver_dynamo import typed_item

    named: dict[str, None] = {}
    count = of_a_stream = put = bad = gone = 0
    for batch in batches:
        count += 1
        of_a_stream += len(batch.records)
        for record in () if batch.records else batch.event.get("Records", ()):
            article_id = source_id_of(record)
            if article_id is None:
                bad += 1
            else:
                named[article_id] = None
    ids = list(named)
    for at in range(0, len(ids), _TOGETHER):
        some = ids[at : at + _TOGETHER]
        found, shown = home.items.get_primaries(some), None
        while found != shown:  # what changed meanwhile may have been shown already, and is older now
            done = process(home.items, [{"dynamodb": {"NewImage": typed_item(item)}} for item in found.values()])
            found, shown = home.items.get_primaries(some), found
        put += done.StreamProcessorSuccess
        bad += len(found) - done.StreamProcessorSuccess
        gone += len(some) - len(found)
    return {"batches": count, "articles": len(ids), "put": put, "gone": gone, "bad": bad, "of_a_stream": of_a_stream}


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
