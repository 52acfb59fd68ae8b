"""The evaluation as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from consumers.classifier.models.registry import LABELS

__all__ = ["html_report"]

_STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:64rem;margin:2rem auto;padding:0 1rem}
table{display:block;overflow-x:auto;border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.25rem .7rem;border-bottom:1px solid #8886}
td,th{text-align:right}
th:first-child,td:first-child,td.text{text-align:left}
.grid{display:flex;gap:2rem;flex-wrap:wrap}svg{width:16rem;height:16rem}
caption{text-align:left;font-weight:600}
"""


def html_report(report: dict[str, Any], titles: Mapping[str, str]) -> str:
    """Of the sets with these titles a summary; of each model and set confusions, calibration, worst errors."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'><title>Sentiment models</title>",
        f"<style>{_STYLE}</style></head><body><h1>Sentiment models on the test splits and written sentences</h1>",
        "<p>Intervals are 95 %, from 1,000 bootstrap samples. ECE is the expected calibration error over ten bins.</p>",
        "<p>Written sentences validate: the shipped weights were chosen and calibrated by them. Test splits judge.</p>",
        _summary(report, titles),
    ]
    for name, model in report["models"].items():
        if "unavailable" in model:
            continue
        for key, title in titles.items():
            parts.append(
                f"<h2>{escape(name)} on {title}</h2><div class='grid'>{_confusion(model[key])}{_plot(model[key])}</div>"
            )
            parts.append(_errors(model[key]))
    return "\n".join(parts) + "</body></html>\n"


def _summary(report: dict[str, Any], titles: Mapping[str, str]) -> str:
    head = "".join(
        f"<th>{column}</th>"
        for column in ("model", "set", "texts", "accuracy", "macro-F1", *(f"F1 {x}" for x in LABELS), "ECE")
    )
    rows = []
    for name, model in report["models"].items():
        if "unavailable" in model:
            rows.append(
                f"<tr><td>{escape(name)}</td><td colspan='8' class='text'>{escape(model['unavailable'])}</td></tr>"
            )
            continue
        for key, title in titles.items():
            row = model[key]
            cells = [
                escape(name),
                title,
                str(row["texts"]),
                _with_interval(row, "accuracy"),
                _with_interval(row, "macro_f1"),
            ]
            cells += [f"{row['f1'][label]:.3f}" for label in LABELS] + [f"{row['expected_calibration_error']:.3f}"]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _with_interval(row: dict[str, Any], name: str) -> str:
    low, high = row["interval_95"][name]
    return f"{row[name]:.4f} ({low:.3f}–{high:.3f})"


def _confusion(row: dict[str, Any]) -> str:
    head = "".join(f"<th>found {label}</th>" for label in LABELS)
    lines = "".join(
        f"<tr><td>{label}</td>" + "".join(f"<td>{count}</td>" for count in counts) + "</tr>"
        for label, counts in zip(LABELS, row["confusion"], strict=True)
    )
    return f"<table><caption>Confusion matrix</caption><tr><th>true</th>{head}</tr>{lines}</table>"


def _plot(row: dict[str, Any]) -> str:
    """Accuracy over confidence; on the diagonal a confidence means what it says. Area of a dot: its share of texts."""
    total = sum(bar["count"] for bar in row["calibration"])
    dots = "".join(
        f"<circle cx='{bar['confidence'] * 100:.1f}' cy='{100 - bar['accuracy'] * 100:.1f}' "
        f"r='{1.2 + 6 * (bar['count'] / total) ** 0.5:.1f}' fill='currentColor' fill-opacity='.55'>"
        f"<title>{bar['count']} texts, confidence {bar['confidence']:.3f}, right {bar['accuracy']:.3f}</title></circle>"
        for bar in row["calibration"]
    )
    return (
        "<figure><figcaption>Calibration: share right (up) by confidence (right)</figcaption>"
        "<svg viewBox='-4 -4 108 108' role='img' aria-label='calibration plot'>"
        "<path d='M0 0V100H100M0 100L100 0' fill='none' stroke='currentColor' stroke-opacity='.4' stroke-width='.5'/>"
        f"{dots}</svg></figure>"
    )


def _errors(row: dict[str, Any]) -> str:
    lines = "".join(
        f"<tr><td class='text'>{escape(error['text'])}</td><td>{error['true']}</td><td>{error['found']}</td>"
        f"<td>{error['confidence']:.3f}</td></tr>"
        for error in row["worst_errors"]
    )
    return (
        "<table><caption>The most confident errors</caption>"
        f"<tr><th>text</th><th>true</th><th>found</th><th>confidence</th></tr>{lines}</table>"
    )
