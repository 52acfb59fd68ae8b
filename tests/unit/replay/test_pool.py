"""Workers that end on their own: named, whenever it is noticed, and the others are let go of."""

import os
from pathlib import Path

import pytest

from contracts.errors import Unusable
from ops.replay.pool import Workers
from tests.unit.replay.kit import settings_of


def test_a_worker_that_ended_while_it_had_nothing_to_do_is_named(tmp_path: Path) -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    workers = Workers(2, settings_of(tmp_path / "data"), "plan", "run", "g2", tmp_path / "work", descriptor)
    for process in workers._processes:
        process.kill()
        process.wait()
    with pytest.raises(Unusable, match=r"a worker process ended \(-9\); `candlewick replay resume` goes on"):
        list(workers.each([{"build": "a"}]))
    workers.close()
    os.close(descriptor)


def test_ctrl_c_reaches_no_worker_not_even_one_that_has_just_begun(tmp_path: Path) -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    workers = Workers(2, settings_of(tmp_path / "data"), "plan", "run", "g2", tmp_path / "work", descriptor)
    assert os.getpgrp() not in {os.getpgid(process.pid) for process in workers._processes}
    for process in workers._processes:
        process.kill()
    workers.close()
    os.close(descriptor)
