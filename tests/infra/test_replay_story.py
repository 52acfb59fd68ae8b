"""The replay story of `tests/e2e/` on another emulator than the ordinary tests': one that keeps real time, in a process
of its own, and answers several requests at once."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.conftest import ROOT
from tests.infra.test_deployed import LIBRARIES, PYTHON, Emulator

STORY = "tests/e2e/test_replay_story.py::test_a_day_another_model_a_kill_a_promote_under_traffic_and_back[aws]"


@pytest.mark.skipif(not LIBRARIES, reason="the command line lives in the ordinary venv")
def test_the_replay_story_on_an_emulator(tmp_path: Path):
    emulator = Emulator(tmp_path)
    try:
        emulator.await_ready()
        told = subprocess.run(
            [PYTHON, "-m", "pytest", "-rA", "-p", "no:cacheprovider", STORY],
            cwd=ROOT,
            env={**os.environ, "CANDLEWICK_TEST_ENDPOINT": emulator.url},
            capture_output=True,
            text=True,
            timeout=1_200,
            check=False,
        )
    finally:
        emulator.stop()
    assert told.returncode == 0, told.stdout[-5_000:] + emulator.log.read_text(errors="replace")[-2_000:]
    assert "PASSED" in told.stdout, f"skipped: {told.stdout}"
