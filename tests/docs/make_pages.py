"""Pages made from what runs measured, and indexes of folders: `make docs` writes them, a test compares."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e import chaos_page, soak_page
from tests.fuzz import page as fuzz_page
from tests.house.source_tree import ROOT
from tests.supply import licences

DOCS = ROOT / "docs"


def _from(results: str, page: Callable[..., str]) -> Callable[[], str]:
    return lambda: page(json.loads((DOCS / results).read_text()))


def _index(folder: str, title: str, lead: str) -> Callable[[], str]:
    """A folder's pages by their titles."""

    def page() -> str:
        rows = [
            f"- [{path.read_text().splitlines()[0].lstrip('# ')}]({path.name})"
            for path in sorted((DOCS / folder).glob("*.md"))
            if path.name != "README.md"
        ]
        return "\n".join([f"# {title}", "", lead, "", *rows]) + "\n"

    return page


PAGES: dict[str, Callable[[], str]] = {
    "faults.md": _from("faults.json", chaos_page.page),
    "soak.md": _from("soak.json", soak_page.page),
    "fuzz.md": _from("fuzz.json", fuzz_page.page),
    "runbooks/README.md": _index(
        "runbooks",
        "Runbooks",
        "One page for each alarm ([all alarms](../reference/alarms.md)): what it means, what to look at, what to do.",
    ),
    "decisions/README.md": _index(
        "decisions",
        "Decisions",
        "One page for each choice that someone might undo: what, why, what else was tried.",
    ),
}


def write(folder: Path = DOCS) -> None:
    for name, make in PAGES.items():
        (folder / name).write_text(make())
    licences.write()


if __name__ == "__main__":
    write()
