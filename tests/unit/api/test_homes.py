"""What must hold on either home, on the stores of AWS (in this process) as on SQLite: counted limits under races,
signing keys that processes make at once, streams that go on in another process, what the whole fleet tells."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.auth import issue, verify
from api.fleet import EXPIRES_AFTER_MS, KIND
from api.keyring import Keyring
from api.watch_lists import MAX_SUBJECTS, WatchLists
from contracts.errors import Conflict
from contracts.settings import Settings
from stores.home import SHARD_COUNTS, forget_homes, open_home
from tests.clocks import SteadyClock
from tests.unit.api.kit import (
    NOW_MS,
    Line,
    Listener,
    Told,
    article,
    calling,
    live,
    made_home,
    options,
    serving,
)

AT_ONCE = 10
CAP = 4


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """An AWS home of its own."""
    from stores.aws_home import AwsHome
    from tests.aws.moto_aws import moto_aws

    clock = SteadyClock(NOW_MS)
    settings = Settings(home="aws", lake_bucket="lake")  # type: ignore[call-arg]
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        yield open_home(settings, clock)
        forget_homes()


@pytest.fixture(params=["embedded", "aws"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Either home."""
    if request.param == "aws":
        yield request.getfixturevalue("aws")
    else:
        with made_home(tmp_path) as home:
            yield home


def test_the_cap_on_watch_lists_holds_between_processes(either: Any) -> None:
    """Each thread has its own `WatchLists`, as processes have; a barrier lets all begin at once."""
    barrier = threading.Barrier(AT_ONCE)

    def create(_: int) -> str:
        lists = WatchLists(either.control, either.clock, CAP)
        barrier.wait()
        try:
            lists.create("somebody", "x", list("ABCDE")[:MAX_SUBJECTS])
        except Conflict:
            return "conflict"
        return "made"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(create, range(AT_ONCE)))
    assert answers == {"made": CAP, "conflict": AT_ONCE - CAP}
    assert len(WatchLists(either.control, either.clock, CAP).all_of("somebody")) == CAP


@live
async def _ask_at_once(home: Any) -> None:
    async with calling(create_app(home, options(max_configurations=CAP))) as client:
        token = (await client.post("/api/v2/auth/anonymous")).json()["token"]
        mine = {"Authorization": f"Bearer {token}"}
        body = {"name": "x", "subjects": list("ABCDE")}
        asked = (client.post("/api/v2/configurations", headers=mine, json=body) for _ in range(AT_ONCE))
        answers = await asyncio.gather(*asked)
        assert Counter(answer.status_code for answer in answers) == {201: CAP, 409: AT_ONCE - CAP}
        assert {answer.json()["title"] for answer in answers if answer.status_code == 409} == {"Conflict"}


def test_exactly_the_cap_succeed_of_ten_requests_at_once(either: Any) -> None:
    _ask_at_once(either)  # asserts, in a loop of its own


def test_processes_that_begin_at_once_agree_on_the_signing_key(either: Any) -> None:
    barrier = threading.Barrier(AT_ONCE)

    def begin(_: int) -> tuple[Keyring, str]:
        ring = Keyring(either.control, either.secrets, either.clock, 30)
        barrier.wait()
        return ring, issue(ring, NOW_MS, 30)[0]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(begin, range(AT_ONCE)))
    for ring, _ in made:
        for _, token in made:
            verify(ring, token, NOW_MS)


@live
async def _go_on_elsewhere(home: Any) -> None:
    line = Line(home)
    async with (
        serving(home, poll_ms=10) as (first, one),
        serving(home, poll_ms=10) as (second, _),
        httpx.AsyncClient(timeout=60) as rest,
    ):
        async with Listener(f"{first}/api/v2/stream?tickers=AAPL") as client:
            await client.until(lambda c: c.named("snapshot"))
            for number in range(3):
                line.tell(Told("AAPL", NOW_MS - 180_000, 100, article(number)), resolutions=["1m"])
            await client.until(lambda c: len(c.named("bucket_update")) == 3)
            cut = client.named("sentiment_update")[0].id
        line.tell(Told("AAPL", NOW_MS - 180_000, 100, article(3)), resolutions=["1m"])
        assert cut is not None
        async with Listener(f"{second}/api/v2/stream?tickers=AAPL", {"Last-Event-ID": cut}) as client:
            await client.until(lambda c: len(c.named("bucket_update")) == 3)
            assert client.got[0].data["resumed"] is True
            assert [got.data["bucket"]["rev"] for got in client.named("bucket_update")] == [2, 3, 4]
            polled = (await rest.get(f"{first}/api/v2/changes?tickers=AAPL&cursor={cut}")).json()
            assert [e["data"]["bucket"]["rev"] for e in polled["events"] if e["event"] == "bucket_update"] == [2, 3, 4]
            await one.state.services.run("control", one.state.services.fleet._report)
            status = (await rest.get(f"{second}/api/v2/stream/status")).json()
            assert (len(status["processes"]), status["connections"]) == (2, 1)
        home.control.put(KIND, "died", one.state.services.fleet.own(), expires_ms=NOW_MS + EXPIRES_AFTER_MS)
        assert len((await rest.get(f"{second}/api/v2/stream/status")).json()["processes"]) == 3
        home.clock.instant_ms += EXPIRES_AFTER_MS
        alive = (await rest.get(f"{second}/api/v2/stream/status")).json()["processes"]
        assert "died" not in [process["process"] for process in alive]
        series = (await rest.get(f"{first}/api/v2/timeseries/AAPL?resolution=1m")).json()
        assert [bucket["rev"] for bucket in series["buckets"]] == [4]
        assert (await rest.get(f"{first}/ready")).status_code == 200


@pytest.mark.usefixtures("patient")
def test_a_stream_goes_on_in_another_process(either: Any) -> None:
    _go_on_elsewhere(either)
