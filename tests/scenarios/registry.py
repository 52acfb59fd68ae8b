"""Every engine that scenarios run on: name → how to build it. The AWS one (`aws_engine`) has a test file of its own."""

from collections.abc import Callable
from pathlib import Path

from tests.scenarios.driver_engine import DriverEngine
from tests.scenarios.engines import Engine, MemoryEngine, PureEngine, Setup, SqliteEngine

ENGINES: dict[str, Callable[[Setup, Path], Engine]] = {
    "pure": PureEngine,
    "memory": MemoryEngine,
    "sqlite": SqliteEngine,
    "driver": DriverEngine,
}
