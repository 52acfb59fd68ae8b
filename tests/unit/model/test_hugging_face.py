"""`hf:<name>`: exported once, cached, and read from the cache without the training packages."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from consumers.classifier.models import hugging_face, minilm
from consumers.classifier.models.minilm import DATA
from consumers.classifier.models.onnx_text import NOTHING_TO_READ
from consumers.classifier.models.registry import LABELS, ModelUnavailable
from contracts.events import decode_scored
from tests.events import BASE_MS, scored

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "profit", "rises", "falls", "acme", "loss", "the", "on"]
TEXTS = ["Acme profit rises", "Acme profit falls on the loss", "the", "profit " * 30]


def make_checkpoint(folder: Path, labels: dict[int, str]) -> Path:
    """A BERT of two tiny layers with random weights."""
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    transformers = pytest.importorskip("transformers", reason="the train extra is not installed")
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.5,
        num_labels=len(labels),
        id2label=labels,
        label2id={label: index for index, label in labels.items()},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_local_checkpoint_is_exported_faithfully_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = make_checkpoint(tmp_path / "tiny", {0: "Positive", 1: "Negative", 2: "Neutral"})
    import torch
    import transformers

    name = f"hf:{checkpoint}"
    model = hugging_face.load(name, 1, tmp_path / "cache")
    network = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    for text, score in zip(TEXTS, model.score(TEXTS), strict=True):
        with torch.no_grad():
            positive, negative, neutral = network(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0].tolist()
        shares = dict(zip(LABELS, (negative, neutral, positive), strict=True))
        assert score.label == max(shares, key=lambda label: shares[label])
        assert abs(score.polarity_e4 - (positive - negative) * 10_000) < 2
    monkeypatch.setattr(hugging_face, "_export", lambda *given: pytest.fail("exported twice"))
    assert hugging_face.load(name, 2, tmp_path / "cache").score(TEXTS) == model.score(TEXTS)
    assert re.fullmatch(r"hf:tiny@[0-9a-f]{12}", model.version)


def exported(name: str, checkpoint: str, folder: Path, version: str) -> None:
    """What an export leaves, of the shipped weights."""
    folder.mkdir(parents=True)
    for file in ("model.onnx", "tokenizer.json"):
        shutil.copyfile(DATA / file, folder / file)
    (folder / "card.json").write_text(json.dumps(json.loads((DATA / "card.json").read_text()) | {"name": version}))


def test_a_version_is_of_the_weights_and_not_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "_export", exported)
    versions = []
    for project, weights in (("one", b"a"), ("two", b"b"), ("three", b"a")):
        folder = tmp_path / project / "ckpt"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(weights)
        monkeypatch.chdir(folder.parent)
        versions.append(hugging_face.load("hf:./ckpt", 1, tmp_path / "cache").version)
    assert versions[0] == versions[2] != versions[1]
    (folder / "model.safetensors").write_bytes(b"b")
    assert hugging_face.load("hf:./ckpt", 1, tmp_path / "cache").version == versions[1], "trained on in its place"
    assert hugging_face.load(f"hf:{folder}", 1, tmp_path / "cache").version == versions[1]


def test_a_model_that_was_taught_other_scripts_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "_export", exported)
    (tmp_path / "ckpt").mkdir()
    model = hugging_face.load(f"hf:{tmp_path / 'ckpt'}", 1, tmp_path / "cache")
    scores = model.score(["苹果公司利润下降", "Прибыль упала", "🚀 123", ""])
    assert NOTHING_TO_READ not in scores[:2]
    assert scores[2:] == [NOTHING_TO_READ] * 2


def test_a_damaged_card_is_said_in_a_line(tmp_path: Path) -> None:
    for text in ("{", "{}", "[]"):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(ModelUnavailable, match="reinstall"):
            minilm.load("minilm-news-1", 1, tmp_path)


def test_a_checkpoint_without_the_three_labels_is_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "tiny", {0: "toxic", 1: "fine"})
    with pytest.raises(ModelUnavailable, match="toxic"):
        hugging_face.load(f"hf:{checkpoint}", 1, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_a_cached_export_needs_no_training_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    folder = tmp_path / f"some-model-{hashlib.sha256(b'some/model').hexdigest()[:12]}"
    folder.mkdir()
    for file in ("model.onnx", "tokenizer.json", "card.json"):
        shutil.copyfile(DATA / file, folder / file)
    assert hugging_face.load("hf:some/model", 1, tmp_path).score(["Acme profit rises"])[0].label == "positive"


def test_the_version_of_a_long_path_fits_into_an_event(tmp_path: Path) -> None:
    checkpoint = "/srv/models/sentiment/experiments/" + "x" * 80 + "/checkpoint-12000"
    name, digest = f"hf:{checkpoint}", hashlib.sha256(checkpoint.encode()).hexdigest()[:12]
    folder = tmp_path / f"{'x' * 23}-checkpoint-12000-{digest}"
    folder.mkdir()
    for file in ("model.onnx", "tokenizer.json"):
        shutil.copyfile(DATA / file, folder / file)
    card = json.loads((DATA / "card.json").read_text()) | {"name": name}
    (folder / "card.json").write_text(json.dumps(card))
    version = hugging_face.load(name, 1, tmp_path).version
    assert version == f"hf:{folder.name}"
    event = scored(1, "AAPL", BASE_MS, 0.5, model_version=version)
    assert decode_scored(json.dumps(event).encode()).model_version == version


def test_without_cache_and_packages_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelUnavailable, match=r"candlewick\[train\]"):
        hugging_face.load("hf:some/model", 1, tmp_path)
