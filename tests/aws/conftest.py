"""The AWS home on moto in this process, with faults on request."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from contracts.clock import ManualClock
from contracts.settings import Settings
from stores.aws_home import AwsHome
from stores.home import forget_homes
from tests.aws.moto_aws import Faults, moto_aws


@dataclass
class World:
    """`aws` is the home's stores, made anew by `again()` as another process would make them."""

    settings: Settings
    clock: ManualClock
    faults: Faults
    aws: AwsHome

    def again(self) -> AwsHome:
        return AwsHome(self.settings, self.clock)


@pytest.fixture
def world() -> Iterator[World]:
    clock = ManualClock()
    settings = Settings(home="aws", lake_bucket="lake")
    with moto_aws(clock) as faults:
        aws = AwsHome(settings, clock)
        aws.provision({})
        yield World(settings, clock, faults, aws)
        forget_homes()
