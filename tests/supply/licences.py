"""docs/licences.md: what is installed with Candlewick, and under which licence.

The table is made from the installed packages that `pyproject.toml` asks for, directly or through others. A licence
outside `KNOWN` is a red test: somebody has to read that one.
"""

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from tests.house.source_tree import ROOT

PAGE = ROOT / "docs" / "licences.md"
EXTRAS = ("aws", "parquet")
#: Licence families that an Apache-2.0 program may depend on, as words that must appear.
KNOWN = re.compile(r"Apache|MIT|BSD|ISC|PSF|Python Software|MPL|Mozilla|Unlicense|Zlib|HPND|0BSD|CC0", re.IGNORECASE)


def runtime() -> list[Distribution]:
    """Every package that an installation with the optional parts has, ascending by name."""
    found: dict[str, Distribution] = {}
    waiting = [("candlewick", frozenset(EXTRAS))]
    while waiting:
        name, extras = waiting.pop()
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue  # of another platform, or an extra that is not installed here
        if canonical(name) in found and not extras:
            continue
        found[canonical(name)] = installed
        waiting += _wanted(installed, extras)
    del found["candlewick"]
    return [found[name] for name in sorted(found)]


def _wanted(installed: Distribution, extras: Iterable[str]) -> list[tuple[str, frozenset[str]]]:
    chosen = []
    for text in installed.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            chosen.append((requirement.name, frozenset(requirement.extras)))
    return chosen


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(installed: Distribution) -> str:
    """The licence as the package itself tells it: expression, classifiers, then the field."""
    told = installed.metadata
    expression = told.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c.rpartition(":: ")[2] for c in told.get_all("Classifier") or () if c.startswith("License ::")]
    named = [c for c in classifiers if c != "OSI Approved"]
    if named:
        return ", ".join(named)
    return (told.get("License") or "").strip().splitlines()[0] if (told.get("License") or "").strip() else "not told"


def page() -> str:
    lines = [
        "# Licences of what is installed with Candlewick",
        "",
        "Made by `make docs` from the installed packages (with the parts `aws` and `parquet`); versions are pinned in",
        "`constraints.txt`, digests in `requirements.lock`. Data and the encoder of the model: [NOTICE](../NOTICE).",
        "",
        "| package | licence |",
        "|---|---|",
        *(f"| {canonical(installed.name)} | {licence_of(installed)} |" for installed in runtime()),
    ]
    return "\n".join(lines) + "\n"


def write() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    write()
