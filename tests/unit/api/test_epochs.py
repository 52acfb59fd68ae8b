"""What happens at the wrong moment: another generation goes live while a stream opens; rights that are missing; names
that nobody has."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.sse import opening as opening_module
from api.sse import slots as slots_module
from api.sse.cursor import decode_point
from api.sse.filters import make_filter
from api.sse.latest import Latest
from api.sse.opening import Start
from api.sse.ring import Ring
from api.sse.stream import EventStream
from contracts.errors import Transient, Unusable
from contracts.instants import iso_ms
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, calling, live, options, serving

WANTED = make_filter(["AAPL"], ["1m"])
DENIED = Unusable("dynamodb: AccessDeniedException: not authorised; check the credentials and the role's policy")


def told(number: int, polarity_e4: int = 100) -> Told:
    return Told("AAPL", NOW_MS - 180_000, polarity_e4, article(number))


async def heard(stream: EventStream) -> list[bytes]:
    """What a stream says until its end, event by event."""
    said = bytearray()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    async def send(message: dict[str, Any]) -> None:
        said.extend(message.get("body", b""))

    stream._connections.reserve("")
    await asyncio.wait_for(stream({"http_version": "1.1"}, receive, send), 10)  # type: ignore[arg-type]
    return bytes(said).split(b"\n\n")[:-1]


def epoch_of_the_test(services: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes another generation live for the hub; the thread that asks the store, where g1 goes on, is not heard."""
    check: Callable[[str], None] = services.hub._check_epoch
    monkeypatch.setattr(services.hub, "_check_epoch", lambda epoch: None)
    return check


