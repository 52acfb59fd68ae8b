"""Files and functions of a size one can read, nothing unfinished, nothing swallowed, no pickle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.source_tree import ROOT, calls_of, imports_of, python_files, tree_of

MAX_LINES = 400
MAX_FUNCTION_LINES = 60
#: File → why it is longer. Data is not code.
LONGER: dict[str, str] = {}
#: A broad `except` says what becomes of the error, in the words of its own line.
HANDED_ON = re.compile(r"except (Base)?Exception.*# noqa: BLE001 — \w+")
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")))
MARKUP = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML)\b|\beval\(|new Function\("
)
UNSAFE = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def web_files() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / "web" / "src").rglob("*.ts*"))


def all_python() -> list[Path]:
    tests = (ROOT / "tests").rglob("*.py")
    infra = (ROOT / "infra").rglob("*.py")
    return [*python_files(), *sorted(path.relative_to(ROOT) for path in (*tests, *infra))]


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(path: Path, tree: ast.AST) -> list[str]:
    found = []
    for function in functions_of(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > MAX_FUNCTION_LINES:
            found.append(f"{path}:{function.lineno} {function.name} has {length} lines")
    return found


def swallowing(path: Path, tree: ast.AST, text: str) -> list[str]:
    """Broad handlers that neither raise again nor say on their line what becomes of the error."""
    lines = text.splitlines()
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
        if not names & {"", "Exception", "BaseException"}:
            continue
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        uses = node.name is not None and any(
            isinstance(inner, ast.Name) and inner.id == node.name for inner in ast.walk(node)
        )
        if not raises and not uses and not HANDED_ON.search(lines[node.lineno - 1]):
            found.append(f"{path}:{node.lineno} swallows {'everything' if names == {''} else sorted(names)}")
    return found


def unsafe(path: Path, tree: ast.AST) -> list[str]:
    imported = {name.partition(".")[0] for name in imports_of(tree)}
    called = calls_of(tree) & {"yaml.load", "numpy.load", "np.load", "torch.load"}
    evaluated = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    }
    return [f"{path} uses {name}" for name in sorted(imported & UNSAFE | called | evaluated)]


def test_no_file_is_over_400_lines() -> None:
    sizes = {str(path): len((ROOT / path).read_text().splitlines()) for path in (*all_python(), *web_files())}
    assert [f"{name}: {size}" for name, size in sizes.items() if size > MAX_LINES and name not in LONGER] == []


def test_no_function_is_over_60_lines() -> None:
    assert [fault for path in python_files() for fault in long_functions(path, tree_of(path))] == []


def test_nobody_swallows_an_error() -> None:
    assert [f for path in python_files() for f in swallowing(path, tree_of(path), (ROOT / path).read_text())] == []


def test_nothing_is_unfinished() -> None:
    found = []
    for path in (*all_python(), *web_files()):
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            if UNFINISHED.search(line):
                found.append(f"{path}:{number} {line.strip()[:80]}")
    assert found == []


def test_nothing_unpickles_or_evaluates() -> None:
    # The trainer reads checkpoints of its own making; nothing of it runs with the program.
    shipped = [path for path in python_files() if "training" not in path.parts]
    assert [fault for path in shipped for fault in unsafe(path, tree_of(path))] == []


def test_the_page_writes_text_and_never_markup() -> None:
    """What an article says goes into text nodes; nothing in the page parses HTML or runs what it was told."""
    found = []
    for path in sorted((ROOT / "web" / "src").rglob("*.ts*")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if MARKUP.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}")
    assert found == []


def test_canary_each_check_sees_a_planted_fault() -> None:
    place = Path("x.py")
    body = "\n".join("    a = 1" for _ in range(MAX_FUNCTION_LINES))
    assert long_functions(place, ast.parse(f"def f():\n{body}\n")) != []
    text = "try:\n    pass\nexcept Exception:\n    pass\n"
    assert swallowing(place, ast.parse(text), text) != []
    assert (
        swallowing(place, ast.parse("try:\n    pass\nexcept:\n    pass\n"), "try:\n    pass\nexcept:\n    pass\n") != []
    )
    handed_on = "try:\n    pass\nexcept Exception as error:\n    tell(error)\n"
    assert swallowing(place, ast.parse(handed_on), handed_on) == []
    assert unsafe(place, ast.parse("import pickle\neval('1')\n")) == [f"{place} uses eval", f"{place} uses pickle"]
    assert MARKUP.search("cell.innerHTML = title")
    assert UNFINISHED.search("# TO" + "DO: later")
