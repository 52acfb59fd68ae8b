"""Parquet that is damaged, or holds what Python has no value for: a clear line, and the rows that can be read."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadRequest
from contracts.instants import parse_ms
from producers.publish import Report
from tests.unit.producers.test_publish import SCORED, Publishing

pyarrow = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
AT = "2025-12-21T09:00:00Z"
ROWS = 5_000


@pytest.fixture
def run(tmp_path: Path) -> Publishing:
    return Publishing(tmp_path)


def written(run: Publishing, columns: dict[str, Any]) -> Path:
    from pyarrow import parquet

    path = run.folder / "x.parquet"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=1_000, compression="none", use_dictionary=False)
    return path


def many(run: Publishing) -> Path:
    return written(run, {"title": [f"Title {n:04d}" for n in range(ROWS)], "published_at": [AT] * ROWS})


@pytest.mark.parametrize("damage", ["noise", "cut"])
def test_a_file_that_is_damaged_says_so_in_one_line(run: Publishing, damage: str) -> None:
    path = many(run)
    data = path.read_bytes()
    path.write_bytes({"noise": b"PAR1" + b"x" * 200, "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(BadRequest, match="damaged Parquet") as caught:
        run.publish(str(path))
    assert "\n" not in str(caught.value)


def test_damage_in_the_middle_publishes_what_is_before(run: Publishing) -> None:
    path = many(run)
    data = bytearray(path.read_bytes())
    place = data.index(b"Title 3000") - 60
    data[place : place + 50] = b"\xff" * 50
    path.write_bytes(data)
    report = run.publish(str(path))
    assert 2_000 <= report.published <= 3_000
    assert report.rejected == 1
    assert "nothing after this is read" in run.problems[0]
    assert "\n" not in run.problems[0]


def test_a_value_that_is_none_spoils_its_own_row_only(run: Publishing) -> None:
    now_ns = parse_ms(AT) * 1_000_000
    stamps = pyarrow.array([now_ns, 2**62 + 1, now_ns + 1_000], pyarrow.timestamp("ns", tz="UTC"))
    binary = pyarrow.array([b"One", b"Two", b"\xff\xfe"], pyarrow.binary())
    path = written(run, {"title": binary.view(pyarrow.string()), "published_at": stamps})
    assert run.publish(str(path)) == Report(3, 1, 2)
    assert [problem.split(": ")[:2] for problem in run.problems] == [
        [f"{path}:2", "unparseable"],
        [f"{path}:3", "unparseable"],
    ]


def test_nulls_are_as_what_is_left_out_and_decimals_are_numbers(run: Publishing) -> None:
    tickers = pyarrow.array([["AAPL"], None], pyarrow.list_(pyarrow.string()))
    raw = {"title": ["Apple rises", "Tesla falls"], "published_at": [AT] * 2, "tickers": tickers, "snippet": [None] * 2}
    assert run.publish(str(written(run, raw))) == Report(2, 2, 0)
    scored = {name: [value] for name, value in SCORED.items()} | {"ingested_at": pyarrow.array([None], "string")}
    exact = {name: pyarrow.array([Decimal(text)]) for name, text in (("confidence", "0.93"), ("polarity", "-0.89"))}
    assert run.publish(str(written(run, scored | exact))) == Report(1, 1, 0)
    assert (run.scored[0]["polarity"], run.scored[0]["ingested_at"]) == (-0.89, "2025-12-21T09:40:00.000Z")
    assert run.problems == []


def test_a_name_in_upper_case_is_as_good(run: Publishing) -> None:
    path = written(run, {"title": ["Apple rises"], "published_at": [AT]})
    assert run.publish(str(path.rename(path.with_name("X.PARQUET")))) == Report(1, 1, 0)
