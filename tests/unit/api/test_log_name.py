"""Every change log begins as `g1`, with position 1: a place of another one is not gone on from."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.epoch import Epoch
from contracts.errors import Damaged, Transient
from tests.clocks import SteadyClock
from tests.unit.api.kit import NOW_MS, Line, TestHome, calling, live, made_home, options
from tests.unit.api.test_epochs import told


@pytest.mark.parametrize("live_process", [True, False], ids=["live", "buffered"])
@live
async def test_a_page_over_another_log_loads_afresh(
    home: TestHome, line: Line, tmp_path: Path, live_process: bool
) -> None:
    """A page that was open over a demo, say: both logs begin with g1 and position 1, so its place fits this one too."""
    (tmp_path / "demo").mkdir()

    def named(one: TestHome) -> FastAPI:
        app = create_app(one, options(), live=live_process)
        app.state.services.epoch.name_log(one.buckets)
        return app

    with made_home(tmp_path / "demo") as demo:
        demo.clock.instant_ms -= 60_000
        Line(demo).tell(told(9, -700))
        async with calling(named(demo)) as client:
            place = (await client.get("/api/v2/changes?tickers=AAPL")).json()["cursor"]
    line.tell(told(1))
    async with calling(named(home)) as client:
        answer = (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={place}")).json()
        assert (answer["epoch"], answer["resumed"], answer["reason"]) == ("g1", False, "epoch_changed")
        own = answer["cursor"]
        assert (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={own}")).json()["resumed"]
    home.clock.instant_ms += 60_000
    async with calling(named(home)) as client:
        assert (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={own}")).json()["resumed"], "the next process"


def test_a_log_is_noted_once_and_again_for_another_file(home: TestHome) -> None:
    def identity(at_ms: int, name: str = "") -> str:
        epoch = Epoch(home.control, SteadyClock(at_ms))
        buckets = SimpleNamespace(log_name=lambda: name) if name else home.buckets
        epoch.name_log(buckets)  # type: ignore[arg-type]
        return epoch.refresh()

    home.control.down = True
    with pytest.raises(Transient):
        identity(NOW_MS)
    home.control.down = False
    assert Epoch(home.control, home.clock).refresh() == "g1", "nothing was noted while the store was away"
    noted = identity(NOW_MS)
    assert noted == Epoch(home.control, home.clock).refresh() != "g1"
    assert identity(NOW_MS + 1) == noted
    assert identity(NOW_MS + 1, "built again") not in ("g1", noted)
    home.buckets.fault, home.buckets.down = Damaged("buckets.db is damaged"), True
    assert identity(NOW_MS + 2) == Epoch(home.control, home.clock).refresh(), "what can be read is served"
