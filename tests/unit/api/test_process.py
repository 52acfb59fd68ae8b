"""The composition roots as processes: the stream application under uvicorn, killed and told to stop; the Lambda."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.bucket import Bucket, BucketKey, BucketWrite
from contracts.clock import SystemClock
from contracts.generation import LOG
from contracts.ports import Change
from contracts.resolution import MINUTE_MS
from contracts.settings import Settings
from stores.home import Home, close_home, open_home
from tests.unit.api.kit import LANE, Listener, Told, article, live, summary_of

ROOT = Path(__file__).parents[3]
UVICORN = ["-m", "uvicorn", "api.stream_app:app", "--log-level", "warning", "--host", "127.0.0.1", "--port"]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Home]:
    """A home that other processes open too."""
    settings = Settings(data_dir=str(tmp_path), synchronous="normal")  # type: ignore[call-arg]
    yield open_home(settings, SystemClock())
    close_home(settings)


class Writer:
    """Writes one 1m bucket again and again: revision 1, 2, 3 …"""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.rev = 0
        now_ms = home.clock.now_ms()
        self.start_ms = now_ms - now_ms % MINUTE_MS - 5 * MINUTE_MS

    def write(self) -> None:
        self.rev += 1
        events = [Told("AAPL", self.start_ms + n, 100, article(n)) for n in range(self.rev)]
        bucket = Bucket(BucketKey("AAPL", "1m", self.start_ms), summary_of(events), b"", (), self.rev, 0, False)
        now_ms = self.home.clock.now_ms()
        change = Change("g1", "AAPL", (bucket,), (), now_ms, now_ms)
        assert self.home.buckets.commit("g1", [BucketWrite(bucket, self.rev - 1)], [change], LANE) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(data_dir: Path, command: list[str]) -> AsyncIterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server process that answers, and its base URL."""
    port = free_port()
    env = os.environ | {"CANDLEWICK_DATA_DIR": str(data_dir), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    arguments = [str(port) if part == "PORT" else part for part in command]
    process = subprocess.Popen([sys.executable, *arguments], env=env, cwd=ROOT, stderr=subprocess.PIPE)
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{base}/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield base, process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@live
async def test_a_client_of_a_killed_process_goes_on_at_another_process(shared: Home, tmp_path: Path) -> None:
    writer = Writer(shared)
    async with (
        running(tmp_path, [*UVICORN, "PORT"]) as (first, process),
        running(tmp_path, ["-m", "api.stream_app"]) as (second, _),
    ):
        seen: list[int] = []
        async with Listener(f"{first}/api/v2/stream?tickers=AAPL") as client:
            await client.until(lambda c: c.named("snapshot"))
            for _ in range(5):
                writer.write()
            await client.until(lambda c: len(c.named("bucket_update")) >= 3)
            process.send_signal(signal.SIGKILL)
            await client.until(lambda c: c.ended)
            seen += [got.data["bucket"]["rev"] for got in client.named("bucket_update")]
            last = client.last_id
        for _ in range(5):
            writer.write()
        assert last is not None
        async with Listener(f"{second}/api/v2/stream?tickers=AAPL", {"Last-Event-ID": last}) as client:
            await client.until(
                lambda c: c.named("bucket_update") and c.named("bucket_update")[-1].data["bucket"]["rev"] == 10
            )
            assert client.got[0].data["resumed"] is True
            seen += [got.data["bucket"]["rev"] for got in client.named("bucket_update")]
        assert seen == list(range(1, 11))


@pytest.mark.slow
@pytest.mark.parametrize("command", [[*UVICORN, "PORT"], ["-m", "api.stream_app"]], ids=["uvicorn", "own"])
@live
async def test_sigterm_says_bye_and_the_process_ends(shared: Home, tmp_path: Path, command: list[str]) -> None:
    async with running(tmp_path, command) as (base, process), Listener(f"{base}/api/v2/stream") as client:
        await client.until(lambda c: c.named("snapshot"))
        process.send_signal(signal.SIGTERM)
        await client.until(lambda c: c.ended)
        assert client.got[-1].event == "bye"
        assert client.got[-1].data["reason"] == "shutdown"
        await asyncio.wait_for(asyncio.to_thread(process.wait), 20)


def test_the_lambda_answers_an_http_api_event(shared: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.handler import adapter, lambda_handler

    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CANDLEWICK_SYNCHRONOUS", "normal")
    Writer(shared).write()
    adapter.cache_clear()
    try:
        for path, query, status in (
            ("/api/v2/timeseries/AAPL", "resolution=1m", 200),
            ("/api/v2/timeseries/AAPL", "resolution=3m", 400),
            ("/api/v2/changes", "tickers=AAPL", 200),
            ("/api/v2/stream", "", 501),
            ("/ready", "", 200),
        ):
            answer = lambda_handler(_http_event(path, query), None)
            assert answer["statusCode"] == status, answer
            assert json.loads(answer["body"])
    finally:
        adapter.cache_clear()


def test_both_programs_know_the_names_of_companies(
    shared: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.handler import adapter
    from api.stream_app import make_app

    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CANDLEWICK_SYNCHRONOUS", "normal")
    adapter.cache_clear()
    try:
        for make in (lambda: adapter().app, make_app):
            services = make().state.services  # type: ignore[attr-defined]
            assert services.names["AAPL"] == "Apple Inc."
            services.epoch.refresh()
            assert shared.control.get(*LOG).value, "its change log has a name"
            shared.control.delete(*LOG)
    finally:
        adapter.cache_clear()


def test_an_answer_that_lambda_would_not_take_says_how_to_ask_for_less(
    shared: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api import handler

    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CANDLEWICK_SYNCHRONOUS", "normal")
    Writer(shared).write()
    event = _http_event("/api/v2/timeseries", "tickers=AAPL&resolution=1m")
    handler.adapter.cache_clear()
    try:
        whole = handler.lambda_handler(event, None)
        size = len(json.dumps(whole, ensure_ascii=False))
        # It tells how long it took, so the next one may be a little shorter or longer.
        monkeypatch.setattr(handler, "MAX_ANSWER_BYTES", size + 20)
        assert handler.lambda_handler(event, None)["statusCode"] == 200
        monkeypatch.setattr(handler, "MAX_ANSWER_BYTES", size - 20)
        refused = handler.lambda_handler(event, None)
    finally:
        handler.adapter.cache_clear()
    problem = json.loads(refused["body"])
    assert (refused["statusCode"], problem["status"], problem["instance"]) == (400, 400, "/api/v2/timeseries")
    assert "limit" in problem["detail"]
    assert refused["headers"]["content-type"] == "application/problem+json"
    assert refused["headers"]["x-request-id"]
    assert int(refused["headers"]["content-length"]) == len(refused["body"])
    assert "etag" not in refused["headers"]


def _http_event(path: str, query: str) -> dict[str, Any]:
    """An event of an API Gateway HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "x.execute-api.us-east-1.amazonaws.com", "accept": "application/json"},
        "requestContext": {
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "stage": "$default",
            "requestId": "1",
            "accountId": "0",
        },
        "isBase64Encoded": False,
    }


def test_settings_that_cannot_be_are_named_at_the_start(tmp_path: Path) -> None:
    env = os.environ | {"CANDLEWICK_DATA_DIR": str(tmp_path), "CANDLEWICK_RATE_BURST": "many", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "api.stream_app"], env=env, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"CANDLEWICK_RATE_BURST='many'" in done.stderr
    assert b"Traceback" not in done.stderr
