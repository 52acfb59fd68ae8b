"""What a handler's answer means: how much of the batch is done, and the window's new state."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

#: Python's `json` writes NaN; Lambda's runtime does so too, and the service then refuses it.
_encode: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Answer(NamedTuple):
    """`done`: how many records, from the first on, are done. `failure`: why the rest is not (None: all are). `state`:
    the window's state as JSON text, when the answer has one."""

    done: int
    failure: str | None
    state: str | None = None


def judged(answer: Any, sequence_numbers: Sequence[str], windowed: bool, reports: bool) -> Answer:
    """An invocation's answer, judged as Lambda does. In a windowed mapping an answer without `state` is a failed
    invocation, whatever else it says."""
    state = None
    if windowed:
        if not isinstance(answer, dict) or "state" not in answer:
            return Answer(0, "the answer of a windowed mapping has no `state`")
        given = answer["state"] if answer["state"] is not None else {}
        if not isinstance(given, dict):
            return Answer(0, f"`state` is {type(given).__name__}, not an object")
        try:
            state = _encode(given)
        except (TypeError, ValueError) as error:
            return Answer(0, f"`state` is not JSON: {error}")
    count = len(sequence_numbers)
    done = _done(answer, sequence_numbers) if reports else count
    failure = None if done == count else f"batchItemFailures: {count - done} of {count} records"
    if reports and done == 0 and count == 0 and _reported(answer):
        failure = "batchItemFailures in an invocation without records"
    return Answer(done, failure, state)


def _reported(answer: Any) -> Any:
    return answer.get("batchItemFailures") if isinstance(answer, dict) else None


def _done(answer: Any, sequence_numbers: Sequence[str]) -> int:
    """Records before the lowest reported one. None when the report is malformed or names no record of the batch: the
    whole batch has then failed."""
    if answer is None:
        return len(sequence_numbers)
    if not isinstance(answer, dict):
        return 0
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return len(sequence_numbers)
    if not isinstance(failures, list):
        return 0
    places = {sequence_number: at for at, sequence_number in enumerate(sequence_numbers)}
    return min(places.get(_identifier(failure), 0) for failure in failures)


def _identifier(failure: Any) -> str:
    """Empty (so no record's) when the failure is malformed."""
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return identifier if isinstance(identifier, str) else ""
