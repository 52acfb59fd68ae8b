"""The entry point: a schedule's event polls what is due, a name that source alone."""

import json
from pathlib import Path

import pytest

from local.driver_schedule import Schedule, scheduled_event
from producers.handler import lambda_handler
from stores.home import forget_homes
from tests.fakes.web import FakeSite, page

FEED = (Path(__file__).parents[2] / "golden" / "sources" / "rss_cnbc.xml").read_bytes()


def test_a_schedule_polls_what_is_due_and_a_name_polls_that_source(
    site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [{"name": name, "kind": "rss", "url": site.put(f"/{name}", page(FEED))} for name in ("one", "two")]
    settings = tmp_path / "sources.json"
    settings.write_text(json.dumps(sources))
    monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(settings))
    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CANDLEWICK_PRIVATE_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr("producers.handler.EMBEDDED_ROUND_MS", 60_000.0)  # wait, on a busy machine too
    schedule = Schedule("producers", lambda_handler, 5_000)
    try:
        assert lambda_handler(scheduled_event(schedule, 1_766_310_000_000), None)["polled"] == 2
        assert lambda_handler(scheduled_event(schedule, 1_766_310_005_000), None)["polled"] == 0
        assert lambda_handler({}, None)["polled"] == 0
        assert lambda_handler({"source": "two"}, None)["polled"] == 1
    finally:
        forget_homes()
