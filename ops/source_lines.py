"""News sources as an operator sees them: one line each, whatever goes wrong with them."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from contracts.instants import iso_ms
from contracts.resolution import DAY_MS
from ops.console import printable
from stores.home import Home

PIPE_COLUMNS = 160
#: A source is asked at least once a day.
ASKED_MS: Final = 2 * DAY_MS
#: For what another list than the one that was read has.
OTHER_LIST: Final = "`--sources FILE` or CANDLEWICK_SOURCES_FILE names it"
#: What is fine, what waits for somebody, what is wrong; in the order in which an operator wants to see them.
STATES = ("circuit open", "unreachable", "gone", "waiting", "no key", "new", "healthy", "paused")


def asked_of(home: Home, listed: Collection[str], now_ms: int) -> dict[str, dict[str, Any]]:
    """What the producers remember, but for sources that are not listed and that nobody asks any more: the line may have
    been started with another list."""
    return {
        name: document
        for name, document in home.control.list("source").items()
        if name in listed or int(document.get("last_attempt_ms") or 0) > now_ms - ASKED_MS
    }


def source_lines(documents: Mapping[str, Mapping[str, Any]], now_ms: int) -> list[dict[str, Any]]:
    """Rows from the producers' control documents (kind `source`), what needs attention first. Ages in seconds;
    `cursor_age_s`: how old the newest article is that was seen there."""
    rows = [_line(name, document, now_ms) for name, document in documents.items()]
    return sorted(rows, key=lambda row: (STATES.index(row["state"]) if row["state"] in STATES else 0, row["name"]))


def _line(name: str, document: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    success_ms, attempt_ms = document.get("last_success_ms"), document.get("last_attempt_ms")
    newest_ms, due_ms = document.get("newest_published_ms"), document.get("next_due_ms")
    return {
        "name": name,
        "kind": document.get("kind"),
        "url": document.get("url"),
        "state": str(document.get("state", "new")),
        "every_s": document.get("every_s"),
        "articles_per_hour": int(document.get("articles_per_hour") or 0),
        "published": int(document.get("published") or 0),
        "last_success_at": iso_ms(int(success_ms)) if success_ms else None,
        "last_success_age_s": _age_s(success_ms, now_ms),
        "last_attempt_at": iso_ms(int(attempt_ms)) if attempt_ms else None,
        "cursor_at": iso_ms(int(newest_ms)) if newest_ms else None,
        "cursor_age_s": _age_s(newest_ms, now_ms),
        "next_due_at": iso_ms(int(due_ms)) if due_ms else None,
        "error": document.get("error"),
        "note": document.get("note"),
    }


def _age_s(instant_ms: Any, now_ms: int) -> float | None:
    return round((now_ms - int(instant_ms)) / 1000, 1) if instant_ms else None


def source_table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a person; a long remark is cut at the screen's edge, never wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = [
        (
            row["name"],
            row["state"],
            str(row["articles_per_hour"]),
            _ago(row["last_success_age_s"]),
            _ago(row["cursor_age_s"]),
            printable(str(row["error"] or row["note"] or "")),
        )
        for row in rows
    ]
    titles = ("source", "state", "articles/h", "answered", "newest", "remark")
    for number, title in enumerate(titles):
        # Only the remark gives way on a narrow screen.
        needed = max([len(title), *(len(row[number]) for row in cells)]) if title != "remark" else None
        table.add_column(title, no_wrap=True, min_width=needed, overflow="ellipsis")
    for row in cells:
        table.add_row(*row)
    return table


def wide_console() -> Console:
    """The screen; a file or pipe, which has no edge, is taken for a wide one."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PIPE_COLUMNS)


def _ago(seconds: float | None) -> str:
    return f"{age_text(seconds * 1000)} ago" if seconds is not None else "never"


def age_text(milliseconds: float) -> str:
    """`0.4 s`, `12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = milliseconds / 1000
    for limit, divisor, unit in ((10, 1, "s"), (120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.1f} {unit}" if limit == 10 else f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
