"""Buckets on standard output: table, json, jsonl, csv or parquet; fields as in REST."""

import csv
import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from contracts.documents import BOOKKEEPING_FIELDS
from contracts.errors import BadRequest, Unusable
from ops.export_columns import COLUMNS, flat

FORMATS: Final = ("table", "json", "jsonl", "csv", "parquet")
#: As wide as the table gets: a narrow screen wraps its lines, and cuts no figure.
TABLE_WIDTH: Final = 120


def write_buckets(documents: Sequence[dict[str, Any]], form: str, content_only: bool) -> None:
    """Print bucket documents; `content_only` leaves out what depends on batching and the clock. Raises `BadRequest`
    for parquet on a screen."""
    kinds = {k: v for k, v in COLUMNS["buckets"].items() if not (content_only and k in BOOKKEEPING_FIELDS)}
    if content_only:
        documents = [{k: v for k, v in row.items() if k not in BOOKKEEPING_FIELDS} for row in documents]
    if form == "json":
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
    elif form == "jsonl":
        sys.stdout.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in documents)
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, fieldnames=list(kinds))
        writer.writeheader()
        writer.writerows(flat(row) for row in documents)
    elif form == "parquet":
        _write_parquet([flat(row) for row in documents], kinds)
    else:
        _print_table(documents)


def _write_parquet(rows: list[dict[str, Any]], kinds: dict[str, str]) -> None:
    if sys.stdout.isatty():
        raise BadRequest("parquet is not for a screen; send it into a file")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unusable("parquet needs the package pyarrow: pip install 'candlewick[parquet]'") from None
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in kinds.items()])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), sys.stdout.buffer)


def _print_table(documents: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("start", "open", "high", "low", "close", "n", "+", "·", "−", "rev", ""):
        table.add_column(name, justify="left" if name in ("start", "") else "right", no_wrap=True)
    for row in documents:
        labels = row["label_counts"]
        table.add_row(
            row["start"],
            *(f"{row[name]:+.4f}" for name in ("open", "high", "low", "close")),
            str(row["count"]),
            *(str(labels[name]) for name in ("positive", "neutral", "negative")),
            str(row.get("rev", "")),
            "live" if row.get("is_partial") else "",
        )
    console = Console(highlight=False)
    console.width = max(console.width, TABLE_WIDTH) if console.is_terminal else TABLE_WIDTH
    console.print(table)
