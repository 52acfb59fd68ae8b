"""The programs that `make` runs and no test does, benchmarks above all, can at least be started."""

from importlib import import_module

import pytest

from tests.house.source_tree import ROOT

PROGRAMS = [
    f"tests.{folder}.{path.stem}"
    for folder in ("bench", "e2e", "fuzz", "sim", "scenarios", "docs")
    for path in sorted((ROOT / "tests" / folder).glob("*.py"))
    if not path.name.startswith(("test_", "conftest", "__"))
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_name_a_program_takes_from_another_is_there(name: str) -> None:
    """A name that is not there fails the import, and with it the test."""
    import_module(name)
