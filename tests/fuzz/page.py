"""docs/fuzz.md: what the last long run tried, and what fuzzing has found so far. `make fuzz` writes it."""

import json
from typing import Any

from tests.house.source_tree import ROOT

COUNTS = ROOT / "build" / "fuzz"
RESULTS = ROOT / "docs" / "fuzz.json"
PAGE = ROOT / "docs" / "fuzz.md"
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
#: Target → what it was, and what became of it. Each has a seed or a test of its own.
FOUND = (
    ("url", "a lone surrogate in an address stopped the adapter", "it is no text, and is written as its escape"),
    ("url", "two addresses whose queries differ in bytes that are no UTF-8 were one page", "the bytes are kept"),
    ("stored_bucket", "damaged text in a stored row was a stranger's error, tried again a hundred times", "`Unusable`"),
    ("scored_event", "a time in the last day of the year 9999 stopped the shard", "`bad_time`"),
    ("instant", "a date no calendar has stopped the row's file", "it is no instant; the row is rejected"),
)


def gather() -> dict[str, Any]:
    """The counts of the run that has just ended."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(COUNTS.glob("*.json"))}


def page(results: dict[str, Any]) -> str:
    lines = [
        "# Fuzzing",
        "",
        "Written by `make fuzz` from what it did (`fuzz.json` beside this page); a test holds the two against each",
        "other. Whatever reads bytes from outside may refuse them in one named way and in no other;",
        "`tests/fuzz/targets.py` says which. Inputs are near the seeds in `tests/fuzz/corpus/`: bytes changed, cut,",
        "doubled, spliced, and words of the formats put in. The API is asked by Schemathesis in the same target.",
        "",
        "| target | seeds | inputs of the last long run | broke it |",
        "|---|---|---|---|",
        *(f"| `{name}` | {row['seeds']} | {row['inputs']:,} | {row['broke']} |" for name, row in results.items()),
        "",
        "## Found so far",
        "",
        "| target | what it was | now |",
        "|---|---|---|",
        *(f"| `{target}` | {what} | {now} |" for target, what, now in FOUND),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    RESULTS.write_text(json.dumps(gather(), indent=2) + "\n")
    PAGE.write_text(page(gather()))
