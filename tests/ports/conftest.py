"""One fixture for every port's suite: a home, and how to open the same one again as a new process would."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.settings import Settings
from stores.home import SHARD_COUNTS, Home, forget_homes, open_home


@dataclass
class Installation:
    """An empty home with a clock that moves when told to. `reopen` answers the home as a restart finds it."""

    settings: Settings
    clock: ManualClock
    home: Home = field(init=False)
    #: Divides the sizes of tests with many writes: moto takes some milliseconds for each.
    slowness: int = 1

    def __post_init__(self) -> None:
        self.home = open_home(self.settings, self.clock)

    def reopen(self) -> Home:
        forget_homes()
        self.home = open_home(self.settings, self.clock)
        return self.home


@contextmanager
def _embedded(folder: Path) -> Iterator[Installation]:
    yield Installation(Settings(data_dir=str(folder / "data")), ManualClock())


@contextmanager
def _aws(folder: Path) -> Iterator[Installation]:
    """On moto in this process; the endpoint is AWS' own address, which moto answers for."""
    from stores.aws_home import AwsHome
    from tests.aws.moto_aws import moto_aws

    clock = ManualClock()
    settings = Settings(home="aws", lake_bucket="lake")
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        yield Installation(settings, clock, slowness=20)


#: The homes that every port suite runs on.
HOMES: dict[str, Callable[[Path], AbstractContextManager[Installation]]] = {"embedded": _embedded, "aws": _aws}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "homes(*names): the homes this law can be tried on; all when unmarked")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "home_name" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("homes")
        metafunc.parametrize("home_name", marker.args if marker else sorted(HOMES))


@pytest.fixture
def installation(home_name: str, tmp_path: Path) -> Iterator[Installation]:
    with HOMES[home_name](tmp_path) as opened:
        yield opened
        forget_homes()
