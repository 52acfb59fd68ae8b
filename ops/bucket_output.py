"""Buckets on standard output: table, json, jsonl, csv or parquet; fields as in REST."""

import csv
import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from contracts.documents import BOOKKEEPING_FIELDS
from contracts.errors import Unusable

FORMATS: Final = ("table", "json", "jsonl", "csv", "parquet")


def write_buckets(documents: Sequence[dict[str, Any]], form: str, content_only: bool) -> None:
    """Print bucket documents; `content_only` leaves out what depends on batching and the clock."""
    if content_only:
        documents = [{k: v for k, v in row.items() if k not in BOOKKEEPING_FIELDS} for row in documents]
    if form == "json":
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
    elif form == "jsonl":
        sys.stdout.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in documents)
    elif form == "csv":
        rows = [flat(row) for row in documents]
        if rows:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif form == "parquet":
        _write_parquet([flat(row) for row in documents])
    else:
        _print_table(documents)


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """One level: `label_counts.positive` becomes `positive`, lists are joined with `|`."""
    row: dict[str, Any] = {}
    for name, value in document.items():
        if name == "label_counts":
            row |= value
        elif name in ("open_at", "close_at"):
            row |= {name: value["time"], f"{name.removesuffix('_at')}_event_id": value["event_id"]}
        else:
            row[name] = "|".join(value) if isinstance(value, list) else value
    return row


def _write_parquet(rows: list[dict[str, Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unusable("parquet needs the package pyarrow: pip install 'candlewick[parquet]'") from None
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sys.stdout.buffer)


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
    if not console.is_terminal:
        console.width = 120  # nobody sees where a pipe wraps
    console.print(table)
