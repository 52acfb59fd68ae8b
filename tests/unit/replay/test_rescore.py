"""Another model: the events that were counted get its scores, once per text; verdicts and story claims stay."""

from pathlib import Path
from typing import Any

import pytest

from consumers.classifier.models import registry
from consumers.classifier.models.registry import Score
from contracts.settings import AggregatorSettings
from ops.replay.compare import compare
from ops.replay.rescore import BATCH
from ops.replay.run import Drive, execute, start_run
from ops.replay.sources import Altered
from ops.replay.verify_run import verify_run
from stores.home import Home
from tests import oracle
from tests.events import scored
from tests.unit.replay.kit import Live, alter, archive_raw, fields, ignore, planned, put, put_raw, raw

AT_MS = 1_766_318_400_000
ALONE = Drive(concurrency=1)


class Lengths:
    """A model that reads the length of a text, and remembers what it was asked."""

    version = "lengths-1"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, texts: Any) -> list[Score]:
        self.read += texts
        return [score_of(text) for text in texts]


def score_of(text: str) -> Score:
    polarity_e4 = len(text) * 100 % 20_001 - 10_000
    label = "positive" if polarity_e4 > 0 else "negative" if polarity_e4 < 0 else "neutral"
    return Score(label, abs(polarity_e4), polarity_e4)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Lengths:
    lengths = Lengths()
    monkeypatch.setattr(registry, "load", lambda name, threads=1: lengths)
    return lengths


def title(number: int) -> str:
    return "news y" + "x" * (number * 7 % 90)


def expected(events: list[dict], last: int | None = None) -> dict:
    """The oracle's buckets with the model's scores (of the first `last` events)."""
    return oracle.buckets([again(event) if last is None or at < last else event for at, event in enumerate(events)])


def again(event: dict) -> dict:
    score = score_of(title(int(event["article_id"].partition("#")[2], 16)))
    return event | {
        "label": score.label, "confidence": score.confidence_e4 / 10_000, "polarity": score.polarity_e4 / 10_000,
        "model_version": "lengths-1",
    }  # fmt: skip


def news(count: int, late: bool = False) -> list[dict]:
    events = [scored(n, ("AAPL", "MSFT")[n % 2], AT_MS + n * 37_000, (n % 19 - 9) / 10) for n in range(count)]
    if late:
        events += [scored(count, "AAPL", AT_MS - 90_000_000, 0.3, AT_MS)]
    return events


def test_scores_are_those_of_the_model_and_verdicts_stay(
    home: Home, settings: AggregatorSettings, model: Lengths
) -> None:
    events = news(120, late=True)
    put_raw(home, [raw(n, title(n)) for n in range(121)])
    put(home, events + events[:30])
    Live(home, settings).all()
    plan = planned(home, settings, model="lengths")
    assert plan.model_version == "lengths-1"
    run = start_run(home, settings, plan, ALONE, ignore)
    assert fields(home, run["generation"]) == expected(events)
    assert run["counts"]["too_late"] == 1
    assert run["counts"]["unscored"] == 0
    assert verify_run(home, settings, run["id"])["ok"]


def test_a_second_run_asks_the_model_nothing(home: Home, settings: AggregatorSettings, model: Lengths) -> None:
    put_raw(home, [raw(n, title(n)) for n in range(60)])
    put(home, news(60))
    first = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    asked = len(model.read)
    assert asked == len({title(n) for n in range(60)}), "every text once"
    second = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    assert len(model.read) == asked
    assert second["digest"] == first["digest"]
    assert second["rescored"]["texts_read"] == 0


def test_the_first_text_of_an_article_counts_wherever_it_is_kept(
    home: Home, settings: AggregatorSettings, model: Lengths
) -> None:
    put_raw(home, [raw(n, title(n)) for n in range(20)])
    put_raw(home, [raw(n, "another headline altogether") for n in range(20)])
    archive_raw(home)
    put(home, news(20))
    before = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    assert fields(home, before["generation"]) == expected(news(20))
    home.log.trim("raw-articles", home.clock.now_ms() + 1)
    after = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    assert after["digest"] == before["digest"]


def test_what_was_read_of_a_damaged_object_is_not_scored(
    home: Home, settings: AggregatorSettings, model: Lengths
) -> None:
    events = news(2 * BATCH)
    put_raw(home, [raw(n, title(n)) for n in range(len(events))])
    archive_raw(home)
    put(home, events)
    home.log.trim("raw-articles", home.clock.now_ms() + 1)
    (key,) = home.lake.keys("raw/")
    path = Path(settings.data_dir, "lake", key)
    whole = alter(path, b"news y", b"news of another kind y")
    with pytest.raises(Altered, match="restore it and resume"):
        start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    path.write_bytes(whole)
    run = execute(home, settings, "r1", ALONE, ignore)
    assert fields(home, run["generation"]) == expected(events)


def test_an_article_without_raw_record_is_read_from_its_item(
    home: Home, settings: AggregatorSettings, model: Lengths
) -> None:
    events = news(6)
    for n in range(5):
        home.items.put_primary(
            {
                "source_id": f"test#{n:016x}", "ingested_at": "2025-12-21T12:00:00.000Z", "text_snippet": "",
                "metadata": {"title": title(n), "published_at": "2025-12-21T12:00:00.000Z"},
                "matched_tickers": ["AAPL"], "matched_tags": [], "sentiment": "neutral", "sources": [],
            }
        )  # fmt: skip
    put(home, events)
    run = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    assert run["counts"]["unscored"] == 1
    assert fields(home, run["generation"]) == expected(events, last=5)


def test_compare_counts_flips_and_stability_of_the_events(
    home: Home, settings: AggregatorSettings, model: Lengths
) -> None:
    events = news(100)
    put_raw(home, [raw(n, title(n)) for n in range(100)])
    put(home, events)
    Live(home, settings).all()
    run = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    report = compare(home, "g1", run["generation"])
    flipped = sum(event["label"] != again(event)["label"] for event in events)
    assert report["label_flips"]["events"] == flipped
    assert report["label_flips"]["exact"]
    live, new = fields(home), fields(home, run["generation"])
    assert report["counts"]["equal"] == sum(live[key] == new[key] for key in live)
    assert report["counts"]["changed"] == sum(live[key] != new[key] for key in live)
    changes = [abs(live[key]["close"] - new[key]["close"]) for key in live]
    assert report["mean_abs_close_change"] == pytest.approx(sum(changes) / len(changes) / 10_000, abs=1e-6)
    worst = max(max(abs(live[key][f] - new[key][f]) for f in ("open", "high", "low", "close")) for key in live)
    assert report["worst"][0]["difference"] == pytest.approx(worst / 10_000)
    assert len(report["worst"]) == 20
    assert report["psi"]["over"] == "events"
