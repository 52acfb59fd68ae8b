"""Compare, promote and roll back over HTTP: for administrators; of two at once one wins, the other gets 409."""

import asyncio
import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.routes import generations
from contracts.errors import Unusable
from contracts.generation import live_generation
from contracts.settings import ApiSettings
from ops.admin_actions import ACTIONS
from ops.replay.compare import compare
from stores.home import Home, forget_homes, open_home
from tests.events import stream
from tests.unit.replay.kit import Live, put, replayed, settings_of

KEY = {"X-Admin-Key": "open sesame"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield open_home(settings_of(tmp_path / "data"), env={"CANDLEWICK_ADMIN_KEY": KEY["X-Admin-Key"]})
    forget_homes()


def test_promote_over_http(home: Home, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    put(home, stream(200, seed=1))
    Live(home, settings).all()
    runs = [replayed(home, settings) for _ in range(2)]
    app = create_app(home, ApiSettings(data_dir=settings.data_dir), live=False)

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v2/generations") as client:
            wish = {"force": False, "reason": ""}
            assert (await client.post("/g2/promote", json=wish)).status_code == 401
            assert (await client.post("/g2/promote", json=wish, headers={"X-Admin-Key": "x"})).status_code == 403
            refused = await client.post("/g2/promote", json=wish, headers=KEY)
            assert refused.status_code == 409
            assert "use `candlewick replay promote`" in refused.json()["detail"]
            app.state.services.actions["promote"] = functools.partial(ACTIONS["promote"], home, settings)
            assert (await client.post("/g99/promote", json=wish, headers=KEY)).status_code == 404
            early = await client.post("/g2/promote", json=wish, headers=KEY)
            assert early.status_code == 409
            assert "was not compared with g1" in early.json()["detail"]
            for run in runs:
                compare(home, "g1", run["generation"])
            answers = await asyncio.gather(
                *(client.post(f"/{run['generation']}/promote", json=wish, headers=KEY) for run in runs)
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            won = next(answer.json() for answer in answers if answer.status_code == 200)
            assert won["previous"] == "g1"
            assert live_generation(home.control) == won["generation"]

    asyncio.run(ask())


def test_compare_promote_and_back_over_http(home: Home, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    put(home, stream(200, seed=2))
    Live(home, settings).all()
    replayed(home, settings)
    app = create_app(home, ApiSettings(data_dir=settings.data_dir), live=False)

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v2") as client:
            assert (await client.post("/runs/r1/compare")).status_code == 401
            assert (await client.post("/runs/r1/compare", headers=KEY)).status_code == 409
            for name, action in ACTIONS.items():
                app.state.services.actions[name] = functools.partial(action, home, settings)
            report = (await client.post("/runs/r1/compare", headers=KEY)).json()
            assert (report["a"], report["b"], report["complete"], report["breaches"]) == ("g1", "g2", True, [])
            assert (await client.get("/runs/r1")).json()["compare"]["counts"] == report["counts"]
            early = await client.post("/generations/g1/rollback", json={}, headers=KEY)
            assert (early.status_code, early.json()["detail"][:20]) == (400, "nothing was promoted")
            assert (await client.post("/generations/g2/promote", json={}, headers=KEY)).status_code == 200
            back = [client.post("/generations/g2/rollback", json={"reason": "drill"}, headers=KEY) for _ in range(2)]
            assert sorted(answer.status_code for answer in await asyncio.gather(*back)) == [200, 409]
            assert live_generation(home.control) == "g1"
            swaps = (await client.get("/generations")).json()["swaps"]
            assert [(swap["action"], swap["generation"]) for swap in swaps] == [("promote", "g2"), ("rollback", "g1")]
            audit = (await client.get("/runs/r1")).json()["audit"]
            assert [record["action"] for record in audit] == ["run", "promote"]

    asyncio.run(ask())


def test_an_administrator_is_told_what_this_installation_lacks_and_what_goes_on(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "PATIENCE_S", 0.05)
    app = create_app(home, ApiSettings(data_dir=str(tmp_path / "data")), live=False)
    goes_on = threading.Event()

    def other_model(*_: Any) -> dict[str, Any]:
        raise Unusable("the plan is for model a-1, a is a-2 here; plan again")

    def slow(*_: Any) -> dict[str, Any]:
        goes_on.wait(10)
        return {}

    app.state.services.actions |= {"promote": other_model, "rollback": slow}

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v2/generations") as client:
            refused = await client.post("/g1/promote", json={}, headers=KEY)
            assert (refused.status_code, "plan again" in refused.json()["detail"]) == (409, True)
            late = await client.post("/g1/rollback", json={}, headers=KEY)
            assert (late.status_code, late.headers["retry-after"]) == (503, str(generations.SLOW_RETRY_S))
            assert "goes on; GET /api/v2/generations shows it when done; a refusal" in late.json()["detail"]
            goes_on.set()

    asyncio.run(ask())
