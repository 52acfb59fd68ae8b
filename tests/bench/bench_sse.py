"""Fan-out of the event stream, beside sse-starlette in the same run: `python tests/bench/bench_sse.py [--seconds 10]`.

Per variant and load: latency from the change being there to the client having read it (p50, p99; same machine, one
monotonic clock), CPU cores and bytes of memory per connection of the server process, and for every client the sequence
of its events (missing, duplicate). Writes build/bench/sse.json. No bar is asserted here; they are printed.
"""

import argparse
import asyncio
import gc
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.report import stamped  # noqa: E402

LOADS = ((1_000, 10.0), (5_000, 1.0))
BARS = {(1_000, 10.0): "p99 <= 100 ms, <= 0.25 core, <= 20 KB each", (5_000, 1.0): "p99 <= 1 s"}
VARIANTS = ("candlewick", "sse-starlette")
#: The id of an event that carries a bucket: `<epoch>.<lane>:<position in base 36>`, one position per event here.
SEQUENCE = re.compile(rb"id: g1\.0:([0-9a-z]+)\r?\nevent: bucket_update")
STAMP = re.compile(rb'"rev":(\d+)')
CONNECT_AT_ONCE = 100


# ---- the server's side ----------------------------------------------------------------------------------------------
def bucket_of(sequence: int) -> Any:
    """A final bucket that carries its time (`rev`, monotonic microseconds)."""
    from contracts.bucket import Bucket, BucketKey, Summary

    summary = Summary(sequence, 0, 9000, -9000, 100, 0, "a", -100, 60_000, "b", 1, 2, 3, ("rss",), ("model-1",))
    stamp = time.monotonic_ns() // 1000
    return Bucket(
        BucketKey("AAPL", "1m", 1_766_310_000_000 + 60_000 * (sequence % 100)), summary, b"", (), stamp, 0, False
    )


class Feed:
    """A change log that grows at a rate, with the interface of a BucketStore that wakes its readers."""

    def __init__(self, rate: float) -> None:
        self.log: list[Any] = []
        self.condition = threading.Condition()
        self.gap_s = 1 / rate
        self.go = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        from contracts.ports import Change, StoredChange

        due = time.monotonic()
        while True:
            due = max(due + self.gap_s, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            if not self.go:
                continue
            with self.condition:
                sequence = len(self.log) + 1
                change = Change("g1", "AAPL", (bucket_of(sequence),), (), 1, 1)
                self.log.append(StoredChange("shardId-000000000000", sequence, change))
                self.condition.notify_all()

    def seen(self) -> int:
        return len(self.log)

    def wait(self, seen: int, timeout_ms: float) -> bool:
        with self.condition:
            return self.condition.wait_for(lambda: len(self.log) > seen, timeout_ms / 1000)

    def changes_head(self) -> dict[str, int]:
        return {"shardId-000000000000": len(self.log)} if self.log else {}

    def changes_tail(self) -> dict[str, int]:
        return {"shardId-000000000000": 1} if self.log else {}

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1_000) -> list[Any]:
        at = cursor.get("shardId-000000000000", 0)
        return self.log[at : at + limit]

    def range(self, *_: Any, **__: Any) -> list[Any]:
        return []


def watch_stdin(feed: Feed) -> None:
    """`go` on standard input starts the events, `stop` stops them."""

    def run() -> None:
        for line in sys.stdin:
            feed.go = line.strip() == "go"

    threading.Thread(target=run, daemon=True).start()


def serve_ours(port: int, rate: float) -> None:
    from types import SimpleNamespace

    from api.app import create_app
    from api.options import ApiOptions
    from api.server import bind, make_server, settle_memory
    from contracts.clock import SystemClock
    from tests.fakes.stores import FakeControl, FakeItems, FakeSecrets

    feed = Feed(rate)
    home = SimpleNamespace(
        buckets=feed, items=FakeItems(), control=FakeControl(), secrets=FakeSecrets(), clock=SystemClock()
    )
    options = ApiOptions(max_connections=10_000, rate_per_s=1e6, rate_burst=1_000_000)  # type: ignore[call-arg]
    app = create_app(home, options)  # type: ignore[arg-type]
    watch_stdin(feed)
    server = make_server(app)
    settle_memory()
    asyncio.run(server.serve(sockets=[bind("127.0.0.1", port)]))


def serve_peer(port: int, rate: float) -> None:
    import uvicorn
    from sse_starlette import EventSourceResponse, ServerSentEvent
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route

    from api.server import settle_memory
    from api.sse.cursor import encode_vector
    from api.sse.slots import bucket_event
    from contracts.clock import SystemClock

    feed = Feed(rate)
    queues: set[asyncio.Queue[tuple[str, str]]] = set()

    async def pump() -> None:
        at = 0
        while True:
            await asyncio.to_thread(feed.wait, at, 250.0)
            for stored in feed.log[at:]:
                at += 1
                event = bucket_event(stored.change.buckets[0], 1, SystemClock().now_ms())
                data = event.body.split(b"data: ", 1)[1].strip().decode()
                identity = f"g1.{encode_vector({stored.lane: stored.sequence})}"
                for queue in queues:
                    queue.put_nowait((identity, data))

    async def events(request: Request) -> AsyncIterator[ServerSentEvent]:
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        queues.add(queue)
        try:
            yield ServerSentEvent(data="{}", event="hello", sep="\n")
            while True:
                identity, data = await queue.get()
                yield ServerSentEvent(data=data, event="bucket_update", id=identity, sep="\n")
        finally:
            queues.discard(queue)

    async def stream(request: Request) -> EventSourceResponse:
        return EventSourceResponse(events(request), ping=10, sep="\n")

    tasks: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            tasks.append(asyncio.create_task(pump()))
        await routes(scope, receive, send)

    routes = Starlette(routes=[Route("/api/v2/stream", stream)])
    watch_stdin(feed)
    settle_memory()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", backlog=4096, access_log=False)


