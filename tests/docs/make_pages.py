"""Pages made from what runs measured, and indexes of folders: `make docs` writes them, a test compares."""

import json
from collections.abc import Callable
from pathlib import Path

from ops.made_page import replaced
from tests.bench import benchmarks_page
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
    "benchmarks.md": _from("benchmarks.json", benchmarks_page.page),
    "faults.md": _from("faults.json", chaos_page.page),
    "soak.md": _from("soak.json", soak_page.page),
    "fuzz.md": _from("fuzz.json", fuzz_page.page),
    "runbooks/README.md": _index(
        "runbooks",
        "Runbooks",
        "One page for each alarm ([all alarms](../reference/alarms.md)): what it means, what to look at, what to do.\n"
        "The commands are meant for the stage the alarm is of: first "
        "`export CANDLEWICK_HOME=aws CANDLEWICK_ENVIRONMENT=…`\n"
        "([the command line on a stage](../howto/deploy.md#the-command-line-on-a-stage)); without it they work on a "
        "folder of your machine.",
    ),
    "decisions/README.md": _index(
        "decisions",
        "Decisions",
        "One page for each choice that someone might undo: what, why, what else was tried.",
    ),
}


def figures() -> list[str]:
    """The README's table, from the results beside the pages it links to."""
    soak, faults, fuzz = (json.loads((DOCS / f"{name}.json").read_text()) for name in ("soak", "faults", "fuzz"))
    soak = max(soak, key=lambda run: (run["asked"]["rate_per_s"], run["asked"]["minutes"]))
    steady, burst, counted = soak["steady"], soak["burst"], soak["account"]
    tried = sum(row["inputs"] for row in fuzz.values())
    broke = sum(row["broke"] for row in fuzz.values())
    slowest = max(row["healed_s"] for row in faults if row["name"] != "source")
    probed = next(row["healed_s"] for row in faults if row["name"] == "source")
    return [
        "| | measured | with |",
        "|---|---|---|",
        *benchmarks_page.figures(json.loads((DOCS / "benchmarks.json").read_text())),
        f"| {soak['clients']:,} watchers, {steady['articles_per_s']:.0f} articles a second for "
        f"{soak['asked']['minutes']:g} min, then {burst['articles_per_s']:,.0f} for {burst['seconds']:.0f} s | "
        f"{counted['items_received']:,} items told of, none missed, none twice; nothing pending "
        f"{burst['recovery_s']:.0f} s after the burst | [`make soak`](docs/soak.md) |",
        f"| {len(faults)} faults on the running system | nothing acknowledged lost or counted twice; whole at most "
        f"{slowest:g} s after the cause was gone; of a source, which is probed once a minute, after {probed:g} s | "
        f"[`make chaos`](docs/faults.md) |",
        f"| odd bytes at {len(fuzz)} places | {tried:,} inputs, {broke} broke anything | [`make fuzz`](docs/fuzz.md) |",
    ]


def readme() -> str:
    return replaced((ROOT / "README.md").read_text(), {"figures": figures()})


def write(folder: Path = DOCS) -> None:
    for name, make in PAGES.items():
        (folder / name).write_text(make())
    (ROOT / "README.md").write_text(readme())
    licences.write()


if __name__ == "__main__":
    write()
