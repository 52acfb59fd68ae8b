"""The entry point: a schedule's event polls what is due, a name that source alone."""

import json
from pathlib import Path

import pytest

from contracts.settings import ProducerSettings
from local.driver_schedule import Schedule, scheduled_event
from producers.fetch_round import ROUND_MS
from producers.handler import SCHEDULE_EARLY_MS, SHORT_ROUND_MS, _service, lambda_handler
from stores.home import forget_homes
from tests.fakes.web import FakeSite, page
from tests.ports.conftest import HOMES

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
    monkeypatch.setattr("producers.handler.SHORT_ROUND_MS", 60_000.0)  # wait, on a busy machine too
    schedule = Schedule("producers", lambda_handler, 5_000)
    try:
        assert lambda_handler(scheduled_event(schedule, 1_766_310_000_000), None)["polled"] == 2
        assert lambda_handler(scheduled_event(schedule, 1_766_310_005_000), None)["polled"] == 0
        assert lambda_handler({}, None)["polled"] == 0
        assert lambda_handler({"source": "two"}, None)["polled"] == 1
    finally:
        forget_homes()


@pytest.mark.parametrize("where", ["embedded", "aws"])
@pytest.mark.parametrize(
    ("function", "early_ms", "round_ms"), [(None, 0, SHORT_ROUND_MS), ("producers", SCHEDULE_EARLY_MS, ROUND_MS)]
)
def test_only_the_runs_of_a_function_ask_early_and_wait(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    function: str | None,
    early_ms: int,
    round_ms: float,
) -> None:
    """`candlewick up --endpoint-url` polls every second too."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if function is not None:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function)
    with HOMES[where](tmp_path) as opened:
        service = _service.__wrapped__(ProducerSettings(**opened.settings.model_dump()), opened.home)
        forget_homes()
    assert (service._early_ms, service._round._round_ms) == (early_ms, round_ms)