# ---- the clients' side -----------------------------------------------------------------------------------------------
class Client(asyncio.Protocol):
    """One client: checks that the ids it reads follow one another, notes each event's age."""

    __slots__ = ("ages_us", "buffer", "duplicate", "last", "missing", "opened", "transport")

    def __init__(self, ages_us: list[int], opened: "asyncio.Future[None]") -> None:
        self.ages_us = ages_us
        self.opened = opened
        self.buffer = b""
        self.last = 0
        self.missing = 0
        self.duplicate = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(  # type: ignore[attr-defined]
            b"GET /api/v2/stream?tickers=AAPL&resolutions=1m HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        now_us = time.monotonic_ns() // 1000
        if not self.opened.done() and b"event: hello" in self.buffer + data:
            self.opened.set_result(None)
        data = self.buffer + data
        head, separator, self.buffer = data.rpartition(b"\n\n")
        if not separator:
            return
        for found in SEQUENCE.findall(head):
            sequence = int(found, 36)
            if sequence <= self.last:
                self.duplicate += 1
            else:  # every client is there before the first event
                self.missing += sequence - self.last - 1
            self.last = max(self.last, sequence)
        self.ages_us.extend(now_us - int(found) for found in STAMP.findall(head))


async def measure(
    port: int, process: "subprocess.Popen[bytes]", clients: int, rate: float, seconds: float
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    ages_us: list[int] = []
    # The first request imports and allocates what all share.
    ready: asyncio.Future[None] = loop.create_future()
    _, first = await loop.create_connection(lambda: Client([], ready), "127.0.0.1", port)
    await asyncio.wait_for(ready, 20)
    first.transport.abort()  # type: ignore[attr-defined]
    idle = rss_bytes(process.pid)
    made: list[Client] = []
    for at in range(0, clients, CONNECT_AT_ONCE):
        futures = []
        for _ in range(min(CONNECT_AT_ONCE, clients - at)):
            opened: asyncio.Future[None] = loop.create_future()
            _, client = await loop.create_connection(lambda o=opened: Client(ages_us, o), "127.0.0.1", port)
            made.append(client)
            futures.append(opened)
        await asyncio.wait_for(asyncio.gather(*futures), 60)
    # The clients' own collections would show as latency of either server.
    gc.collect()
    gc.disable()
    await asyncio.sleep(0.5)
    each = (rss_bytes(process.pid) - idle) / clients
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    await asyncio.sleep(1.0)
    ages_us.clear()
    cpu, began = cpu_s(process.pid), time.monotonic()
    await asyncio.sleep(seconds)
    cores = (cpu_s(process.pid) - cpu) / (time.monotonic() - began)
    ages = sorted(ages_us)
    process.stdin.write(b"stop\n")
    process.stdin.flush()
    # What was on its way arrives; what has not by then is missing.
    await asyncio.sleep(max(3.0, 2 / rate))
    last = max(client.last for client in made)
    for client in made:
        client.transport.abort()  # type: ignore[attr-defined]
    return {
        "clients": clients,
        "rate_per_s": rate,
        "events": len(ages),
        "p50_ms": round(ages[len(ages) // 2] / 1000, 1),
        "p99_ms": round(ages[len(ages) * 99 // 100] / 1000, 1),
        "cores": round(cores, 3),
        "bytes_per_connection": round(each),
        "missing": sum(client.missing for client in made) + sum(last - client.last for client in made),
        "duplicate": sum(client.duplicate for client in made),
    }


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def run_one(variant: str, clients: int, rate: float, seconds: float) -> dict[str, Any]:
    port = free_port()
    command = [sys.executable, __file__, "--serve", variant, "--port", str(port), "--rate", str(rate)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        wait_for_port(port)
        return {"variant": variant} | asyncio.run(measure(port, process, clients, rate, seconds))
    finally:
        gc.enable()
        process.send_signal(signal.SIGKILL)
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--loads", default="", help="as 1000x10,5000x1")
    parser.add_argument("--output", default=str(ROOT / "build" / "bench" / "sse.json"))
    parser.add_argument("--serve", choices=VARIANTS)
    parser.add_argument("--port", type=int)
    parser.add_argument("--rate", type=float, default=1.0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if arguments.serve:
        (serve_ours if arguments.serve == "candlewick" else serve_peer)(arguments.port, arguments.rate)
        return
    loads = [tuple(map(float, part.split("x"))) for part in arguments.loads.split(",") if part] or LOADS
    rows = []
    for clients, rate in loads:
        for variant in arguments.variants.split(","):
            row = run_one(variant, int(clients), rate, arguments.seconds)
            rows.append(row)
            print(json.dumps(row), f"  bar: {BARS.get((int(clients), rate), '-')}", flush=True)
    output = Path(arguments.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(stamped({"runs": rows, "seconds": arguments.seconds}), indent=2) + "\n")


if __name__ == "__main__":
    main()
