"""How commands talk: data on stdout, everything else on stderr, one clear line for every error, stable exit codes."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from contracts.errors import BadRequest, CandlewickError, Conflict

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
PARTIAL: Final = 3
AUTH: Final = 4
CONFLICT: Final = 5
DIFFERENT: Final = 6
INTERRUPTED: Final = 130

#: Exit codes, one row each; the reference in docs/reference/commands.md is made from them.
EXIT_CODES: Final = {
    OK: "ok",
    ERROR: "error",
    USAGE: "usage",
    PARTIAL: "partial: some of the input was rejected or is damaged, or was being written all the time",
    AUTH: "authentication: AWS does not know the credentials or refuses what they ask for",
    CONFLICT: "conflict",
    DIFFERENT: "a comparison failed",
    INTERRUPTED: "interrupted (it may be run again)",
}


def say(text: str) -> None:
    """A line for the person (or several), on stderr; what others wrote in it commands no terminal."""
    sys.stderr.write("\n".join(map(printable, text.split("\n"))) + "\n")


def put_json(value: Any) -> None:
    """A machine-readable answer, on stdout."""
    sys.stdout.write(json.dumps(value, separators=(",", ":"), default=str) + "\n")


def replace_closed_streams() -> None:
    """Something to read from and write to for each standard stream that the caller has closed (`>&-`): else the next
    file that is opened would take its number, here or in a child, and be what others write to."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(STDIN, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w", closefd=False)


def printable(text: str) -> str:
    """A text that somebody else wrote, on one line and without what a terminal would take for commands."""
    return "".join(each if each.isprintable() else " " for each in text)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the world's faults into one line and an exit code; our own bugs keep their traceback."""
    try:
        yield
        _flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        _close_output()
        raise typer.Exit(ERROR) from None
    except KeyboardInterrupt:
        say("candlewick: interrupted; it may be run again")
        raise typer.Exit(INTERRUPTED) from None
    except (CandlewickError, OSError) as error:
        say(f"candlewick: {error}")
        raise typer.Exit(_code(error)) from None


def _flush() -> None:
    """A full disk is told here, and not while the interpreter ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _close_output()
        raise


def _close_output() -> None:
    """Keeps the interpreter from complaining while it closes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(error: Exception) -> int:
    if isinstance(error, BadRequest):
        return USAGE
    if isinstance(error, Conflict):
        return CONFLICT
    return AUTH if _is_denied(error) else ERROR


def _is_denied(error: Exception) -> bool:
    """Whether AWS was asked without credentials, or without the right to what was asked for."""
    if error.__cause__ is None:
        return False
    try:
        from botocore.exceptions import ClientError
    except ImportError:
        return False  # then it was not AWS
    from stores.aws_client import DENIED, no_credentials

    if isinstance(error.__cause__, ClientError):
        return error.__cause__.response["Error"]["Code"] in DENIED
    return isinstance(error.__cause__, no_credentials())
