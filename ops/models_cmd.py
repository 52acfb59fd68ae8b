"""`candlewick models list|eval`: which sentiment models there are, and how right they are."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadRequest
from ops.console import ERROR, PARTIAL, plain_errors, say
from ops.home import Json

app = typer.Typer(no_args_is_help=True, help="Sentiment models: list them, judge them.")

BASELINES = ("finvader", "vader")


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """The models by name, and whether each can be loaded here."""
    with plain_errors():
        from rich.console import Console
        from rich.table import Table

        from consumers.classifier.models.registry import DEFAULT, ROWS

        rows = [
            {
                "name": row.name,
                "default": row.name == DEFAULT,
                "available": _available(row.name),
                "summary": row.summary,
                "licence": row.licence,
            }
            for row in ROWS
        ]
        if as_json:
            sys.stdout.write(json.dumps(rows, indent=2) + "\n")
            return
        table = Table("name", "here", "what it is", "licence", box=None)
        for row in rows:
            name = f"{row['name']} (default)" if row["default"] else str(row["name"])
            here = str(row["available"])
            table.add_row(name, here if here in ("yes", "by name") else "no", str(row["summary"]), str(row["licence"]))
            if here not in ("yes", "by name"):
                say(here)
        Console().print(table)


@app.command("eval")
def evaluate_models(
    models: Annotated[list[str] | None, typer.Argument(help="Names; the default and the baselines without.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder with sentiment/ and news/ (or CANDLEWICK_DATA).", envvar="CANDLEWICK_DATA"),
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="Folder with the test splits alone, instead of --data.")] = None,
    out: Annotated[Path, typer.Option(help="Where report.html and eval.json go.")] = Path("build/eval"),
    as_json: Json = False,
) -> None:
    """Accuracy, F1, calibration and intervals on the test splits and on sentences written for it; an HTML report."""
    with plain_errors():
        from consumers.classifier.models.registry import DEFAULT, known, names
        from consumers.classifier.training.data import data_root, read_corpus, read_test_splits
        from consumers.classifier.training.evaluate import evaluate, table
        from ops.progress import counter

        chosen = models or [DEFAULT, *BASELINES]
        unknown = [name for name in chosen if not known(name)]
        if unknown:
            raise BadRequest(f"there is no model {unknown[0]!r}", tuple(names()))
        out.mkdir(parents=True, exist_ok=True)  # said now, and not after everything was judged
        corpus = read_test_splits(splits) if splits else read_corpus(data_root(data))
        with counter("judging", "texts") as advance:
            report = evaluate(chosen, corpus, out, advance)
        sys.stdout.write(json.dumps(report, indent=2) + "\n" if as_json else table(report))
        say(f"report: {out / 'report.html'}")
        missing = sum("unavailable" in each for each in report["models"].values())
        if missing:
            raise typer.Exit(ERROR if missing == len(chosen) else PARTIAL)


def _available(name: str) -> str:
    """`yes`, or why not. `hf:<name>` stands for many and is never tried."""
    from consumers.classifier.models.registry import ModelUnavailable, load

    if name == "hf:<name>":
        return "by name"
    try:
        load(name)
    except ModelUnavailable as error:
        return str(error)
    return "yes"
