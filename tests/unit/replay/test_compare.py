"""What a comparison says, and when it stops."""

import json
import math
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.events import SCORED_STREAM
from contracts.generation import COMPARE_KIND
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from ops.replay.compare import Bounds, Limits, breaches, compare, psi
from ops.replay.promote import promote
from ops.replay.report import render, write_report
from stores.home import Home, forget_homes, open_home
from tests import oracle
from tests.events import lines, scored, stream
from tests.unit.replay.kit import Live, compared, fields, put, replayed, settings_of

AT_MS = 1_766_318_400_000


def test_psi_is_the_sum_over_bins() -> None:
    assert psi([50, 50], [50, 50]) == 0
    assert psi([50, 50], [80, 20]) == pytest.approx(0.3 * math.log(1.6) + -0.3 * math.log(0.4))
    assert psi([100, 0], [100, 0]) == 0
    assert psi([100, 0], [0, 100]) > 10
    assert psi([], []) == psi([0, 0], [1, 1]) == 0


def test_every_bucket_is_in_one_column(home: Home, settings: AggregatorSettings) -> None:
    events = stream(400, seed=1, hours=12, bad_stamps=0)
    put(home, events)
    Live(home, settings).all()
    part = replayed(home, settings, subjects=frozenset({"AAPL"}))
    report = compare(home, "g1", part["generation"])
    live = oracle.buckets(events)
    assert sum(report["counts"].values()) == len(live)
    assert report["counts"]["equal"] == len(fields(home, part["generation"]))
    assert report["by_subject"]["MSFT"]["only_a"] == sum(key[0] == "MSFT" for key in live)
    assert {name: row["only_a"] + row["equal"] for name, row in report["by_resolution"].items()} == {
        name: sum(key[1] == name for key in live) for name in oracle.WIDTHS_S
    }
    back = compare(home, part["generation"], "g1")
    assert back["counts"]["only_b"] == report["counts"]["only_a"]
    assert back["run"] is None, "the live generation was built by no run"


@pytest.mark.parametrize("ahead_ms", [0, DAY_MS])
def test_what_is_lost_is_told_though_a_clock_was_ahead(tmp_path: Path, ahead_ms: int) -> None:
    settings, clock = settings_of(tmp_path), ManualClock(AT_MS)
    home = open_home(settings, clock)
    live = Live(home, settings)
    put(home, [scored(n, "AAPL", AT_MS - n * 60_000, 0.5) for n in range(20)])
    while live.archive(10):
        pass
    clock.advance(ahead_ms)
    live.aggregate()
    clock.advance(HOUR_MS - ahead_ms)
    home.log.trim(SCORED_STREAM, clock.now_ms())
    Path(settings.data_dir, "lake", home.lake.keys("scored/")[0]).unlink()
    report = compared(home, replayed(home, settings))
    assert report["lost"]["events"] == 10
    assert report["breaches"]


def test_what_is_live_is_not_compared_with_itself(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(30, seed=4))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    kept = home.control.get(COMPARE_KIND, run["id"])
    with pytest.raises(BadRequest, match="g2 does not differ from itself"):
        compared(home, run)
    assert home.control.get(COMPARE_KIND, run["id"]) == kept


def test_bounds_stop_it_and_it_says_so(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(300, seed=2))
    Live(home, settings).all()
    part = replayed(home, settings, subjects=frozenset({"MSFT"}))
    few = compare(home, "g1", part["generation"], Bounds(max_diffs=3))
    assert few["counts"]["only_a"] == 3
    assert not few["complete"]
    assert "stopped before its end" in few["breaches"][-1]
    assert compare(home, "g1", part["generation"])["complete"]


def test_lanes_are_no_difference_and_what_lies_in_them_is(home: Home, settings: AggregatorSettings) -> None:
    events = stream(200, seed=5, hours=3)
    put(home, events)
    Live(home, settings).all()
    spread = replayed(home, settings_of(settings.data_dir, lanes=4))
    whole = compare(home, "g1", spread["generation"])
    assert (whole["counts"]["equal"], whole["counts"]["changed"]) == (len(oracle.buckets(events)), 0)
    assert whole["worst"] == []
    wider = replayed(home, settings_of(settings.data_dir, lanes=7))
    assert compare(home, spread["generation"], wider["generation"])["counts"]["changed"] == 0
    file = Path(settings.data_dir) / "some.jsonl"
    file.write_bytes(lines(events[:-1]))
    part = replayed(home, settings_of(settings.data_dir, lanes=4), sources=(f"file:{file}",))
    assert compare(home, "g1", part["generation"])["lost"]["events"] == 1


def test_limits_name_what_is_outside() -> None:
    report = {
        "counts": {"equal": 9, "changed": 0, "only_a": 1, "only_b": 0, "newer": 0},
        "label_flips": {"share": 0.3},
        "mean_abs_close_change": 0.1,
        "psi": {"value": 0.5},
        "lost": {"events": 1, "of": 12, "share": 0.083333},
        "complete": True,
    }
    assert [text.partition(":")[0] for text in breaches(report, Limits())] == [
        "events lost", "buckets lost", "labels flipped", "population stability index",
    ]  # fmt: skip
    assert breaches(report, Limits(max_lost=0.1, max_flips=0.3, max_psi=0.5)) == []


def test_the_report_is_one_page_and_headlines_are_text(
    home: Home, settings: AggregatorSettings, tmp_path: Path
) -> None:
    before, after = scored(1, "AAPL", AT_MS, 0.9), scored(1, "AAPL", AT_MS, -0.9)
    put(home, [before])
    Live(home, settings).all()
    home.items.put_primary(
        {
            "source_id": before["article_id"], "ingested_at": before["ingested_at"], "source_url": "",
            "text_snippet": "",
            "metadata": {"title": "<script>alert(1)</script>", "published_at": before["event_time"]},
            "matched_tickers": ["AAPL"], "matched_tags": [], "sentiment": "positive", "sources": [], "polarity": 0.9,
            "status": "analyzed",
        }
    )  # fmt: skip
    file = tmp_path / "other.jsonl"
    file.write_text(json.dumps(after))
    run = replayed(home, settings, sources=(f"file:{file}",))
    report = compare(home, "g1", run["generation"])
    assert report["counts"]["changed"] == 8
    assert report["worst"][0]["resolution"] == "1m", "of equals the finest window comes first"
    assert report["worst"][0]["difference"] == pytest.approx(1.8)
    page = render(report)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("<meta http-equiv", ""), "nothing is loaded from anywhere"
    html, document = write_report(report, tmp_path / "out")
    assert html.read_text() == page
    assert json.loads(document.read_text())["counts"] == report["counts"]


def test_what_its_time_to_live_may_have_taken_is_in_no_column(settings: AggregatorSettings) -> None:
    """A replay writes no bucket that would be deleted at once; of the live ones some are still there."""
    settings = settings.model_copy(update={"expire": True})
    clock = ManualClock()
    home = open_home(settings, clock)
    put(home, stream(100, seed=1))
    Live(home, settings).all()
    clock.advance(3 * DAY_MS)
    run = replayed(home, settings)
    report = compare(home, "g1", run["generation"], expire=settings.expire)
    assert report["breaches"] == []
    assert report["counts"]["equal"] == len(fields(home, run["generation"])) < len(fields(home, "g1"))
    assert compare(home, "g1", run["generation"])["counts"]["only_a"] > 0
    forget_homes()
