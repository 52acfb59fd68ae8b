"""Seventeen feeds without a network are one thing wrong, and one line; a source nobody asks any more is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.resolution import DAY_MS
from ops.doctor import _sources
from ops.status import snapshot
from producers.service import KIND
from stores.home import forget_homes
from tests.unit.replay.kit import home_of, settings_of


def seen(*silent: bool) -> dict[str, Any]:
    rows = [{"name": f"rss-{n}", "error": "unreachable" if each else None} for n, each in enumerate(silent)]
    return {"sources": rows}


@pytest.mark.parametrize(("silent", "lines"), [((False,), 0), ((True, False, True), 2), ((True,) * 17 + (False,), 1)])
def test_few_are_named_each_and_many_once(silent: tuple[bool, ...], lines: int) -> None:
    found = list(_sources(None, seen(*silent)))  # type: ignore[arg-type]
    assert len(found) == lines
    if lines == 1:
        assert "17 of 18" in found[0].detail
        assert "rss-0: unreachable" in found[0].detail


def test_what_is_set_up_no_more_and_asked_no_more_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` may have been started with other source settings than the command: what is being asked is shown."""
    kept = [{"name": "kept", "kind": "rss", "url": "https://kept.example/"}]
    (tmp_path / "sources.json").write_text(json.dumps(kept))
    monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(tmp_path / "sources.json"))
    home = home_of(tmp_path / "data")
    now_ms = home.clock.now_ms()
    for name, days in (("kept", 3), ("asked", 1), ("gone", 3)):
        home.control.put(KIND, name, {"state": "unreachable", "error": "no", "last_attempt_ms": now_ms - days * DAY_MS})
    home.control.put(KIND, "paused", {"state": "paused"})

    def shown() -> list[str]:
        return [row["name"] for row in snapshot(home, settings_of(tmp_path / "data"))["sources"]]

    assert shown() == ["asked", "kept"]
    (tmp_path / "sources.json").write_text("no settings")
    assert len(shown()) == 4
    forget_homes()
