"""The fakes pass the suites of the ports they stand for: all of control's and items', the keys of the lake's."""

# ruff: noqa: F401, F403

from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.clock import ManualClock
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeControl, FakeItems, FakeLake
from tests.ports.test_control_store import *
from tests.ports.test_item_store import *
from tests.ports.test_lake import lake, test_a_key_that_is_not_one_is_refused


@dataclass
class FakeInstallation:
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.log = FakeLog()
        self.items = FakeItems()
        self.lake = FakeLake()
        self.control = FakeControl(self.clock)

    @property
    def home(self) -> Any:
        return self

    def reopen(self) -> Any:
        return self


@pytest.fixture
def installation() -> FakeInstallation:
    return FakeInstallation()
