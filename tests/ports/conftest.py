"""One fixture for every port's suite: a home, and how to open the same one again as a new process would."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.clock import ManualClock, SystemClock
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


class _RealClock(SystemClock):
    """A real endpoint keeps its own time, which cannot be moved on. Ours begins when the suites' data is fresh: what
    they write would otherwise be past its TTL. Tests that compare the two times are skipped."""

    def __init__(self) -> None:
        self._behind_ms = super().now_ms() - ManualClock().now_ms()

    def now_ms(self) -> int:
        return super().now_ms() - self._behind_ms

    def advance(self, milliseconds: int) -> None:
        pytest.skip("needs a log that keeps our time")


@contextmanager
def _endpoint(folder: Path) -> Iterator[Installation]:
    """On the AWS-compatible endpoint that `CANDLEWICK_TEST_ENDPOINT` names; each test in an environment of its own."""
    name = f"t{uuid.uuid4().hex[:10]}"
    settings = Settings(
        home="aws", endpoint_url=os.environ["CANDLEWICK_TEST_ENDPOINT"], environment=name, lake_bucket=f"{name}-lake"
    )
    yield Installation(settings, _RealClock(), slowness=20)  # type: ignore[arg-type]


#: The homes that every port suite runs on; the third when it is given.
HOMES: dict[str, Callable[[Path], AbstractContextManager[Installation]]] = {"embedded": _embedded, "aws": _aws}
if os.environ.get("CANDLEWICK_TEST_ENDPOINT"):
    HOMES["endpoint"] = _endpoint


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
