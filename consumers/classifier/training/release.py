"""From a trained student to the files that are shipped: graph, tokeniser, card with digests, measured figures."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from consumers.classifier.models.onnx_text import OnnxTextModel, session_of
from consumers.classifier.training.calibrate import Calibration, fit_calibration, fit_labels, negative_log_likelihood
from consumers.classifier.training.data import Corpus, Example, plain_validation
from consumers.classifier.training.encoders import student_folder
from consumers.classifier.training.export import export_fp32, quantise
from consumers.classifier.training.learn import say
from consumers.classifier.training.metrics import expected_calibration_error, macro_f1
from consumers.classifier.training.network import Classifier

__all__ = ["release"]

NAME = "minilm-news-1"
TOKENS_MAX = 128
"""Read at run time: a title and a snippet of 200 characters fit. Training cut at 96."""


def release(student: Classifier, corpus: Corpus, work: Path, target: Path, made_by: dict[str, Any]) -> dict[str, Any]:
    """Writes model.onnx, tokenizer.json and card.json into `target`; returns the card.

    Temperature and class offsets are fitted on all validation texts, on the quantised graph itself: for likelihood, and
    within what it leaves open for right labels.
    """
    work.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    config = student.encoder.config
    weights = {name: value.detach().float().numpy() for name, value in student.state_dict().items()}
    shape = (weights, config.num_attention_heads, config.num_hidden_layers)
    tokenizer = _runtime_tokenizer(target / "tokenizer.json")
    fp32, int8 = work / "fp32.onnx", work / "int8.onnx"
    export_fp32(*shape, Calibration(1.0), fp32)
    quantise(fp32, int8)
    rows = [*corpus.valid, *plain_validation()]
    logits = _log_probabilities(tokenizer, int8, rows)
    labels, kinds = np.array([row.label for row in rows]), np.array([_kind(row) for row in rows])
    calibration = fit_labels(logits, labels, kinds, fit_calibration(logits, labels))
    export_fp32(*shape, calibration, fp32)
    quantise(fp32, int8)
    shutil.copyfile(int8, target / "model.onnx")
    card = {
        "name": NAME,
        "tokens_max": TOKENS_MAX,
        "temperature": calibration.temperature,
        "offsets": list(calibration.offsets),
        "label_rule": "the most probable of the three calibrated probabilities; an exact tie is neutral",
        "validation": {
            "fp32": _figures(_log_probabilities(tokenizer, fp32, rows), rows),
            "int8": _figures(_log_probabilities(tokenizer, int8, rows), rows),
            "int8_before_calibration": _figures(logits, rows),
        },
        "made_by": made_by,
        "sha256": {file: _digest(target / file) for file in ("model.onnx", "tokenizer.json")},
    }
    (target / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    say(f"released to {target.name}/: {json.dumps(card['validation'])}, {calibration}")
    return card


def _kind(row: Example) -> str:
    """What counts as one kind of text: the plain sentences are few, and written ones too."""
    return "written" if row.source == "plain" else row.source


def _runtime_tokenizer(path: Path) -> Tokenizer:
    """The student's tokeniser without padding, cutting at the run-time length, written to `path`."""
    tokenizer = Tokenizer.from_file(str(student_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.save(str(path), pretty=False)
    return tokenizer


def _log_probabilities(tokenizer: Tokenizer, graph: Path, examples: Sequence[Example]) -> np.ndarray[Any, Any]:
    """Of each text alone, as the shipped model runs it."""
    model = OnnxTextModel(graph.stem, tokenizer, session_of(graph.read_bytes()), 1, TOKENS_MAX)
    shares = np.array([model.probabilities(row.text) for row in examples], np.float64)
    logs: np.ndarray[Any, Any] = np.log(np.clip(shares, 1e-9, 1))
    return logs


def _figures(logits: np.ndarray[Any, Any], examples: Sequence[Example]) -> dict[str, float]:
    labels = np.array([row.label for row in examples])
    found = logits.argmax(-1)
    shares = np.exp(logits)
    figures = {
        "macro_f1": macro_f1(labels, found),
        "negative_log_likelihood": negative_log_likelihood(logits, labels),
        "expected_calibration_error": expected_calibration_error(shares.max(-1), found == labels),
    }
    for source in sorted({row.source for row in examples}):
        inside = np.array([row.source == source for row in examples])
        figures[f"accuracy_{source}"] = float((found == labels)[inside].mean())
        figures[f"macro_f1_{source}"] = macro_f1(labels[inside], found[inside])
    return {name: round(value, 4) for name, value in figures.items()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
