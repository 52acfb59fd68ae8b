"""Every scenario on every engine; and that a wrong expectation fails, with its place."""

import re
from pathlib import Path

import pytest

from tests.scenarios.language import ScenarioError, parse
from tests.scenarios.registry import ENGINES
from tests.scenarios.runner import Runner

FOLDER = Path(__file__).parents[2] / "scenarios"
FILES = sorted(FOLDER.glob("*.scn"))
DOCUMENTED = FOLDER / "documented.scn"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path, engine: str, tmp_path: Path) -> None:
    """Every `expect` of the file is held by the runner, which fails with its line."""
    Runner(ENGINES[engine], tmp_path).run(parse(path))


def test_there_are_enough() -> None:
    assert len(FILES) >= 40


LIES = [
    (5, "n3", "n4"), (5, "h+0.90", "h+0.91"), (5, "open ", "final"), (7, "l-0.20", "l+0.20"), (9, "n3", "n2"),
    (11, "revised", "final"), (15, "n5", "n6"), (16, "too_late 1", "too_late 0"), (17, "10:01", "10:02"),
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("line", "truth", "lie"), LIES)
def test_a_wrong_expectation_fails_with_its_place(line: int, truth: str, lie: str, engine: str, tmp_path: Path) -> None:
    lines = DOCUMENTED.read_text().splitlines()
    assert truth in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(truth, lie)
    with pytest.raises(ScenarioError, match=rf"^{re.escape(str(DOCUMENTED))}:{line}: "):
        Runner(ENGINES[engine], tmp_path).run(parse(DOCUMENTED, "\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("expekt nothing", "no such statement"),
        ("10:00:05 AAPL +0.40 #a\nexpect final AAPL 10:00 x3", "the window is open"),
        ("10:00:05 AAPL +0.40 #a\nexpect open AAPL 10:00 x3", "no such claim"),
        ("10:00:05 AAPL +0.40 #a\nexpect open AAPL 5m 10:01", "no 5m window starts"),
        ("batch\n10:00:05 AAPL +0.40 #a\ndeliver crash after 1 writes", "left over: a batch that was never acknowl"),
    ],
)
def test_mistakes_of_the_author_are_named(text: str, why: str, tmp_path: Path) -> None:
    path = Path("made_up.scn")
    with pytest.raises(ScenarioError, match=rf"^made_up.scn:{len(text.splitlines())}: {why}"):
        Runner(ENGINES["pure"], tmp_path).run(parse(path, text))
