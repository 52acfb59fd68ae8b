"""Every link resolves, every page can be reached, every listable thing is listed, no made page is stale."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from consumers.classifier.models.registry import ROWS
from contracts.metrics import METRICS
from contracts.resolution import NAMES, RESOLUTIONS, WIDTH_MS
from ops.reference import FOLDER, OTHER_VARIABLES, PAGES
from producers.sources.registry import KINDS
from tests import oracle
from tests.docs import make_pages
from tests.docs.pages import anchors_of, links_of, pages, text_of
from tests.house.source_tree import ROOT, python_files

#: Files of the window engine that hold what every program has, or a way to be fast.
NO_NOUNS = {"__init__", "handler", "service", "instant_table", "known_names"}


def tracked() -> set[Path] | None:
    """What a fresh clone has; None outside a repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {Path(name) for name in listed.stdout.splitlines()} if listed.returncode == 0 else None


def test_every_link_resolves_in_a_fresh_clone() -> None:
    broken, known = [], tracked()
    for page in pages():
        for target in links_of(page):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = (ROOT / page.parent / name).resolve() if name else ROOT / page
            if not place.exists():
                broken.append(f"{page} -> {target}")
            elif known is not None and place.is_file() and place.relative_to(ROOT) not in known:
                broken.append(f"{page} -> {target}: not in the repository")
            elif anchor and place.suffix == ".md" and anchor not in anchors_of(place.relative_to(ROOT)):
                broken.append(f"{page} -> {target}: no such heading")
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [Path("README.md")]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in links_of(page):
            place = (ROOT / page.parent / target.partition("#")[0]).resolve()
            if place.is_relative_to(ROOT) and place.is_file():
                waiting.append(place.relative_to(ROOT))
    assert [str(page) for page in pages() if page not in reached] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), f"{name} is stale: run `make docs`"


@pytest.mark.parametrize("name", make_pages.PAGES)
def test_pages_of_results_are_made_from_them(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == make_pages.PAGES[name](), f"{name} is stale: run `make docs`"


def test_the_figures_of_the_readme_are_those_of_the_pages() -> None:
    assert text_of(Path("README.md")) == make_pages.readme(), "the README is stale: run `make docs`"


def test_every_variable_the_program_reads_is_in_the_reference() -> None:
    told = (FOLDER / "settings.md").read_text()
    read = {
        name
        for path in python_files()
        if "training" not in path.parts and path != Path("ops/reference.py")
        for name in re.findall(r"\bCANDLEWICK_[A-Z_]*[A-Z]\b", (ROOT / path).read_text())
    }
    assert sorted(name for name in read if f"`{name}`" not in told) == []
    assert set(OTHER_VARIABLES) <= set(re.findall(r"`([A-Z_]+)`", told))


def test_every_listable_thing_is_listed() -> None:
    everything = "\n".join(text_of(page) for page in pages())
    listed = {
        **{f"`{row.name}`": "a model" for row in ROWS},
        **{f"`{kind}`": "a kind of source" for kind in KINDS},
        **{f"`{name}`": "a metric" for name in METRICS},
        **{r.name: "a resolution" for r in RESOLUTIONS},
    }
    assert [f"{what} {name}" for name, what in listed.items() if name not in everything] == []


@pytest.mark.parametrize("folder", ["runbooks", "decisions", "howto"])
def test_every_page_of_a_folder_is_in_its_index(folder: str) -> None:
    index = (ROOT / "docs" / folder / "README.md").read_text()
    names = {path.name for path in (ROOT / "docs" / folder).glob("*.md")} - {"README.md"}
    assert sorted(name for name in names if f"({name})" not in index) == []


def test_every_test_the_threat_model_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text_of(Path("docs/security.md")))
    assert len(named) > 30
    missing = []
    for file, function in named:
        path = ROOT / file
        defined = {
            node.name
            for node in ast.walk(ast.parse(path.read_text() if path.exists() else ""))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        if not path.exists() or (function and function not in defined):
            missing.append(f"{file}::{function}")
    assert missing == []


def test_every_row_of_the_threat_model_names_a_test() -> None:
    rows = [
        line for line in text_of(Path("docs/security.md")).splitlines() if line.startswith("| ") and "---" not in line
    ]
    assert [row for row in rows if "`tests/" not in row and "shown by" not in row] == []


def test_resolutions_that_are_written_by_hand_are_those_of_the_table() -> None:
    web = (ROOT / "web" / "src" / "model" / "resolution.ts").read_text()
    dashboard = re.findall(r'id: "(\w+)".*ms\(([\d_]+)\)', web)
    assert [(name, int(width_ms)) for name, width_ms in dashboard] == [(r.name, r.width_ms) for r in RESOLUTIONS]
    assert {name: width_s * 1_000 for name, width_s in oracle.WIDTHS_S.items()} == WIDTH_MS
    assert f"| {' '.join(NAMES)} |" in (FOLDER / "commands.md").read_text(), "the help of `buckets --resolution`"
    formats = text_of(Path("docs/formats.md"))
    assert f"| `resolution` | `{' '.join(NAMES)}` |" in formats
    assert " / ".join(f"{each.newest_limit:,}" for each in RESOLUTIONS) in formats


def test_the_glossary_has_every_noun_of_the_window_engine() -> None:
    """Its files are called after the nouns they hold, and a newcomer finds those explained. Each word is there once."""
    rows = [line.split("|")[1].strip() for line in text_of(Path("docs/glossary.md")).splitlines() if line[:2] == "| "]
    assert len(rows) == len(set(rows)), "a word twice"
    told = " ".join(rows).replace("-", "")
    nouns = {path.stem for path in python_files() if path.parts[0] == "aggregation"} - NO_NOUNS
    assert sorted(noun for noun in nouns if noun.rstrip("s").replace("z", "s") not in told) == []
