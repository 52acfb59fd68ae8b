"""Many series: what reads all of them does so in pieces, once for all who ask, and goes on where it stood."""

import asyncio
import threading
from typing import Any

import pytest

from api.app import create_app
from api.sse.filters import make_filter
from contracts.errors import Transient
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options, serving

NAMES = [f"S{number:03d}" for number in range(40)]


@pytest.fixture
def asked(home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forty subjects, read four at a time, and the subjects whose buckets were asked for."""
    monkeypatch.setattr("api.pieces.PIECE", 4)
    line.tell(
        *(Told(name, NOW_MS - 60_000, 100, article(at)) for at, name in enumerate(NAMES)),
        resolutions=["1m", "1h", "24h"],
    )
    asked: list[str] = []
    inner = home.buckets._inner.range

    def range_of(generation: str, subject: str, *arguments: Any, **named: Any) -> Any:
        asked.append(subject)
        return inner(generation, subject, *arguments, **named)

    home.buckets.range = range_of
    return asked


class Watch:
    """Runs calls, and knows the most series that one of them asked for."""

    def __init__(self, run: Any, asked: list[str]) -> None:
        self._run, self._asked, self.most = run, asked, 0

    async def __call__(self, dependency: str, function: Any, *arguments: Any) -> Any:
        before = len(self._asked)
        found = await self._run(dependency, function, *arguments)
        self.most = max(self.most, len(self._asked) - before)
        return found


@live
async def test_the_subjects_are_read_in_pieces_and_once_for_all_who_ask(home: TestHome, asked: list[str]) -> None:
    app = create_app(home, options())
    async with calling(app) as client:
        services, watch = app.state.services, Watch(app.state.services.run, asked)
        services.run = watch
        answers = await asyncio.gather(*(client.get("/api/v2/subjects") for _ in range(12)))
        assert [len(answer.json()["subjects"]) for answer in answers] == [40] * 12
        assert sorted(asked) == NAMES
        assert watch.most < len(NAMES), "one call reads them all"
        assert (await client.get("/api/v2/subjects")).json() == answers[0].json()
        assert len(asked) == 40


@pytest.mark.parametrize("live_process", [True, False], ids=["live", "buffered"])
@live
async def test_who_polls_everything_first_waits_for_no_single_call(
    home: TestHome, asked: list[str], live_process: bool
) -> None:
    app = create_app(home, options(), live=live_process)
    async with calling(app) as client:
        services, watch = app.state.services, Watch(app.state.services.run, asked)
        services.run = services.opener._run = watch
        first, again = [(await client.get("/api/v2/changes?resolutions=1m,1h,24h")) for _ in range(2)]
        answer = first.json()
        assert (answer["resumed"], answer["reason"], answer["cursor"]) == (False, "first", "g1.0:14")
        assert len(answer["events"][0]["data"]["series"]) == 3 * len(NAMES)
        assert first.headers["content-encoding"] == "gzip"
        assert again.json() == answer
        assert 0 < watch.most < 3 * len(NAMES), "one call reads them all"
        assert len(asked) == 3 * len(NAMES) * (1 if live_process else 2), "a live process remembers"
        same = {"If-None-Match": first.headers["etag"]}
        assert (await client.get("/api/v2/changes?resolutions=1m,1h,24h", headers=same)).status_code == 304


@live
async def test_what_could_not_be_read_is_not_kept(home: TestHome, line: Line) -> None:
    line.tell(Told("AAPL", NOW_MS - 60_000, 100, article(1)))
    async with calling(create_app(home, options())) as client:
        home.buckets.down = True
        assert (await client.get("/api/v2/subjects")).status_code == 503
        home.buckets.down = False
        assert (await client.get("/api/v2/subjects")).status_code == 200


@live
async def test_a_stream_of_all_goes_on_reading_where_it_stood(home: TestHome, asked: list[str]) -> None:
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        everything = make_filter(None, ["1m"])
        inner = home.buckets.range

        def until_it_breaks(*arguments: Any, **named: Any) -> Any:
            if len(asked) >= 20:
                raise Transient("buckets", "told to be down")
            return inner(*arguments, **named)

        home.buckets.range = until_it_breaks
        with pytest.raises(Transient):
            await services.opener.snapshot(everything)
        home.buckets.range = inner
        before = len(asked)
        (slot, _), *others = await asyncio.gather(*(services.opener.snapshot(everything) for _ in range(12)))
        assert [row["ticker"] for row in slot.events[0].data["series"]] == NAMES
        assert all(other == slot for other, _ in others)
        assert len(asked) - before < len(NAMES)
        assert set(asked) == set(NAMES)


@live
async def test_a_subject_that_comes_while_all_are_read_is_in_the_snapshot(
    home: TestHome, line: Line, asked: list[str]
) -> None:
    """Its change stands before the snapshot's place, so nothing else would tell of it."""
    async with serving(home) as (_, app):
        services = app.state.services
        read, go_on = asyncio.Event(), threading.Event()
        loop, inner = asyncio.get_running_loop(), home.buckets.range

        def slow(*arguments: Any, **named: Any) -> Any:
            loop.call_soon_threadsafe(read.set)
            assert go_on.wait(20)
            return inner(*arguments, **named)

        home.buckets.range = slow
        opening = asyncio.create_task(services.opener.snapshot(make_filter(None, ["1m"])))
        await read.wait()
        line.tell(Told("NEW", NOW_MS - 60_000, 100, article(99)))
        while services.hub.vector != home.buckets.changes_head():
            await asyncio.sleep(0.005)
        go_on.set()
        slot, index = await opening
        assert index == services.hub.ring.next_index
        assert "NEW" in [row["ticker"] for row in slot.events[0].data["series"]]
