"""A stage that is being retried says why: the cause, not the number of records."""

from pathlib import Path

import pytest

from contracts import trouble
from contracts.errors import Transient
from tests.unit.local.line import Line


@pytest.fixture
def line(tmp_path: Path):
    made = Line(tmp_path)
    yield made
    made.close()


def test_the_cause_a_handler_tells_is_in_the_status(line: Line) -> None:
    def answer(event):
        trouble.tell(Transient("buckets.db", "no space left"))
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["kinesis"]["sequenceNumber"]}]}

    line.answer = answer
    driver = line.driver(report_item_failures=True)
    line.put("a")
    driver.step()
    assert driver.status().shards[0].error == "batchItemFailures: 1 of 1 records: buckets.db: no space left"


def test_an_old_cause_is_nobodys(line: Line) -> None:
    trouble.tell(Transient("buckets.db", "long ago"))
    line.answer = lambda event: {"batchItemFailures": [{"itemIdentifier": ""}]}
    driver = line.driver(report_item_failures=True)
    line.put("a")
    driver.step()
    assert driver.status().shards[0].error == "batchItemFailures: 1 of 1 records"
    assert trouble.take() is None
