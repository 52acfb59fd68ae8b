"""The import arrows of design section 12, the single clock, and who may read the environment."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGES, ROOT, calls_of, imports_of, python_files, tree_of

#: The modules of aggregation/ that may ask a store, the clock's owner or a logger; all others only compute.
SHELL = {"__init__", "handler", "service", "finalizer", "handover", "lanes"}
COMPUTES_WITH = {
    "bisect", "collections", "datetime", "functools", "hashlib", "itertools", "math", "operator", "re", "sys.intern",
    "typing", "msgspec", "xxhash", "contracts",
}  # fmt: skip
NOT_OF_CONTRACTS = {"contracts.clock", "contracts.logs", "contracts.settings"}
#: What each package may import of ours, besides itself.
ALLOWED = {
    "contracts": set(),
    "aggregation": {"contracts"},
    "producers": {"contracts"},
    "consumers": {"contracts"},
    "stores": {"contracts"},
    "api": {"contracts"},
    "local": {"contracts", "stores", "api", "aggregation", "producers", "consumers"},
    "ops": {"contracts", "stores", "api", "aggregation", "producers", "consumers", "local"},
}
#: The modules of ours whose constants the stacks take.
INFRA_TAKES = {"contracts.resolution", "api.headers", "stores.dynamo_schema"}
CLOCK_CALLS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.sleep", "datetime.datetime.now",
    "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
#: Reads the clock on purpose: the clock itself, and scripts that measure themselves.
CLOCK_EXEMPT = {"contracts/clock.py"}
#: Reads nothing: sets what a library reads while it is imported.
ENVIRONMENT_EXEMPT = {"consumers/classifier/models/onnx_text.py"}


def is_composition_root(path: Path) -> bool:
    return path.name in {"handler.py", "__main__.py", "stream_app.py", "finalizer.py"} or path.parts[0] in {
        "ops",
        "local",
    }


def arrow_faults(path: Path, tree: ast.AST) -> list[str]:
    package = path.parts[0]
    allowed = ALLOWED[package] | {package}
    if is_composition_root(path):
        allowed = allowed | {"stores"}
    ours = {name.partition(".")[0] for name in imports_of(tree)} & set(PACKAGES)
    return [f"{path} imports {name}" for name in sorted(ours - allowed)]


def purity_faults(path: Path, tree: ast.AST) -> list[str]:
    """What a module that only computes imports besides its like, and the files it opens."""
    if path.parts[0] != "aggregation" or path.stem in SHELL:
        return []
    pure = {f"aggregation.{each.stem}" for each in python_files() if each.parts[0] == "aggregation"}
    pure -= {f"aggregation.{name}" for name in SHELL}

    def is_pure(name: str) -> bool:
        parts = name.split(".")
        within = {".".join(parts[: length + 1]) for length in range(len(parts))}
        return bool(within & (COMPUTES_WITH | pure)) and not within & NOT_OF_CONTRACTS

    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    imported = {name for name in imports_of(tree) if name not in named or is_pure(name)}
    opened = ["open"] * any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        for node in ast.walk(tree)
    )
    return [f"{path} may not use {name}" for name in sorted([*(n for n in imported if not is_pure(n)), *opened])]


def clock_faults(path: Path, tree: ast.AST) -> list[str]:
    if str(path) in CLOCK_EXEMPT or "training" in path.parts:
        return []
    imported = {name for name in imports_of(tree) if name in CLOCK_CALLS}
    return [f"{path} calls {name}" for name in sorted((calls_of(tree) & CLOCK_CALLS) | imported)]


def environment_faults(path: Path, tree: ast.AST) -> list[str]:
    if is_composition_root(path) or "training" in path.parts or str(path) in ENVIRONMENT_EXEMPT:
        return []
    return [
        f"{path} reads {name}"
        for name in sorted((calls_of(tree) | imports_of(tree)) & {"os.environ", "os.getenv", "os.putenv"})
    ]


def faults(check) -> list[str]:
    return [fault for path in python_files() for fault in check(path, tree_of(path))]


def test_imports_follow_the_arrows() -> None:
    assert faults(arrow_faults) == []


def test_the_stacks_take_constants_only() -> None:
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "infra").rglob("*.py"))]
    named = [
        node.module
        for path in files
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES
    ]
    assert set(named) == INFRA_TAKES
    ours = {name.partition(".")[0] for path in files for name in imports_of(tree_of(path))} & set(PACKAGES)
    assert ours == {name.partition(".")[0] for name in INFRA_TAKES}


def test_what_only_computes_asks_nobody() -> None:
    assert faults(purity_faults) == []
    assert {path.stem for path in python_files() if path.parts[0] == "aggregation"} >= SHELL


def test_the_clock_is_read_in_one_module() -> None:
    assert faults(clock_faults) == []


def test_the_environment_is_read_in_composition_roots_only() -> None:
    assert faults(environment_faults) == []


def test_canary_each_check_sees_a_planted_fault() -> None:
    planted = ast.parse("import stores.home\nimport os, time\nfrom api import app\ntime.time()\nos.environ['X']\n")
    place = Path("aggregation/operator.py")
    assert arrow_faults(place, planted) == [f"{place} imports api", f"{place} imports stores"]
    assert clock_faults(place, planted) == [f"{place} calls time.time"]
    assert environment_faults(place, planted) == [f"{place} reads os.environ"]
    named = ast.parse("from os import environ\nfrom time import time")
    assert environment_faults(place, named) == [f"{place} reads os.environ"]
    assert clock_faults(place, named) == [f"{place} calls time.time"]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("import time as t; t.time()", "time.time"),
        ("import datetime; datetime.datetime.now()", "datetime.datetime.now"),
        ("import datetime as d; d.date.today()", "datetime.date.today"),
        ("from datetime import datetime; datetime.now(None)", "datetime.datetime.now"),
        ("from datetime import datetime as moment; read = moment.utcnow", "datetime.datetime.utcnow"),
        ("from time import monotonic as now; now()", "time.monotonic"),
    ],
)
def test_canary_a_clock_is_seen_under_any_name(lines: str, name: str) -> None:
    place = Path("aggregation/operator.py")
    assert clock_faults(place, ast.parse(lines)) == [f"{place} calls {name}"]
    other = ast.parse("class Clock: ...\ntime = Clock()\ntime.now(); self.clock.time(); datetime.fromisoformat('')")
    assert clock_faults(place, other) == []


@pytest.mark.parametrize(
    "line",
    [
        "import logging", "import random", "import socket", "from aggregation.service import Aggregator", "import os",
        "from contracts.clock import SystemClock", "import aggregation.handler", "from sys import argv", "open('x')",
    ],
)  # fmt: skip
def test_canary_a_module_that_only_computes_is_seen_to_ask(line: str) -> None:
    assert purity_faults(Path("aggregation/operator.py"), ast.parse(line)) != []
    assert purity_faults(Path("aggregation/service.py"), ast.parse(line)) == []


def test_no_path_of_a_workplace_and_no_registry_host() -> None:
    words = ("/" + "work/", "registry." + "npmjs", "pypi.org/" + "simple", "/tmp/" + "bash_jobs")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = []
    for name in listed:
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            text = path.read_text(errors="ignore")
            found += [f"{name}: {word}" for word in words if word in text]
    assert found == []
