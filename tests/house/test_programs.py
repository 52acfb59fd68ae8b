"""The programs that `make` runs and no test does, benchmarks above all, can at least be started."""

import ast
import tomllib
from fnmatch import fnmatch
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


def test_the_program_imports_nothing_that_is_not_installed_with_it() -> None:
    """A test finds every folder of the checkout; `candlewick`, started anywhere, finds what its installation names."""
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ours
        if any(fnmatch(folder, pattern) for pattern in packed)
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name in ours and not any(fnmatch(name, pattern) for pattern in packed)
    }
    assert missing == set()


def _imported(node: ast.AST) -> list[str]:
    """The top-level names a node imports."""
    if isinstance(node, ast.Import):
        return [each.name.partition(".")[0] for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []
