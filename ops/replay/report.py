"""A comparison as files: JSON for programs, one self-contained HTML page for people."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from ops.replay.compare import VERDICTS
from stores.durable_files import write_atomically

#: More subjects than these are folded away.
OPEN_SUBJECTS: Final = 20
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2430;--dim:#5c6675;--line:#dde3ea;--card:#f5f7fa;--paper:#fff;--bar:#b9cdea;
--bad:#b3261e;--good:#1b7f4b}
@media (prefers-color-scheme:dark){:root{--ink:#dfe5ee;--dim:#98a3b3;--line:#2b3442;--card:#1a202a;--paper:#12161d;
--bar:#2f4a73;--bad:#ff8a80;--good:#6fd39b}}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}small,.dim{color:var(--dim)}
.bad{color:var(--bad)}.good{color:var(--good)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(9rem,22%),1fr));gap:.75rem;margin:1rem 0}
dl div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}dt{color:var(--dim);font-size:.85rem}
dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}summary{cursor:pointer;margin:.5rem 0}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap;
font-variant-numeric:tabular-nums}th{color:var(--dim);font-weight:600;font-size:.85rem}
th:first-child,td:first-child,.text{text-align:left}td.text{white-space:normal;min-width:18rem}
td.text span{display:block}
.bar{background:linear-gradient(var(--bar),var(--bar)) no-repeat bottom right/var(--share) 4px}
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
    a, b = escape(report["a"]), escape(report["b"])
    stopped = "" if report["complete"] else " · stopped before the end"
    worst, subjects = report["worst"], report["by_subject"]
    # What moved most comes first; a list in order of the alphabet tells nothing.
    moved = dict(sorted(subjects.items(), key=lambda pair: (-pair[1]["mean_abs_close_change"], pair[0])))
    parts = (
        f"<h1>{a} and {b} compared</h1><small>{escape(report['at'])}{stopped}</small>",
        _verdict(report),
        _figures(report),
        "<h2>By resolution</h2>" + _parts_table("resolution", report["by_resolution"], a, b, flips=False),
        f"<h2>The {len(worst)} buckets that differ most</h2>" + _worst_table(worst, a, b) if worst else "",
        f"<h2>By subject</h2><details{' open' if len(moved) <= OPEN_SUBJECTS else ''}><summary>{len(moved):,} subjects,"
        f" those that moved most first</summary>{_parts_table('subject', moved, a, b)}</details>",
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{a} and {b} compared</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _verdict(report: dict[str, Any]) -> str:
    if not report["breaches"]:
        return '<p class="good">Inside all thresholds.</p>'
    rows = "".join(f"<li>{escape(breach)}</li>" for breach in report["breaches"])
    return f'<p class="bad">Outside the thresholds:</p><ul class="bad">{rows}</ul>'


def _head(verdict: str, a: str, b: str) -> str:
    return {"only_a": f"only in {a}", "only_b": f"only in {b}", "newer": "newer than the plan"}.get(verdict, verdict)


def _figures(report: dict[str, Any]) -> str:
    a, b, flips, psi = escape(report["a"]), escape(report["b"]), report["label_flips"], report["psi"]
    rows = [(_head(name, a, b), f"{report['counts'][name]:,}") for name in VERDICTS]
    rows += [
        (
            "labels flipped" if flips["exact"] else "labels flipped, at least",
            f"{flips['events']:,} <small>{flips['share']:.2%}</small>",
        ),
        ("mean absolute change of close", f"{report['mean_abs_close_change']:.4f}"),
        (f"population stability index, over {escape(psi['over'])}", f"{psi['value']:.4f}"),
    ]
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in rows)}</dl>"


def _parts_table(name: str, rows: dict[str, dict[str, Any]], a: str, b: str, flips: bool = True) -> str:
    """Labels are counted at the finest resolution only, so by resolution they would say nothing."""
    head = [name, *(_head(verdict, a, b) for verdict in VERDICTS), "change of close"]
    most = max((row["mean_abs_close_change"] for row in rows.values()), default=0.0) or 1.0
    body = []
    for key, row in rows.items():
        share = 100 * row["mean_abs_close_change"] / most
        cells = [f"<td>{escape(key)}</td>", *(f"<td>{row[verdict]:,}</td>" for verdict in VERDICTS)]
        cells.append(f'<td class="bar" style="--share:{share:.0f}%">{row["mean_abs_close_change"]:.4f}</td>')
        body.append(cells + ([f"<td>{row['net_label_flips']:,}</td>"] if flips else []))
    return _table([*head, "labels flipped, at least"] if flips else head, body)


def _worst_table(worst: list[dict[str, Any]], a: str, b: str) -> str:
    body = []
    for one in worst:
        articles = "".join(
            f"<span>{escape(article['title'])} <small>{article['polarity']:+.4f}</small></span>"
            for article in one["articles"]
        )
        articles = articles or "<small>no article kept</small>"
        body.append(
            [
                f"<td>{escape(one['ticker'])} {one['resolution']}<br><small>{one['a']['start']}</small></td>",
                f"<td>{one['difference']:.4f}</td><td>{_ohlc(one['a'])}<br>{_ohlc(one['b'])}</td>",
                f'<td>{one["a"]["count"]:,}</td><td class="text">{articles}</td>',
            ]
        )
    head = ["bucket", "difference", f"o h l c, {a} above {b}", "events", "articles"]
    return _table(head, body, text=4)


def _ohlc(bucket: dict[str, Any]) -> str:
    return " ".join(f"{bucket[name]:+.2f}" for name in ("open", "high", "low", "close"))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int = 0) -> str:
    """Cells are markup; the column `text` is not of figures."""
    heads = "".join(f"<th{' class=text' if at == text else ''}>{cell}</th>" for at, cell in enumerate(head))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>'
