"""Pages made from what runs measured: `python -m tests.docs.make_pages` writes them, a test compares."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e import chaos_page, soak_page
from tests.house.source_tree import ROOT
from tests.supply import licences

DOCS = ROOT / "docs"


def _from(results: str, page: Callable[..., str]) -> Callable[[], str]:
    return lambda: page(json.loads((DOCS / results).read_text()))


PAGES: dict[str, Callable[[], str]] = {
    "faults.md": _from("faults.json", chaos_page.page),
    "soak.md": _from("soak.json", soak_page.page),
}


def write(folder: Path = DOCS) -> None:
    for name, make in PAGES.items():
        (folder / name).write_text(make())
    licences.write()


if __name__ == "__main__":
    write()
