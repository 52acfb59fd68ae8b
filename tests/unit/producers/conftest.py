"""A fake site for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.fakes.web import FakeSite, fake_site


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with fake_site() as up:
        yield up
