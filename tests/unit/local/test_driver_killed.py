"""Kill -9 of a driving process, at any moment: every record is handled at least once, in order up to the repeats."""

import itertools
import multiprocessing
import time

from tests.unit.local.driver_worker import drive_until_killed


def test_a_killed_driver_skips_nothing(line, tmp_path):
    names = [f"{number}," for number in range(20_000)]
    for start in range(0, len(names), 500):
        line.put(*names[start : start + 500])
    handled = tmp_path / "handled"
    handled.touch()
    for share in (1, 2, 3):
        worker = multiprocessing.get_context("spawn").Process(target=drive_until_killed, args=(tmp_path, handled))
        worker.start()
        while handled.stat().st_size < 20_000 * share:
            assert worker.is_alive()
            time.sleep(0.002)
        worker.kill()
        worker.join(20)
    driver = line.driver()
    driver.run_until_idle()
    text = handled.read_text() + "".join(line.batches)
    numbers = [int(name) for name in text.split(",") if name]
    assert set(numbers) == set(range(20_000))
    assert numbers[0] == 0
    repeats = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
    assert len(repeats) <= 3, "only a kill repeats records"
    assert all(b <= a and a - b < 7 for a, b in repeats), "and only those of the batch under way"
    line.assert_nothing_left(driver)
