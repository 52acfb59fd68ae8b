"""How commands talk: data on stdout, everything else on stderr, one clear line for every error, stable exit codes."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from contracts.errors import BadEvent, BadRequest, CandlewickError, Conflict

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
PARTIAL: Final = 3
AUTH: Final = 4
CONFLICT: Final = 5
DIFFERENT: Final = 6
INTERRUPTED: Final = 130

#: Exit codes, one row each; the reference in docs/commands.md is made from them.
EXIT_CODES: Final = {
    OK: "ok",
    ERROR: "error",
    USAGE: "usage",
    PARTIAL: "partial: some of the input was rejected",
    AUTH: "authentication",
    CONFLICT: "conflict",
    DIFFERENT: "a comparison failed",
    INTERRUPTED: "interrupted (resumable)",
}


def say(text: str) -> None:
    """A line for the person, on stderr."""
    sys.stderr.write(text + "\n")


def put_json(value: Any) -> None:
    """A machine-readable answer, on stdout."""
    sys.stdout.write(json.dumps(value, separators=(",", ":"), default=str) + "\n")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the world's faults into one line and an exit code; our own bugs keep their traceback."""
    try:
        yield
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep the interpreter from complaining while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ERROR) from None
    except KeyboardInterrupt:
        say("candlewick: interrupted; the same command goes on where it stopped")
        raise typer.Exit(INTERRUPTED) from None
    except (CandlewickError, OSError) as error:
        say(f"candlewick: {error}")
        raise typer.Exit(_code(error)) from None


def _code(error: Exception) -> int:
    if isinstance(error, (BadRequest, BadEvent)):
        return USAGE
    return CONFLICT if isinstance(error, Conflict) else ERROR
