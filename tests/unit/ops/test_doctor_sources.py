"""Seventeen feeds without a network are one thing wrong, and one line."""

from typing import Any

import pytest

from ops.doctor import _sources


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
