"""A worker process of a replay: `python -m ops.replay.worker`. First line in: what to work on; then a task a line, and
an answer a line out. Ends when its input does, so it does not outlive a killed parent by more than one task."""

import gc
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import BadRequest, CandlewickError, Conflict, Transient, Unusable
from contracts.settings import AggregatorSettings
from ops.replay.plan import load_plan
from ops.replay.sources import Altered
from ops.replay.work import Work
from stores.home import open_home

#: Error classes by name, for the parent to raise again.
ERRORS = {kind.__name__: kind for kind in (Altered, BadRequest, Conflict, Unusable)}


def main() -> None:
    """Answer tasks until the input ends."""
    # A task makes a million small objects without cycles: looking for cycles in them took a tenth of the time.
    gc.set_threshold(200_000, 50, 50)
    first: dict[str, Any] = msgspec.json.decode(sys.stdin.buffer.readline())
    settings = AggregatorSettings.model_validate(first["settings"])
    home = open_home(settings, env=os.environ)
    plan = load_plan(home, first["plan"])
    work = Work(home, settings, plan, first["run"], first["generation"], Path(first["folder"]))
    try:
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(msgspec.json.encode(_answer(work, msgspec.json.decode(line))) + b"\n")
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The parent was killed. What we did is durable; nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(work: Work, task: dict[str, Any]) -> dict[str, Any]:
    try:
        return work.do(task)
    except Transient as error:
        return {"error": "Transient", "dependency": error.dependency, "text": str(error)}
    except OSError as error:
        return {"error": "OSError", "number": error.errno, "text": str(error)}
    except CandlewickError as error:
        answer = getattr(error.__cause__, "response", None) or {}  # of AWS: it decides how the command ends
        return {"error": type(error).__name__, "text": str(error), "refusal": answer.get("Error")}


def raise_again(answer: dict[str, Any]) -> None:
    """Raise what a worker could not do, as if it had happened here."""
    kind = answer.get("error")
    if kind is None:
        return
    if kind == "Transient":
        raise Transient(answer["dependency"], answer["text"].removeprefix(answer["dependency"] + ": "))
    if kind == "OSError":
        raise OSError(answer["number"], answer["text"])
    raise ERRORS.get(kind, Unusable)(answer["text"]) from _refusal(answer)


def _refusal(answer: dict[str, Any]) -> Exception | None:
    """What AWS refused a worker, as its library tells it."""
    if not answer.get("refusal"):
        return None
    from botocore.exceptions import ClientError

    error: Exception = ClientError({"Error": answer["refusal"]}, "")
    return error


if __name__ == "__main__":
    main()
