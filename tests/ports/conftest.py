"""One fixture for every port's suite: a home, and how to open the same one again as a new process would."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.settings import Settings
from stores.home import Home, forget_homes, open_home


@dataclass
class Installation:
    """An empty home with a clock that moves when told to. `reopen` answers the home as a restart finds it."""

    settings: Settings
    clock: ManualClock
    home: Home = field(init=False)

    def __post_init__(self) -> None:
        self.home = open_home(self.settings, self.clock)

    def reopen(self) -> Home:
        forget_homes()
        self.home = open_home(self.settings, self.clock)
        return self.home


def _embedded(folder: Path) -> Installation:
    return Installation(Settings(data_dir=str(folder / "data")), ManualClock())


#: The homes that every port suite runs on; the AWS home joins here.
HOMES: dict[str, Callable[[Path], Installation]] = {"embedded": _embedded}


@pytest.fixture(params=sorted(HOMES))
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    yield HOMES[request.param](tmp_path)
    forget_homes()