@live
async def test_a_generation_that_goes_live_while_a_stream_opens_ends_it(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opening was read of g1, and this connection was not yet among those that are told."""
    line.tell(told(1))
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        go_live = epoch_of_the_test(services, monkeypatch)
        opening = await services.opener.open(Start(None, None), WANTED)
        go_live("g2")
        events = await heard(EventStream(services.connections, WANTED, opening, None))
        assert b'"epoch":"g1"' in events[0]
        assert b'"reason":"epoch_changed"' in events[-1]


@pytest.mark.parametrize("place", [None, "g1.0:1"], ids=["first", "resuming"])
@live
async def test_what_was_read_of_half_a_generation_is_read_again(
    home: TestHome, line: Line, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.tell(told(1))
    line.tell(told(2))
    Line(home, "g2", lane="replay").tell(told(1, -700))
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        go_live = epoch_of_the_test(services, monkeypatch)
        plain = services.opener._run

        async def run(dependency: str, function: Any, *arguments: Any) -> Any:
            found = await plain(dependency, function, *arguments)
            if services.hub.generation == "g1":
                go_live("g2")
            return found

        monkeypatch.setattr(services.opener, "_run", run)
        start = Start(decode_point(place) if place else None, None)
        opening = await services.opener.open(start, WANTED)
        assert (opening.epoch, opening.resumed) == ("g2", False)
        assert opening.reason == ("epoch_changed" if place else "first")
        (slot,) = opening.slots
        assert slot.before.startswith("g2.")
        assert slot.events[0].data["series"][0]["final"]["open"] == -0.07


@live
async def test_a_store_without_rights_is_a_dependency_that_does_not_answer(home: TestHome, line: Line) -> None:
    """No headlines then, but the stream goes on; and nobody but the log is told what rights are missing."""
    home.items.fault = home.buckets.fault = DENIED
    home.items.down = True
    async with (
        serving(home, heartbeat_s=0.05) as (base, _),
        httpx.AsyncClient(base_url=base, timeout=60) as rest,
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as client,
    ):
        await client.until(lambda c: c.named("snapshot"))
        line.tell(told(1))
        await client.until(lambda c: c.named("new_item"))
        assert client.named("new_item")[0].data["title"] is None
        for url in ("/api/v2/items", "/ready"):
            answer = await rest.get(url)
            assert (answer.status_code, answer.json()["dependency"]) == (503, "items"), url
        assert "AccessDenied" not in (await rest.get("/api/v2/items")).text
        home.buckets.down = True
        await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "down")
        home.buckets.down = False
        line.tell(told(2))
        await client.until(lambda c: len(c.named("new_item")) == 2)
        await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "up")


@live
async def test_no_endpoint_answers_empty_while_the_stores_are_down(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    line.item(told(1))
    app = create_app(home, options())
    urls = [
        path.replace("{subject}", "AAPL").replace("{resolution}", "1m").replace("{start}", "2025-12-21T09:37:00Z")
        for path, operations in app.openapi()["paths"].items()
        if "get" in operations and not path.endswith(("/stream", "/health"))
    ]
    async with calling(app) as client:
        mine = {"Authorization": f"Bearer {(await client.post('/api/v2/auth/anonymous')).json()['token']}"}
        home.buckets.down = home.items.down = home.control.down = True
        for url in urls:
            url = url.replace("{b}", "another")
            for name in ("item_id", "identity", "name", "a"):
                url = url.replace("{" + name + "}", "0123456789abcdef")
            asked = {"resolution": "1m", "tickers": "AAPL"} if "/timeseries" in url else {}
            # A place in the log that memory does not reach.
            asked |= {"cursor": "7:1"} if url.endswith("/changes") else {}
            answer = await client.get(url, params=asked, headers=mine)
            assert (answer.status_code, bool(answer.json().get("dependency"))) == (503, True), (url, answer.text)


async def swap(home: TestHome, services: Any, generation: str, at_ms: int) -> None:
    """Make a generation live, as promote and rollback do, and wait until this process knows."""
    pointer = {"generation": generation, "swapped_at": iso_ms(at_ms), "settled": False}
    before = services.hub.swaps
    version = home.control.put("generation", "live", pointer)
    services.epoch.refresh()
    async with asyncio.timeout(10):
        while services.live and services.hub.swaps == before:
            await asyncio.sleep(0.02)
    home.control.put("generation", "live", pointer | {"settled": True}, version)


@pytest.mark.parametrize("live_process", [True, False], ids=["live", "buffered"])
@live
async def test_who_was_away_from_a_promotion_to_its_rollback_loads_afresh(
    home: TestHome, line: Line, live_process: bool
) -> None:
    """What was written meanwhile is added to the first generation without a change that would tell of it."""
    missed = Told("AAPL", NOW_MS - 60_000, -300, article(2))
    line.tell(told(1))
    other = Line(home, "g2", lane="replay")
    other.tell(told(1), logged=False)
    app = create_app(home, options(), live=live_process)
    async with calling(app) as client:
        services = app.state.services

        async def ask(place: str) -> dict[str, Any]:
            answer: dict[str, Any] = (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={place}")).json()
            return answer

        place = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()["stream_cursor"]
        await swap(home, services, "g2", NOW_MS)
        of_other = (await client.get("/api/v2/changes?tickers=AAPL")).json()["cursor"]
        other.tell(missed)
        line.tell(missed, logged=False)
        await swap(home, services, "g1", NOW_MS + 1)
        line.tell(told(3))
        for old in (place, of_other):
            answer = await ask(old)
            assert (answer["epoch"], answer["resumed"], answer["reason"]) == ("g1", False, "epoch_changed")
            assert answer["events"][0]["data"]["series"][0]["final"]["open"] == -0.03
        assert (await ask(answer["cursor"]))["resumed"]
        if live_process:
            page = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()
            assert (page["generation"], len(page["buckets"])) == ("g1", 2)
            assert (await ask(page["stream_cursor"]))["resumed"]
            opening = await services.opener.open(Start(decode_point(place), None), WANTED)
            assert (opening.resumed, opening.reason) == (False, "epoch_changed")
            hello, *_ = await heard(EventStream(services.connections, WANTED, opening, NOW_MS, over=True))
            assert b'"epoch":"g1"' in hello
        await swap(home, services, "g1", NOW_MS + 2)
        assert not (await ask(answer["cursor"]))["resumed"], "rolled back and promoted again"


@pytest.mark.parametrize("live_process", [True, False], ids=["live", "buffered"])
@live
async def test_no_place_that_was_given_out_goes_on_in_another_generation(
    home: TestHome, line: Line, live_process: bool
) -> None:
    line.tell(told(1))
    Line(home, "g2", lane="replay").tell(told(1, -700))
    app = create_app(home, options(), live=live_process)
    async with calling(app) as client:
        polled = (await client.get("/api/v2/changes?tickers=AAPL")).json()["cursor"]
        page = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()["stream_cursor"]
        assert {polled.partition(".")[0], page.partition(".")[0]} == {"g1"}
        bare = polled.partition(".")[2]
        assert (await client.get(f"/api/v2/changes?cursor={bare}")).json()["resumed"], "as clients of old send it"
        home.control.put("generation", "live", {"generation": "g2"})
        async with asyncio.timeout(10):
            hub, epoch = app.state.services.hub, app.state.services.epoch
            while (hub.generation if live_process else epoch.current()) != "g2":
                await asyncio.sleep(0.05)
        for place in (polled, page):
            answer = (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={place}")).json()
            assert (answer["resumed"], answer["reason"]) == (False, "epoch_changed")
            assert answer["events"][0]["data"]["series"][0]["final"]["open"] == -0.07


def test_names_that_were_asked_for_once_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.sse.latest.MAX_LOADED", 3)
    latest = Latest()
    names = [(f"T{number}", "1m") for number in range(5)]
    for each in names[:3]:
        latest.load(each, [])
    assert latest.missing(names[:1]) == []
    for each in names[3:]:
        latest.load(each, [])
    assert latest.missing(names) == [names[1], names[2]]


@live
async def test_opening_streams_counts_for_the_address(home: TestHome) -> None:
    """A flood of openings is told to wait, before any store is asked."""
    app = create_app(home, options(rate_per_s=0.001, rate_burst=2))
    async with calling(app) as client:
        home.control.down = True
        url = "/api/v2/configurations/0123456789abcdef/stream"
        answers = [await client.get(url, headers={"Authorization": f"Bearer {n}"}) for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 8 + [429] * 4
        assert 200 < int(answers[-1].headers["retry-after"]) <= 250


@live
async def test_a_token_in_the_cookie_has_its_own_allowance(home: TestHome) -> None:
    async with calling(create_app(home, options(rate_per_s=0.1, rate_burst=3))) as client:
        for cookie in ("a=1; candlewick_token=one", "candlewick_token=two; b=2"):
            asked = [await client.get("/api/v2/sources", headers={"Cookie": cookie}) for _ in range(4)]
            assert [answer.status_code for answer in asked] == [200, 200, 200, 429], cookie
            assert "this token" in asked[-1].json()["detail"]


@live
async def test_what_many_missed_is_read_once(home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has just begun remembers nothing, and everybody comes back from the same place."""
    for number in range(20):
        line.tell(told(number), resolutions=["1m"])
    reads: list[Any] = []
    plain = opening_module.missed_changes

    def counted(*arguments: Any) -> Any:
        reads.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(opening_module, "missed_changes", counted)
    app = create_app(home, options())
    async with calling(app):
        opener = app.state.services.opener
        start = Start(decode_point("g1.0:1"), None)
        openings = await asyncio.gather(*(opener.open(start, WANTED) for _ in range(200)))
        assert len(reads) == 1
        assert {b"".join(opening.parts(WANTED)).count(b"event: bucket_update") for opening in openings} == {19}
        await opener.open(start, make_filter(["AAPL"], ["1m", "5m"]))
        await opener.open(Start(decode_point("g1.0:2"), None), WANTED)
        assert len(reads) == 3


@live
async def test_what_many_missed_is_read_once_while_the_line_goes_on(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off the event loop, and without making events that the client did not ask for."""
    for number in range(20):
        line.tell(told(number), Told("MSFT", NOW_MS - 180_000, 1, article(number)), resolutions=["1m"])
    threads: list[threading.Thread] = []
    made: set[str] = set()
    read, make = opening_module.missed_changes, slots_module.bucket_event

    def missed_changes(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return read(*arguments)

    def bucket_event(bucket: Any, *arguments: Any) -> Any:
        if threading.current_thread() in threads:
            made.add(bucket.subject)
        return make(bucket, *arguments)

    monkeypatch.setattr(opening_module, "missed_changes", missed_changes)
    monkeypatch.setattr(slots_module, "bucket_event", bucket_event)
    app = create_app(home, options())
    async with calling(app):
        hub, opener = app.state.services.hub, app.state.services.opener
        start = Start(decode_point("g1.0:2"), None)
        for number in range(20, 30):
            opening = await opener.open(start, WANTED)
            said = b"".join(opening.parts(WANTED)) + hub.ring.read(opening.ring_index, WANTED)[0]
            assert said.count(b"event: bucket_update") == number - 1
            line.tell(told(number), resolutions=["1m"])
            while hub.vector != home.buckets.changes_head():
                await asyncio.sleep(0.005)
        assert len(threads) == 1
        assert threading.main_thread() not in threads
        assert made == {"AAPL"}
        hub.ring = Ring(capacity=4)
        hub.ring.next_index = opening.ring_index + 5
        assert (await opener.open(start, WANTED)).ring_index > opening.ring_index, "the ring no longer goes on from it"


@live
async def test_a_failure_to_read_what_was_missed_is_not_kept(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    line.tell(told(2))
    app = create_app(home, options())
    async with calling(app):
        opener, start = app.state.services.opener, Start(decode_point("g1.0:1"), None)
        home.buckets.down = True
        failed = await asyncio.gather(*(opener.open(start, WANTED) for _ in range(5)), return_exceptions=True)
        assert {type(each) for each in failed} == {Transient}
        home.buckets.down = False
        assert (await opener.open(start, WANTED)).resumed
