"""The line's own mappings: one bad record takes none of its neighbours with it."""

import base64
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from contracts.clock import ManualClock
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.line import LINE, drivers_of
from stores.home import forget_homes, open_home


@pytest.mark.parametrize("name", [row.name for row in LINE if row.stream in (RAW_STREAM, SCORED_STREAM)])
def test_a_record_that_breaks_its_handler_is_given_up_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[bytes] = []

    def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
        datas = [base64.b64decode(record["kinesis"]["data"]) for record in event.get("Records", ())]
        if b"poison" in datas:
            raise ValueError("a bug of ours")
        arrived.extend(datas)
        return {"state": {}, "batchItemFailures": []}

    monkeypatch.setattr("local.line.entry_point", lambda module: handler)
    datas = [b"poison" if number == 13 else str(number).encode() for number in range(40)]
    with mock.patch.dict(os.environ):
        home = open_home(AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock())
        for stream in (RAW_STREAM, SCORED_STREAM):
            home.log.put_records(stream, [Entry("AAPL", data) for data in datas])
        (driver,) = [each for each in drivers_of(home) if each.mapping.name == name]
        driver.run_until_idle(final=True)
        assert arrived == [data for data in datas if data != b"poison"]
        assert len(list(home.lake.keys("failed/"))) == 1
        forget_homes()
