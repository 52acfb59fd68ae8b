"""The simulator's store runs tests of the port's suite, which carry its marker."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "homes(*names): the homes this law can be tried on; all when unmarked")
