"""The tree as house tests see it: our packages, their files and what each imports."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "aggregation", "producers", "consumers", "stores", "api", "ops", "local")


@cache
def python_files() -> list[Path]:
    """Our shipped Python files (not tests), relative to the root."""
    return sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imports_of(tree: ast.AST) -> set[str]:
    """Full names of everything a tree imports, at module level or inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def calls_of(tree: ast.AST) -> set[str]:
    """Full names of everything a tree calls or reads as an attribute, such as `time.time` or `os.environ`, whatever it
    calls the module."""
    names = _names_of(tree)
    return {name for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (name := _full(node, names))}


def _names_of(tree: ast.AST) -> dict[str, str]:
    """What a tree imports, by the name it has there."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _full(node: ast.expr, names: dict[str, str]) -> str | None:
    """The dotted name of an expression; none of what is no name, such as an attribute of a call."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    inner = _full(node.value, names) if isinstance(node, ast.Attribute) else None
    return f"{inner}.{node.attr}" if inner and isinstance(node, ast.Attribute) else None
