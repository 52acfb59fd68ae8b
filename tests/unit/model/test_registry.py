"""The table of models: names, honest failures, and a light import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.classifier.models import registry
from consumers.classifier.models.registry import ModelUnavailable, known, load, names

ROOT = Path(__file__).parents[3]


def test_the_default_is_a_row_and_the_shipped_model() -> None:
    assert registry.DEFAULT == "minilm-news-1"
    assert registry.DEFAULT in names()
    assert load().version == registry.DEFAULT


def test_names_are_known_and_others_are_not() -> None:
    assert all(known(name) for name in names() if name != "hf:<name>")
    assert known("hf:ProsusAI/finbert")
    for name in ("", "hf:", "hf:<name>", "VADER", "nothing"):
        assert not known(name)


def test_an_unknown_name_is_refused_in_one_line_that_lists_the_names() -> None:
    with pytest.raises(ModelUnavailable) as refused:
        load("bert-large")
    assert "bert-large" in str(refused.value)
    assert all(name in str(refused.value) for name in names())
    assert "\n" not in str(refused.value)


def test_every_row_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    for row in registry.ROWS:
        assert f"`{row.name}`" in page


def test_finvader_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.classifier.models.finvader.find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="pip install"):
        load("finvader")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import consumers.classifier.models.registry",
            ["numpy", "onnxruntime", "tokenizers", "torch", "transformers"],
        ),
        (
            "from consumers.classifier.models.registry import load; load().score(['Acme profit rises'])",
            ["torch", "transformers", "sklearn", "onnx", "vaderSentiment"],
        ),
    ],
)
def test_imports_are_light(code: str, absent: list[str]) -> None:
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_leaves_nothing_in_the_home_of_the_user(tmp_path: Path) -> None:
    """onnxruntime keeps an identifier of the machine and a queue for its maker there unless it is told not to."""
    program = "from consumers.classifier.models.registry import load; print(load().score(['Profit rises'])[0].label)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=kept | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "positive\n"
    assert list(tmp_path.rglob("*")) == []
