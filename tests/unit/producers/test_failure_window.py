"""A circuit opens after failures that are close together, not after many over a day."""

from typing import Any

from producers.fetch import FetchFailed
from producers.source_state import FAILURE_WINDOW_MS, FAILURES_TO_OPEN, after_failure

AT_MS = 1_766_310_000_000


def after(*times_ms: int) -> dict[str, Any]:
    """A source that failed at these instants."""
    state: dict[str, Any] = {"state": "healthy", "every_s": 300}
    for at_ms in times_ms:
        state = after_failure(state, FetchFailed("news.example", "HTTP 500", 500), at_ms)
    return state


def test_five_within_the_window_open_it() -> None:
    step_ms = FAILURE_WINDOW_MS // FAILURES_TO_OPEN
    times_ms = [AT_MS + number * step_ms for number in range(FAILURES_TO_OPEN)]
    assert after(*times_ms[:-1])["state"] == "unreachable"
    assert after(*times_ms)["state"] == "circuit open"


def test_what_failed_before_the_window_is_forgotten() -> None:
    """Four failures, and the fifth when the first is just out of the window; then one a window, for a day."""
    times_ms = [AT_MS + number for number in range(FAILURES_TO_OPEN - 1)]
    assert after(*times_ms, AT_MS + FAILURE_WINDOW_MS - 1)["state"] == "circuit open"
    late = after(*times_ms, AT_MS + FAILURE_WINDOW_MS)
    assert (late["state"], len(late["failures"])) == ("unreachable", FAILURES_TO_OPEN - 1)
    assert after(*(AT_MS + number * FAILURE_WINDOW_MS for number in range(100)))["state"] == "unreachable"
