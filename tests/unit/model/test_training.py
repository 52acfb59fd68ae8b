"""The parts of training that need no training packages: splits, made sentences, variants, metrics, the report."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.classifier.training import announced, announced_words, data, made, metrics
from consumers.classifier.training.__main__ import main
from consumers.classifier.training.announced import announced_sentences
from consumers.classifier.training.augment import variants
from consumers.classifier.training.calibrate import (
    LIKELIHOOD_SLACK,
    Calibration,
    fit_calibration,
    fit_labels,
    negative_log_likelihood,
)
from consumers.classifier.training.data import NEGATIVE, NEUTRAL, POSITIVE, Example, key_of, split_of
from consumers.classifier.training.evaluate import evaluate, table
from consumers.classifier.training.made import made_sentences
from contracts.errors import Unusable

Sentences = Callable[[int, int], list[Example]]


def test_copies_of_a_headline_fall_on_the_same_side() -> None:
    assert key_of("Acme: profit UP 5%! https://t.co/x") == key_of("acme profit up 5") == "acme profit up 5"
    assert split_of("Acme: profit UP 5%!") == split_of("acme profit up 5")


def test_splits_are_80_10_10() -> None:
    shares = [split_of(f"headline number {number}") for number in range(4_000)]
    assert abs(shares.count("test") / 4_000 - 0.1) < 0.02
    assert abs(shares.count("valid") / 4_000 - 0.1) < 0.02


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sentiment").mkdir()
    (tmp_path / "news").mkdir()
    rows = [
        {"Title": f"Headline {number} of Acme", "Decisions": "{'Acme': 'positive', 'Osian's Fund': 'positive'}"}
        for number in range(60)
    ] + [{"Title": "Acme up, Globex down", "Decisions": "{'Acme': 'positive', 'Globex': 'negative'}"}]
    _write(tmp_path / "sentiment/sentfin.csv", rows)
    tweets = [{"text": f"Tweet {number}", "label": str(number % 3)} for number in range(30)]
    _write(tmp_path / "sentiment/tfns_train.csv", [*tweets, *tweets[:5], {"text": "TWEET 99!", "label": "0"}])
    _write(tmp_path / "sentiment/tfns_valid.csv", [{"text": "Tweet 99 https://t.co/a", "label": "1"}])
    with gzip.open(tmp_path / "news/stocknewsapi_2019-2021.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, ["title", "text"])
        writer.writeheader()
        writer.writerow({"title": "Tweet 99", "text": "Something else. More."})
        writer.writerows({"title": f"News {number}", "text": "Demand was strong."} for number in range(40))
    labels = tmp_path / "news_labels.csv"
    _write(
        labels, [{"row": str(row), "form": ("title", "article")[row % 2], "label": "positive"} for row in range(2, 30)]
    )
    monkeypatch.setattr(data, "NEWS_LABELS", labels)
    monkeypatch.setattr(data, "check_digests", lambda root: None)
    return tmp_path


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_nothing_of_a_test_split_is_trained_on(small_data: Path) -> None:
    corpus = data.read_corpus(small_data)
    held_out = {key_of(row.text) for row in (*corpus.sentfin_test, *corpus.tfns_test, *corpus.news_test)}
    assert held_out
    for texts in ([row.text for row in corpus.train], [row.text for row in corpus.valid], corpus.unlabelled):
        assert not held_out & {key_of(text) for text in texts}
    assert "Acme up, Globex down" in corpus.unlabelled
    judging = {key_of(row.text) for row in data.plain_validation()}
    assert not judging & {key_of(row.text) for row in (*corpus.train, *corpus.valid)}
    assert set(data.written_sentences()) <= set(corpus.train)
    assert len({key_of(row.text) for row in corpus.train}) == len(corpus.train)


def test_news_goes_by_its_title_with_or_without_its_beginning(small_data: Path) -> None:
    corpus = data.read_corpus(small_data)
    titles = {"train": set[str](), "valid": set[str](), "test": set[str]()}
    for split, rows in (("train", corpus.train), ("valid", corpus.valid), ("test", corpus.news_test)):
        titles[split] = {row.text.split(".")[0] for row in rows if row.source == "news"}
        assert titles[split]
        assert {split_of(title) for title in titles[split]} == {split}
    assert sum(map(len, titles.values())) == 28
    assert any(row.text.endswith(". Demand was strong.") for row in corpus.news_test)
    # What a reader may yet be asked about is not read without a label either.
    unread = {text.split(".")[0] for text in corpus.unlabelled if text.startswith("News")}
    assert {split_of(title) for title in unread} == {"train"}


def test_another_version_of_the_data_is_refused(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(Unusable, match="SHA-256"):
        data.check_digests(small_data)


def test_missing_data_is_one_line_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "--data" in told
    assert "CANDLEWICK_DATA" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("sentences", [made_sentences, announced_sentences])
def test_made_sentences_are_the_same_every_time_and_all_different(sentences: Sentences) -> None:
    rows = sentences(600, 3)
    assert rows == sentences(600, 3)
    assert rows != sentences(600, 4)
    assert len({row.text for row in rows}) == 600
    assert {row.label for row in rows} == {NEGATIVE, NEUTRAL, POSITIVE}
    assert not any(mark in row.text for row in rows for mark in ("{", "}", "[", "|", "  ", " ,"))


@pytest.mark.parametrize("sentences", [made_sentences, announced_sentences])
def test_no_sentence_of_the_behavioural_tests_is_made(sentences: Sentences, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (made, announced):
        monkeypatch.setattr(module, "company", lambda chance: "Acme")
    lines = (Path(__file__).parents[2] / "golden/model/behaviour.jsonl").read_text(encoding="utf-8").splitlines()
    kept = {key_of(json.loads(line)["text"]).replace("globex", "acme") for line in lines}
    found = [row.text for row in sentences(5_000, 7) if key_of(row.text).replace("acme acme", "acme") in kept]
    assert found == []


def test_written_sentences_are_new_to_every_text_that_judges() -> None:
    golden = Path(__file__).parents[2] / "golden/model"
    train, valid = data.written_sentences(), data.plain_validation()
    assert len(train) > 7_000
    assert len(valid) > 1_000
    splits = data.read_test_splits(golden)
    behaviour = (golden / "behaviour.jsonl").read_text(encoding="utf-8").splitlines()
    judging = [row.text for row in (*splits.sentfin_test, *splits.tfns_test, *valid)]
    held_out = {key_of(text) for text in (*judging, *(json.loads(line)["text"] for line in behaviour))}
    assert not held_out & {key_of(row.text) for row in train}
    for rows in (train, valid):
        assert len({key_of(row.text) for row in rows}) == len(rows)
        shares = np.bincount([row.label for row in rows]) / len(rows)
        assert ((shares > 0.25) & (shares < 0.42)).all()


def test_every_pattern_can_be_filled_and_no_pattern_has_two_labels() -> None:
    chance = random.Random(1)
    kinds = (announced_words.POSITIVE, announced_words.NEGATIVE, announced_words.NEUTRAL)
    for patterns in kinds:
        for pattern in patterns:
            text = announced.expand(chance, pattern).format(**announced._slots(chance))
            assert not set("[]{}|") & set(text), pattern
    texts = [{announced.expand(chance, line) for line in patterns for _ in range(40)} for patterns in kinds]
    assert not texts[0] & texts[1]
    assert not texts[1] & texts[2]
    assert not texts[0] & texts[2]


def test_a_comparison_of_figures_is_labelled_by_the_figures() -> None:
    rows = [row for row in announced_sentences(9_000, 5) if re.search(r"EPS (?:EUR |Rs |[$€£])?[\d.]+ vs ", row.text)]
    assert len(rows) > 10
    for row in rows:
        now, then = (float(figure) for figure in re.findall(r"\d+\.\d\d\b", row.text)[:2])
        if "estimate" not in row.text:
            assert row.label == (POSITIVE if now > then else NEGATIVE), row


def test_the_test_splits_of_the_repository_can_be_judged_alone(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden/model"
    corpus = data.read_test_splits(golden)
    assert (len(corpus.sentfin_test), len(corpus.tfns_test), len(corpus.news_test)) == (900, 2_388, 600)
    assert all(split_of(row.text) == "test" for row in corpus.sentfin_test)
    with pytest.raises(Unusable, match="--splits"):
        data.read_test_splits(tmp_path)


def test_made_labels_follow_from_the_sentence() -> None:
    rows_made = [row for row in made_sentences(6_000, 5) if " despite " not in row.text]
    for word, label in (
        (" loss narrowed", POSITIVE),
        (" loss widened", NEGATIVE),
        ("profit rose", POSITIVE),
        ("profit fell", NEGATIVE),
    ):
        rows = [row for row in rows_made if word in row.text.lower()]
        assert rows, word
        assert {row.label for row in rows} == {label}, word


def test_variants_are_new_and_repeatable() -> None:
    texts = [f"Acme {number} profit rises 5% on strong demand" for number in range(20)]
    changed = variants(texts, 60, 1)
    assert changed == variants(texts, 60, 1)
    assert len(set(changed)) == 60
    assert not set(changed) & set(texts)


def test_metrics_of_a_small_table() -> None:
    true, found = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    assert metrics.confusion(true, found).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert metrics.accuracy(true, found) == pytest.approx(4 / 6)
    assert metrics.f1_by_class(true, found) == pytest.approx([0.5, 0.8, 2 / 3])
    assert metrics.macro_f1(true, found) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)


def test_calibration_error_is_zero_when_confidence_means_what_it_says() -> None:
    confidence = np.array([0.75] * 4)
    assert metrics.expected_calibration_error(confidence, np.array([True] * 3 + [False])) == pytest.approx(0)
    assert metrics.expected_calibration_error(confidence, np.array([False] * 4)) == pytest.approx(0.75)


def test_calibration_finds_temperature_and_offsets_again() -> None:
    chance = np.random.default_rng(4)
    true = chance.normal(size=(6_000, 3)) * 2
    shares = np.exp(true) / np.exp(true).sum(-1, keepdims=True)
    labels = np.array([chance.choice(3, p=row) for row in shares])
    given_logits = (true - np.array([-0.4, 0.0, 0.3])) * 1.5
    found = fit_calibration(given_logits, labels)
    assert found.temperature == pytest.approx(1.5, abs=0.12)
    assert found.offsets == pytest.approx((-0.4, 0.0, 0.3), abs=0.12)


def test_labels_are_made_right_only_as_far_as_likelihood_leaves_open() -> None:
    """A rare kind calls a little less positive than the others: its texts weigh as much as theirs."""
    chance = np.random.default_rng(8)
    logits = chance.normal(0, 2.0, (3_000, 3))
    kinds = np.array(["many"] * 2_700 + ["few"] * 300)
    shares = np.exp(logits + np.where(kinds == "few", -0.8, 0.0)[:, None] * np.array([0, 0, 1]))
    labels = np.array([chance.choice(3, p=row / row.sum()) for row in shares])
    found = fit_labels(logits, labels, kinds, Calibration(1.0))
    moved = logits + np.array(found.offsets)
    cost = negative_log_likelihood(moved, labels) - negative_log_likelihood(logits, labels)
    assert found.temperature == 1.0
    assert cost <= LIKELIHOOD_SLACK

    def right(changed: np.ndarray) -> float:
        each = [(labels[kinds == kind], changed.argmax(-1)[kinds == kind]) for kind in ("many", "few")]
        return sum(metrics.accuracy(*pair) + metrics.macro_f1(*pair) for pair in each)

    assert found.offsets != (0.0, 0.0, 0.0)
    assert right(moved) > right(logits)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=5, max_size=60))
def test_bootstrap_surrounds_the_figure(pairs: list[tuple[int, int]]) -> None:
    true, found = (np.array(side) for side in zip(*pairs, strict=True))
    low, high = metrics.bootstrap(true, found, rounds=60)["accuracy"]
    assert 0 <= low <= high <= 1


def test_evaluation_writes_a_report_and_goes_on_without_a_model(tmp_path: Path) -> None:
    rows = [Example("Acme <wins> great prize", POSITIVE, "x"), Example("Acme loses badly", POSITIVE, "x")]
    corpus = data.Corpus(sentfin_test=rows, tfns_test=rows, news_test=rows)
    judged: list[int] = []
    report = evaluate(["vader", "nothing"], corpus, tmp_path, judged.append)
    assert judged == [2, 2, 2, 1_099]
    assert report["models"]["vader"]["tfns_valid"]["accuracy"] == 0.5
    assert "there is no model" in report["models"]["nothing"]["unavailable"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Acme loses badly" in page
    assert "<wins>" not in page
    assert json.loads((tmp_path / "eval.json").read_text())["sets"] == {
        "sentfin_test": 2,
        "tfns_valid": 2,
        "news_test": 2,
        "written": 1_099,
    }
    assert "vader" in table(report)
