"""The documents: where they are, what they link to, what they say in code."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.house.source_tree import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A piece of code in a page. `note`: the comment right before it (`<!-- run: … -->`), or empty."""

    language: str
    code: str
    note: str


def pages() -> list[Path]:
    """Every page of ours, relative to the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "web" / "README.md"]
    return sorted(path.relative_to(ROOT) for path in found if path.exists())


def text_of(page: Path) -> str:
    return (ROOT / page).read_text()


def blocks_of(page: Path) -> list[Block]:
    text = text_of(page)
    found = []
    for match in FENCE.finditer(text):
        note = re.search(r"<!-- (.*?) -->\s*\Z", text[: match.start()])
        found.append(Block(match[1], match[2], note[1] if note else ""))
    return found


def links_of(page: Path) -> list[str]:
    """Targets of links and images, code left out."""
    text = re.sub(r"`[^`]*`", "", FENCE.sub("", text_of(page)))
    return re.findall(r"\]\(<?([^)\s>]+)>?\)", text)


def anchors_of(page: Path) -> set[str]:
    """Names of the headings, as links spell them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
