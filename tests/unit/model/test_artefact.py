"""The shipped files are the ones the card describes, and a changed byte is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from consumers.classifier.models.minilm import DATA
from consumers.classifier.models.minilm import load as load_from
from consumers.classifier.models.registry import DEFAULT, ModelUnavailable

ARTEFACT_BYTES_MAX = 25_000_000
FILES = ("model.onnx", "tokenizer.json", "card.json")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copyfile(DATA / name, tmp_path / name)
    return tmp_path


def test_the_artefact_is_small_enough_to_ship() -> None:
    assert sum((DATA / name).stat().st_size for name in FILES) <= ARTEFACT_BYTES_MAX


def test_the_card_names_the_model_and_its_files() -> None:
    card = json.loads((DATA / "card.json").read_text())
    assert card["name"] == DEFAULT
    assert sorted(card["sha256"]) == ["model.onnx", "tokenizer.json"]
    assert 0.5 < card["temperature"] < 3


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    load_from(DEFAULT, 1, copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelUnavailable, match=f"{name} is not the file"):
        load_from(DEFAULT, 1, copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_remedy(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelUnavailable, match=f"{name} is missing.*make model"):
        load_from(DEFAULT, 1, copy)


def test_the_model_card_tells_data_licences_limits_and_failures() -> None:
    card = (DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    for heading in ("Intended use", "Data and licences", "Metrics", "Limits", "Known failures", "Energy and time"):
        assert f"## {heading}" in card
    notice = (DATA / "NOTICE").read_text(encoding="utf-8")
    for name in ("SEntFiN", "twitter-financial-news-sentiment", "akladyous", "all-MiniLM-L6-v2"):
        assert name in card
        assert name in notice


def test_the_card_reports_the_figures_of_the_card_file() -> None:
    validation = json.loads((DATA / "card.json").read_text())["validation"]
    page = (DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    for source in ("sentfin", "tfns"):
        for variant in ("int8", "fp32"):
            assert f"{validation[variant][f'accuracy_{source}']:.4f}" in page
