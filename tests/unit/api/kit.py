"""What the API's tests share: a home on real SQLite stores, buckets made of events, clients in process and on a
socket."""

import asyncio
import contextlib
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.keyring import Keyring
from api.options import ApiOptions
from api.server import bind, make_server
from api.stream_answers import EVENTS
from contracts.bucket import Bucket, BucketKey, BucketWrite, Summary
from contracts.errors import Transient
from contracts.hashing import packed_hash
from contracts.identity import event_id
from contracts.instants import iso_ms
from contracts.ports import Change, NewEvent
from contracts.resolution import NAMES, WIDTH_MS, window_start_ms
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_items import SqliteItemStore
from tests.clocks import SteadyClock
from tests.fakes.stores import FakeSecrets

LANE = "shardId-000000000000"
NOW_MS = 1_766_310_000_000  # 2025-12-21T09:40:00Z
#: A replay run as `ops/replay/runs.py` keeps it.
RUN = {
    "id": "r1", "plan": "9f2c", "generation": "g2", "state": "running", "model": None,
    "planned_at": "2025-12-21T09:00:00.000Z", "created_at": "2025-12-21T09:00:00.000Z",
    "units_total": 10, "units_done": 4,
}  # fmt: skip


class Outage:
    """A store that can be told to be down or slow; everything else is the store's own."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner = inner
        self.fault: Exception = Transient(name, "told to be down")
        self.down = False
        self.slow = threading.Event()
        self.slow.set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in ("seen", "wake", "close"):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            if self.down:
                raise self.fault
            assert self.slow.wait(20.0), "nobody ended the slowness"
            return found(*arguments, **named)

        return call


@dataclass
class TestHome:
    """Stores in a folder, each behind an `Outage`."""

    __test__ = False
    path: Path
    clock: SteadyClock = field(default_factory=lambda: SteadyClock(NOW_MS))
    secrets: FakeSecrets = field(default_factory=FakeSecrets)

    def __post_init__(self) -> None:
        self.buckets: Any = Outage(SqliteBucketStore(self.path / "buckets.db", "normal"), "buckets")
        self.items: Any = Outage(SqliteItemStore(self.path / "items.db", self.clock, "normal"), "items")
        self.control: Any = Outage(SqliteControlStore(self.path / "control.db", self.clock, "normal"), "control")

    def close(self) -> None:
        for store in (self.buckets, self.items, self.control):
            store.close()


@dataclass(frozen=True)
class Told:
    """One scored event, as a test tells it."""

    subject: str
    at_ms: int
    polarity_e4: int
    article: str

    @property
    def identity(self) -> str:
        return event_id(self.article, self.subject)


def summary_of(events: Sequence[Told], model: str = "model-1") -> Summary:
    ordered = sorted(events, key=lambda event: (event.at_ms, event.identity))
    values = [event.polarity_e4 for event in ordered]
    first, last = ordered[0], ordered[-1]
    return Summary(
        count=len(ordered),
        sum_e4=sum(values),
        high_e4=max(values),
        low_e4=min(values),
        open_e4=first.polarity_e4,
        open_ms=first.at_ms,
        open_id=first.identity,
        close_e4=last.polarity_e4,
        close_ms=last.at_ms,
        close_id=last.identity,
        positive=sum(value > 0 for value in values),
        neutral=sum(value == 0 for value in values),
        negative=sum(value < 0 for value in values),
        sources=("test",),
        model_versions=(model,),
    )


def keyring(home: TestHome, secrets: FakeSecrets | None = None, days: int = 30) -> Keyring:
    return Keyring(home.control, secrets or FakeSecrets(), home.clock, days)


class Line:
    """A stand-in for the aggregator: keeps what it was told, writes the buckets touched and a change per subject."""

    def __init__(self, home: TestHome, generation: str = "g1", lane: str = LANE, model: str = "model-1") -> None:
        self.model = model
        self.home = home
        self.generation = generation
        self.lane = lane
        self.told: dict[str, dict[str, Told]] = {}

    def tell(self, *events: Told, resolutions: Sequence[str] = NAMES, logged: bool = True) -> None:
        """One batch; unless `logged` the buckets alone, as a generation that is not live is caught up."""
        writes: list[BucketWrite] = []
        changes: list[Change] = []
        for subject in dict.fromkeys(event.subject for event in events):
            known = self.told.setdefault(subject, {})
            news = [e for e in events if e.subject == subject and e.identity not in known]
            known |= {event.identity: event for event in news}
            touched = self._touched(subject, news, resolutions)
            writes += touched
            slim = tuple(
                Bucket(w.bucket.key, w.bucket.summary, b"", (),
                       w.bucket.rev, w.bucket.last_updated_ms, w.bucket.is_partial) for w in touched
            )  # fmt: skip
            told = tuple(
                NewEvent(e.identity, e.article, iso_ms(e.at_ms), "test", "neutral", e.polarity_e4) for e in news
            )
            now_ms = self.home.clock.now_ms()
            changes.append(Change(self.generation, subject, slim, told, now_ms - 1_000, now_ms))
        failed = self.home.buckets.commit(self.generation, writes, changes if logged else (), self.lane)
        assert failed == []

    def _touched(self, subject: str, news: list[Told], resolutions: Sequence[str]) -> list[BucketWrite]:
        keys = dict.fromkeys(
            BucketKey(subject, name, window_start_ms(event.at_ms, WIDTH_MS[name]))
            for name in resolutions
            for event in news
        )
        stored = self.home.buckets.get_many(self.generation, list(keys))
        writes = []
        for key in keys:
            end_ms = key.start_ms + WIDTH_MS[key.resolution]
            inside = [event for event in self.told[subject].values() if key.start_ms <= event.at_ms < end_ms]
            members = b"".join(packed_hash(e.identity) for e in inside) if key.resolution == "1m" else b""
            rev = stored[key].rev if key in stored else 0
            now_ms = self.home.clock.now_ms()
            bucket = Bucket(key, summary_of(inside, self.model), members, (), rev + 1, now_ms, end_ms > now_ms)
            writes.append(BucketWrite(bucket, rev))
        return writes

    def item(self, event: Told, **changes: Any) -> dict[str, Any]:
        """Write the primary item of an event's article."""
        ticker = not event.subject.startswith("tag:")
        item = {
            "source_id": event.article,
            "ingested_at": iso_ms(event.at_ms + 2_000),
            "source_type": "test",
            "source_url": f"https://example.com/{event.article[-4:]}",
            "text_snippet": "words",
            "sentiment": "neutral",
            "score": 0.9,
            "polarity": event.polarity_e4 / 10_000,
            "model_version": "model-1",
            "matched_tags": [] if ticker else [event.subject.removeprefix("tag:")],
            "matched_tickers": [event.subject] if ticker else [],
            "status": "analyzed",
            "metadata": {
                "author": None,
                "title": f"About {event.subject}",
                "published_at": iso_ms(event.at_ms),
                "source_name": "The Test",
            },
            "sources": [{"article_id": event.article, "source": "test"}],
            "story_key": "story",
            "raw_key": "raw/source=test/date=2025-12-21/x",
        } | changes
        self.home.items.put_primary(item)
        return item


