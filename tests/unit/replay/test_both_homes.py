"""The story in small on both homes: ingest, plan, run, compare, promote, roll back; and the same digest on either."""

from pathlib import Path

import pytest

from contracts.generation import live_generation
from contracts.settings import AggregatorSettings
from ops.replay.compare import compare
from ops.replay.plan import outlook
from ops.replay.promote import promote, rollback
from ops.replay.run import Drive, cancel_run, start_run
from ops.replay.verify_run import verify_run
from stores.home import forget_homes
from tests import oracle
from tests.events import stream
from tests.ports.conftest import HOMES
from tests.unit.replay.kit import Live, fields, ignore, planned, put

ALONE = Drive(concurrency=1)
#: Of what the first 26 events build: the same on any home and machine.
DIGEST = "8ef4bc45c8f150f914f32ae491238a806c2628f2f1311f95a29aa17eb86ccac7"


@pytest.mark.parametrize("name", sorted(HOMES))
def test_run_compare_promote_and_back(name: str, tmp_path: Path) -> None:
    events = stream(40, seed=21, hours=1)
    with HOMES[name](tmp_path) as installed:
        home = installed.home
        settings = AggregatorSettings(**installed.settings.model_dump() | {"data_dir": str(tmp_path / "data")})
        live = Live(home, settings)
        put(home, events[:26])
        live.all()
        plan = planned(home, settings)
        assert outlook(home, plan)["events"] == sum(
            row["count"] for key, row in oracle.buckets(events[:26]).items() if key[1] == "24h"
        )
        installed.clock.advance(1_000)
        run = start_run(home, settings, plan, ALONE, ignore)
        assert fields(home, run["generation"]) == oracle.buckets(events[:26])
        assert verify_run(home, settings, run["id"])["ok"]
        assert run["digest"] == DIGEST
        put(home, events[26:33])
        report = compare(home, "g1", run["generation"])
        assert report["breaches"] == []
        promote(home, settings, run["id"])
        assert fields(home) == oracle.buckets(events[:33])
        put(home, events[33:])
        live.all()
        assert fields(home) == oracle.buckets(events)
        rollback(home, settings)
        assert live_generation(home.control) == "g1"
        assert fields(home) == oracle.buckets(events)
        cancel_run(home, settings, run["id"])
        assert fields(home, run["generation"]) == {}
    forget_homes()
