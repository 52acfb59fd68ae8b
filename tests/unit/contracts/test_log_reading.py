"""Reading the log: empty pages, and Lambda's numbers beside the log's."""

from types import SimpleNamespace
from typing import Any

import pytest

from contracts.log_reading import first_record
from contracts.ports import Page, Position, Record
from contracts.sequence import LAST_SUB, as_the_log_counts, end_of_record

FOUND = Record("7", "AAPL", b"", 1)
KINESIS = "49" + "7" * 54


def log_of(*pages: Page) -> Any:
    """A shard whose iterators are the numbers of its pages."""
    return SimpleNamespace(
        iterator=lambda stream, shard_id, position: "0", get_records=lambda place, limit: pages[int(place)]
    )


@pytest.mark.parametrize("empty", [0, 1, 40])
def test_empty_pages_before_the_tip_are_no_end(empty: int) -> None:
    before = [Page([], str(number + 1), 60_000) for number in range(empty)]
    found = first_record(log_of(*before, Page([FOUND], None, 0)), "s", "shardId-0", Position("TRIM_HORIZON"))
    assert found == FOUND


@pytest.mark.parametrize("last", [Page([], "9", 0), Page([], None, 60_000)])
def test_at_the_tip_and_behind_a_closed_shard_there_is_none(last: Page) -> None:
    log = log_of(Page([], "1", 60_000), last)
    assert first_record(log, "s", "shardId-0", Position("TRIM_HORIZON")) is None


def test_lambdas_numbers_are_counted_as_the_log_counts() -> None:
    logged = KINESIS + "00003"
    assert as_the_log_counts(KINESIS, 3, like=logged) == logged
    assert as_the_log_counts(logged, 0, like=logged) == logged
    assert as_the_log_counts("123", 4, like="12300000") == "12300004", "an emulator's"
    assert as_the_log_counts("123", 4, like="456") == "123", "the embedded log's"
    assert end_of_record(logged) == KINESIS + str(LAST_SUB)
    assert end_of_record("12300000") == "12300000"