def article(number: int) -> str:
    return f"test#{number:016x}"


@contextlib.contextmanager
def made_home(path: Path) -> Iterator[TestHome]:
    home = TestHome(path)
    try:
        yield home
    finally:
        home.close()


@contextlib.asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client in process, with the application's life around it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        if app.state.services.live:
            await app.state.services.connections.ensure_started()
        yield client


def options(**changes: Any) -> ApiOptions:
    return ApiOptions.model_validate({"rate_per_s": 1e6, "rate_burst": 1_000_000} | changes)


@contextlib.asynccontextmanager
async def serving(home: Any, **changes: Any) -> AsyncIterator[tuple[str, FastAPI]]:
    """A real server on a free port of 127.0.0.1: its base URL and its application."""
    app = create_app(home, options(**changes))
    listener = bind("127.0.0.1", 0)
    server = make_server(app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    await app.state.services.connections.ensure_started()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", app
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def serving_in_thread(
    home: Any, settings: ApiOptions, actions: Mapping[str, Callable[..., dict[str, Any]]] | None = None
) -> Iterator[str]:
    """A real server for tests that are not asynchronous: its base URL. `actions`: what administrators may have done."""
    app = create_app(home, settings)
    app.state.services.actions.update(actions or {})
    listener = bind("127.0.0.1", 0)
    server = make_server(app, "critical")
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="served")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class Got:
    """One event a client got."""

    event: str
    data: Any
    id: str | None


async def events_of(response: httpx.Response) -> AsyncIterator[Got]:
    """The events of a stream, as they come; each is what the description says."""
    name, data, identity = "message", "", None
    async for line in response.aiter_lines():
        if line == "":
            if data:
                document = json.loads(data)
                EVENTS[name].model_validate(document)
                yield Got(name, document, identity)
            name, data = "message", ""
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data += line[6:]
        elif line.startswith("id: "):
            identity = line[4:]


class Listener:
    """A client that keeps everything it got."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self.headers = headers or {}
        self.got: list[Got] = []
        self.status = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ended = False

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
            await self._task

    async def _run(self) -> None:
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream("GET", self.url, headers=self.headers) as response,
        ):
            self.status = response.status_code
            with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
                async for got in events_of(response):
                    self.got.append(got)
                    self._changed.set()
        self.ended = True
        self._changed.set()

    async def until(self, ready: Any, seconds: float = 10.0) -> None:
        """Wait until `ready(self)`; a failure shows what was got."""
        async with asyncio.timeout(seconds):
            while not ready(self):
                self._changed.clear()
                await self._changed.wait()

    def named(self, name: str) -> list[Got]:
        return [got for got in self.got if got.event == name]

    @property
    def last_id(self) -> str | None:
        return next((got.id for got in reversed(self.got) if got.id), None)


def live(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """An asynchronous test, with a bound on how long it may hang."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), 60))

    return run
