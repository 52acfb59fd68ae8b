"""What one address may have of what costs: tokens are given out slowly, and who asks is forgotten in turn."""

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from api.app import create_app
from api.rate import MINT_BURST, MINT_PATH, MINT_PER_S, Allowance, RateLimit
from contracts.clock import ManualClock
from tests.unit.api.kit import TestHome, options


class Limited:
    """A limit that is far away for everything but tokens, before an application that answers 200."""

    def __init__(self, burst: int = 10_000, per_s: float = 1_000.0) -> None:
        self.clock = ManualClock()
        self._limit = RateLimit(Response(), self.clock, per_s=per_s, burst=burst)  # type: ignore[arg-type]

    def ask(self, path: str, client: str = "192.0.2.1", token: str = "") -> tuple[int, str | None]:
        """The status, and when to come back."""
        started: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.append(message)

        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope = {"type": "http", "path": path, "headers": headers, "client": (client, 1), "method": "POST"}
        asyncio.run(self._limit(scope, None, send))  # type: ignore[arg-type]
        (answer,) = started
        return answer["status"], dict(answer["headers"]).get(b"retry-after", b"").decode() or None


def test_tokens_are_given_out_slowly(home: TestHome) -> None:
    """Each would bring its own allowance, so a made-up token does not help either."""
    limited = Limited()
    assert {limited.ask(MINT_PATH) for _ in range(MINT_BURST)} == {(200, None)}
    assert limited.ask(MINT_PATH) == (429, "1")
    assert limited.ask(MINT_PATH, token="made-up") == (429, "1")
    assert limited.ask("/api/v2/items") == (200, None)
    assert limited.ask(MINT_PATH, "192.0.2.2") == (200, None)
    limited.clock.advance(round(1_000 / MINT_PER_S))
    assert [limited.ask(MINT_PATH)[0] for _ in range(2)] == [200, 429]
    assert MINT_PATH in create_app(home, options()).openapi()["paths"]


def test_tokens_are_given_out_no_faster_than_anything_else() -> None:
    limited = Limited(burst=3)
    assert [limited.ask(MINT_PATH, token=str(n))[0] for n in range(4)] == [200, 200, 200, 429]


def test_an_address_is_given_four_times_what_a_token_is_also_in_the_long_run() -> None:
    limited = Limited(burst=1, per_s=1.0)
    asked = lambda: [limited.ask("/api/v2/items", token=str(n))[0] for n in range(6)]  # noqa: E731
    assert asked() == [200] * 4 + [429] * 2
    limited.clock.advance(1_000)
    assert asked() == [200] * 4 + [429] * 2


def test_a_stream_counts_for_the_address_only_and_what_is_called_like_one_does_not() -> None:
    for path, allowed in (
        ("/api/v2/stream", 12),
        ("/api/v2/configurations/c1/stream", 12),
        ("/api/v2/items/x/stream", 3),
        ("/api/v2/configurations/a/b/stream", 3),
    ):
        limited = Limited(burst=3)
        assert [limited.ask(path, token="one")[0] for _ in range(13)].count(200) == allowed, path


def test_who_asked_longest_ago_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up tokens cost us no memory."""
    monkeypatch.setattr("api.rate.MAX_KNOWN", 3)
    allowance = Allowance(ManualClock(), per_s=0.001, burst=1)
    assert [allowance.take(key) for key in "abc"] == [0, 0, 0]
    assert allowance.take("a") > 0
    assert allowance.take("d") == 0
    assert allowance.take("a") > 0, "it asked since"
    assert allowance.take("b") == 0, "it is as good as new"
    for number in range(100):
        allowance.take(str(number))
    assert len(allowance._left) == 3
