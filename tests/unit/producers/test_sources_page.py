"""docs/howto/sources.md says what the program does: every kind, key and state, and settings that are accepted."""

import re
from pathlib import Path

from ops.source_lines import STATES
from producers.sources.registry import KINDS, adapter, read_sources
from tests.bench.recognition import PARTS, measure, read_sample

PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "sources.md").read_text()


def test_every_kind_key_and_state_is_on_the_page() -> None:
    names = [*KINDS, *(kind.secret for kind in KINDS.values() if kind.secret), *STATES]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_its_settings_are_accepted_and_show_every_kind() -> None:
    (settings,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    sources = read_sources(settings, "the page")
    assert {source.kind for source in sources} == set(KINDS)
    assert all(callable(adapter(source.kind)) for source in sources)


def test_its_figures_of_recognition_are_those_measured() -> None:
    told = re.findall(r"^\| (\d+) [a-z ]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    measured = [measure(read_sample(part)) for part in PARTS]
    assert told == [
        (str(m.headlines), f"{m.precision:.3f}", f"{m.recall_in_table:.3f}", f"{m.recall:.3f}") for m in measured
    ]
