"""The figures of models on the test splits, which nothing was trained, tuned or chosen on, and on written sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consumers.classifier.models.registry import LABELS, Model, ModelUnavailable, load
from consumers.classifier.training.data import Corpus, Example, plain_validation
from consumers.classifier.training.metrics import (
    accuracy,
    bootstrap,
    calibration_bins,
    confusion,
    expected_calibration_error,
    f1_by_class,
    macro_f1,
)
from consumers.classifier.training.report import html_report

__all__ = ["SETS", "evaluate", "table"]

SETS = {"sentfin_test": "SEntFiN test", "tfns_valid": "TFNS valid", "news_test": "news test", "written": "written"}
"""The three test splits, and the written sentences that validate: chosen and calibrated by, trained on by nobody."""
WORST_ERRORS = 25


def evaluate(
    names: Sequence[str], corpus: Corpus, out: Path, progress: Callable[[int], None] = lambda texts: None
) -> dict[str, Any]:
    """Judges each named model on all sets; writes `eval.json` and `report.html` into `out`.

    A model that is not available is reported as such and does not stop the others.
    """
    sets = {
        "sentfin_test": corpus.sentfin_test,
        "tfns_valid": corpus.tfns_test,
        "news_test": corpus.news_test,
        "written": plain_validation(),
    }
    report: dict[str, Any] = {"sets": {name: len(rows) for name, rows in sets.items()}, "models": {}}
    for name in names:
        try:
            model = load(name)
        except ModelUnavailable as error:
            report["models"][name] = {"unavailable": str(error)}
            continue
        judged: dict[str, Any] = {}
        report["models"][name] = judged
        for key, rows in sets.items():
            judged[key] = judge(model, rows)
            progress(len(rows))
        judged["version"] = model.version
    out.mkdir(parents=True, exist_ok=True)
    (out / "eval.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(html_report(report, SETS), encoding="utf-8")
    return report


def judge(model: Model, rows: Sequence[Example]) -> dict[str, Any]:
    """All figures of one model on one set."""
    scores = model.score([row.text for row in rows])
    true = np.array([row.label for row in rows])
    found = np.array([LABELS.index(score.label) for score in scores])
    confidence = np.array([score.confidence_e4 for score in scores]) / 10_000
    wrong = [at for at in np.argsort(-confidence, kind="stable").tolist() if true[at] != found[at]]
    return {
        "texts": len(rows),
        "accuracy": accuracy(true, found),
        "macro_f1": macro_f1(true, found),
        "f1": dict(zip(LABELS, f1_by_class(true, found), strict=True)),
        "confusion": confusion(true, found).tolist(),
        "expected_calibration_error": expected_calibration_error(confidence, true == found),
        "calibration": calibration_bins(confidence, true == found),
        "interval_95": bootstrap(true, found),
        "worst_errors": [
            {
                "text": rows[at].text,
                "true": LABELS[true[at]],
                "found": LABELS[found[at]],
                "confidence": float(confidence[at]),
            }
            for at in wrong[:WORST_ERRORS]
        ],
    }


def table(report: dict[str, Any]) -> str:
    """The report as plain text, one line for each model and set."""
    lines = [f"{'model':<16}{'set':<14}{'accuracy':>9} {'95 %':>14} {'macro-F1':>9} {'95 %':>14} {'ECE':>6}  F1 -/0/+"]
    for name, model in report["models"].items():
        if "unavailable" in model:
            lines.append(f"{name:<16}{model['unavailable']}")
            continue
        for key, title in SETS.items():
            row = model[key]
            edges = {k: f"{low:.3f}–{high:.3f}" for k, (low, high) in row["interval_95"].items()}
            classes = "/".join(f"{row['f1'][label]:.3f}" for label in LABELS)
            lines.append(
                f"{name:<16}{title:<14}{row['accuracy']:>9.4f} {edges['accuracy']:>14} {row['macro_f1']:>9.4f} "
                f"{edges['macro_f1']:>14} {row['expected_calibration_error']:>6.3f}  {classes}"
            )
    return "\n".join(lines) + "\n"
