"""A comparison as files: JSON for programs, one self-contained HTML page for people."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from ops.replay.compare import VERDICTS
from stores.durable_files import write_atomically

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1d2430;background:#fff}
@media (prefers-color-scheme:dark){body{color:#dfe5ee;background:#12161d}th,td{border-color:#2b3442!important}}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .6rem;border-bottom:1px solid #dde3ea;text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child,td.text{text-align:left}.bad{color:#b3261e}.good{color:#1b7f4b}small{opacity:.75}
"""


def write_report(report: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """`compare-<a>-<b>.html` and `.json` in a folder; returns both paths. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"compare-{report['a']}-{report['b']}"
    html, document = base.with_suffix(".html"), base.with_suffix(".json")
    page, text = render(report).encode(), json.dumps(report, indent=2).encode() + b"\n"
    write_atomically(html, lambda file: _put(file, page))
    write_atomically(document, lambda file: _put(file, text))
    return html, document


def _put(file: Any, body: bytes) -> None:
    file.write(body)


def render(report: dict[str, Any]) -> str:
    """The page."""
    title = f"{report['a']} and {report['b']} compared"
    parts = [f"<h1>{escape(title)}</h1>", f"<p><small>{escape(report['at'])}"]
    parts.append("</small></p>" if report["complete"] else " · stopped before the end</small></p>")
    parts += [_verdict(report), _figures(report)]
    parts.append("<h2>By resolution</h2>" + _parts_table("resolution", report["by_resolution"]))
    parts.append("<h2>By subject</h2>" + _parts_table("subject", report["by_subject"]))
    parts.append(f"<h2>The {len(report['worst'])} buckets that differ most</h2>" + _worst_table(report))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _verdict(report: dict[str, Any]) -> str:
    if not report["breaches"]:
        return '<p class="good">Inside all thresholds.</p>'
    rows = "".join(f"<li>{escape(breach)}</li>" for breach in report["breaches"])
    return f'<p class="bad">Outside the thresholds:</p><ul>{rows}</ul>'


def _figures(report: dict[str, Any]) -> str:
    flips, psi = report["label_flips"], report["psi"]
    rows = [(name.replace("_", " "), f"{report['counts'][name]:,}") for name in VERDICTS]
    rows += [
        ("labels flipped", f"{flips['events']:,} ({flips['share']:.2%}{'' if flips['exact'] else ', at least'})"),
        ("mean absolute change of close", f"{report['mean_abs_close_change']:.4f}"),
        (f"population stability index (over {psi['over']})", f"{psi['value']:.4f}"),
    ]
    return _table(("", ""), [(escape(name), escape(value)) for name, value in rows])


def _parts_table(name: str, rows: dict[str, dict[str, Any]]) -> str:
    head = (name, *(verdict.replace("_", " ") for verdict in VERDICTS), "change of close", "labels flipped, at least")
    body = [
        (
            escape(key),
            *(f"{row[verdict]:,}" for verdict in VERDICTS),
            f"{row['mean_abs_close_change']:.4f}",
            f"{row['net_label_flips']:,}",
        )
        for key, row in rows.items()
    ]
    return _table(head, body)


def _worst_table(report: dict[str, Any]) -> str:
    body = []
    for one in report["worst"]:
        articles = "<br>".join(
            f"{escape(article['title'])} <small>{article['polarity']:+.4f}</small>" for article in one["articles"]
        )
        body.append(
            (
                escape(f"{one['ticker']} {one['resolution']} {one['a']['start']}"),
                f"{one['difference']:.4f}",
                _ohlc(one["a"]),
                _ohlc(one["b"]),
                str(one["a"]["count"]),
                articles or "<small>no article kept</small>",
            )
        )
    head = ("bucket", "difference", f"{report['a']}: o h l c", f"{report['b']}: o h l c", "events", "articles")
    return _table(head, body)


def _ohlc(bucket: dict[str, Any]) -> str:
    return " ".join(f"{bucket[name]:+.2f}" for name in ("open", "high", "low", "close"))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Cells of `rows` are markup."""
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{heads}</tr>{body}</table>"
