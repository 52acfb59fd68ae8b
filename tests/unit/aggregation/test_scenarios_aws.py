"""Every scenario on DynamoDB (moto in process). A file of its own, so that it runs beside the other stores'."""

from pathlib import Path

import pytest

from tests.scenarios.aws_engine import AwsEngine
from tests.scenarios.language import parse
from tests.scenarios.runner import Runner

FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.scn"))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_on_aws(path: Path, tmp_path: Path) -> None:
    """The runner raises where a line expects something else than there is."""
    Runner(AwsEngine, tmp_path).run(parse(path))
