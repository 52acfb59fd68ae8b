"""`publish`: every row is published or rejected with one clear line; nothing is lost, nothing is a traceback."""

import csv
import gzip
import io
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aggregation.event import decode
from aggregation.gather import gather
from api.params import subject_of
from contracts.aside import list_asides
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Transient, Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM, decode_raw, decode_scored
from contracts.hashing import member_hash
from contracts.ports import Entry
from producers.publish import Publication, Report, iso_time, parse_speed, split_list
from producers.publisher import Publisher, chunks
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeLake

NOW = "2025-12-21T09:40:00.000Z"

SCORED = {
    "schema": "scored-article/1",
    "event_id": "a#1@AAPL",
    "article_id": "a#1",
    "subject": "AAPL",
    "source": "a",
    "event_time": "2025-12-21T09:00:00.000Z",
    "ingested_at": "2025-12-21T09:00:01.000Z",
    "scored_at": "2025-12-21T09:00:02.000Z",
    "label": "negative",
    "confidence": 0.9312,
    "polarity": -0.8917,
    "model_version": "m-1",
}
RAW = {"title": "Apple rises", "published_at": "2025-12-21T09:00:00Z", "url": "https://x.example/1", "source": "wire"}


class Publishing:
    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.clock = ManualClock(1_766_310_000_000)
        self.log = FakeLog()
        self.lake = FakeLake()
        self.problems: list[str] = []

    def file(self, name: str, *rows: Any) -> str:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (self.folder / name).write_bytes(b"".join(line + b"\n" for line in lines))
        return str(self.folder / name)

    def publish(self, path: str, **options: Any) -> Report:
        stdin = options.pop("stdin", None)
        return Publication(self.log, self.lake, self.clock, on_problem=self.problems.append, **options).run(path, stdin)

    @property
    def scored(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.log.data(SCORED_STREAM)]


@pytest.fixture
def run(tmp_path: Path) -> Publishing:
    return Publishing(tmp_path)


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_scored_lines_go_out_as_they_are_keyed_by_subject(run: Publishing) -> None:
    assert run.publish(run.file("x.jsonl", SCORED), kind="scored") == Report(1, 1, 0)
    assert run.log.data(SCORED_STREAM) == [json.dumps(SCORED).encode()]
    assert run.log.records[SCORED_STREAM][0].partition_key == "AAPL"


def test_a_share_class_goes_to_the_series_that_is_shown(run: Publishing) -> None:
    run.publish(run.file("x.jsonl", SCORED | {"subject": "BRK-B"}))
    assert [event["subject"] for event in run.scored] == ["BRK.B"] == [subject_of("brk-b")]
    assert [record.partition_key for record in run.log.records[SCORED_STREAM]] == ["BRK.B"]


@pytest.mark.parametrize(("written", "series"), [("aapl", "AAPL"), ("brk-b", "BRK.B"), (" AAPL ", "AAPL")])
def test_a_ticker_is_upper_cased_on_entry(run: Publishing, written: str, series: str) -> None:
    event = SCORED | {"subject": written, "event_id": f"{SCORED['article_id']}@{written}"}
    assert run.publish(run.file("x.jsonl", event)) == Report(1, 1, 0)
    assert [(each["subject"], each["event_id"]) for each in run.scored] == [
        (series, f"{SCORED['article_id']}@{series}")
    ]


def test_an_event_is_one_however_its_subject_is_written(run: Publishing) -> None:
    for name in ("BRK-B", "BRK.B"):
        run.publish(run.file("x.jsonl", SCORED | {"event_id": f"{SCORED['article_id']}@{name}", "subject": name}))
    run.publish(run.file("x.jsonl", SCORED | {"event_id": "a name of its own", "subject": "BRK-B"}))
    own = f"{SCORED['article_id']}@BRK.B"
    assert [event["event_id"] for event in run.scored] == [own, own, "a name of its own"]


def test_missing_stamps_are_filled_in_and_given_ones_stay(run: Publishing) -> None:
    run.publish(run.file("x.jsonl", without(SCORED, "ingested_at", "scored_at", "schema"), SCORED))
    filled, given = run.scored
    assert (filled["ingested_at"], filled["scored_at"], filled["schema"]) == (NOW, NOW, "scored-article/1")
    assert given == SCORED


def test_what_is_null_is_as_what_is_left_out(run: Publishing) -> None:
    nothing = dict.fromkeys(("ingested_at", "scored_at", "schema"))
    rows = SCORED | nothing, RAW | {"tickers": None, "tags": None, "snippet": None, "ingested_at": None}
    assert run.publish(run.file("x.jsonl", *rows)) == Report(2, 2, 0)
    assert (run.scored[0]["ingested_at"], run.scored[0]["scored_at"]) == (NOW, NOW)


def test_backfill_stamps_history_as_ingested_at_its_event_time(run: Publishing) -> None:
    run.publish(run.file("x.jsonl", SCORED, without(SCORED, "ingested_at"), RAW), backfill=True)
    assert [event["ingested_at"] for event in run.scored] == ["2025-12-21T09:00:00.000Z"] * 2
    assert decode_raw(run.log.data(RAW_STREAM)[0]).ingested_at == "2025-12-21T09:00:00.000Z"


TOMORROW = "2025-12-22T09:40:00.000Z"
FUTURE = {
    "scored": SCORED | {"event_time": TOMORROW},
    "scored, ingested": SCORED | {"ingested_at": TOMORROW},
    "scored, with both": SCORED | {"event_time": TOMORROW, "ingested_at": TOMORROW},
    "raw": RAW | {"published_at": TOMORROW},
    "raw, ingested": RAW | {"ingested_at": TOMORROW},
}


@pytest.mark.parametrize("name", FUTURE)
def test_nothing_is_published_from_the_future(run: Publishing, name: str) -> None:
    """Taken as history it would count, and the watermark with it."""
    for backfill in (False, True):
        path = run.file("x.jsonl", FUTURE[name])
        refused = not (backfill and "ingested" in name)  # whose own stamp does not matter
        assert run.publish(path, backfill=backfill) == Report(1, 1 - refused, int(refused))
        assert all(": future: " in problem for problem in run.problems)


def test_five_minutes_of_another_clock_are_believed(run: Publishing) -> None:
    ahead = ["2025-12-21T09:45:00.000Z", "2025-12-21T09:45:00.001Z"]
    rows = [SCORED | {"event_time": time, "ingested_at": time} for time in ahead]
    assert run.publish(run.file("x.jsonl", *rows)) == Report(2, 1, 1)


SPELLINGS = ("2025-12-21T09:00Z", "2025-12-21T09:00:00,123Z", "2025-12-21T10:00:00+0100", "2025-12-21 09:00:00.123456Z")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_whatever_is_published_the_aggregator_can_read(run: Publishing, spelling: str) -> None:
    given = SCORED | {"event_time": spelling}
    assert run.publish(run.file("x.jsonl", given), backfill=True) == Report(1, 1, 0)
    assert run.publish(run.file("x.jsonl", SCORED | {"ingested_at": spelling})) == Report(1, 1, 0)
    for data in run.log.data(SCORED_STREAM):
        event = decode(data)
        assert event.ingested_at.isoformat()[:16] == "2025-12-21T09:00"
        assert not gather([event]).quarantined


def test_raw_lines_get_identity_and_stamp(run: Publishing) -> None:
    assert run.publish(run.file("x.jsonl", RAW, without(RAW, "source")), kind="raw") == Report(2, 2, 0)
    first, second = (decode_raw(data) for data in run.log.data(RAW_STREAM))
    assert (first.source, second.source, first.ingested_at) == ("wire", "file", NOW)
    assert first.article_id.startswith("wire#")
    assert run.log.records[RAW_STREAM][0].partition_key == first.article_id


def test_lanes_are_part_of_the_key(run: Publishing) -> None:
    run.publish(run.file("x.jsonl", SCORED), lanes=8)
    assert run.log.records[SCORED_STREAM][0].partition_key == f"AAPL~{member_hash('a#1@AAPL') % 8}"


BAD_SCORED = {
    "malformed JSON": (b'{"schema": oops', "unparseable"),
    "an array": (b"[1]", None),
    "NaN": (json.dumps(SCORED | {"polarity": float("nan")}).encode(), "unparseable"),
    "missing field": (without(SCORED, "label"), "missing_field"),
    "polarity 2": (SCORED | {"polarity": 2}, "bad_value"),
    "label": (SCORED | {"label": "great"}, "bad_value"),
    "no zone": (SCORED | {"event_time": "2025-12-21T09:00:00"}, "bad_time"),
    "31 February": (SCORED | {"event_time": "2025-02-31T09:00:00.000Z"}, "bad_time"),
    "second 61": (SCORED | {"event_time": "2025-02-01T09:00:61.000Z"}, "bad_time"),
    "a ticker with #": (SCORED | {"subject": "AA#PL"}, "bad_subject"),
    "a lane in the subject": (SCORED | {"subject": "AAPL~1"}, "bad_subject"),
    "300 KB": (SCORED | {"article_id": "a#" + "x" * 300_000}, "oversized"),
    "deep": (b'{"a":' * 100_000, "oversized"),
    "no UTF-8": (json.dumps(SCORED).encode().replace(b"negative", b"\xff"), None),
    "two MB": (SCORED | {"article_id": "a#" + "x" * 2_000_000}, "oversized"),
}


@pytest.mark.parametrize("name", BAD_SCORED)
def test_a_bad_line_is_one_clear_line_and_kept(run: Publishing, name: str) -> None:
    data, reason = BAD_SCORED[name]
    path = run.file("x.jsonl", SCORED, data, SCORED | {"event_id": "a#2@AAPL"})
    assert run.publish(path, kind="scored") == Report(3, 2, 1)
    (problem,) = run.problems
    assert problem.startswith(f"{path}:2: {reason or 'un'}")
    assert "\n" not in problem
    (aside,) = list_asides(run.lake, "quarantined")
    assert (aside["stream"], aside["reason"] in problem) == ("publish", True)


BAD_RAW = {
    "no title": (without(RAW, "title"), "missing_field: title"),
    "no time": (without(RAW, "published_at"), "missing_field: published_at"),
    "bad ticker": (RAW | {"tickers": ["AA#PL"]}, "bad_subject: tickers: 'AA#PL'"),
    "a list of addresses": (RAW | {"url": ["https://x.example/1"]}, "bad_value: url"),
    "bad source": (RAW | {"source": "../x"}, "bad_value: source"),
    "300 KB description": (RAW | {"snippet": "x" * 300_000}, "oversized"),
}


@pytest.mark.parametrize("name", BAD_RAW)
def test_a_bad_article_is_one_clear_line(run: Publishing, name: str) -> None:
    row, problem = BAD_RAW[name]
    assert run.publish(run.file("x.jsonl", row), kind="raw") == Report(1, 0, 1)
    assert problem in run.problems[0]


def test_publishing_a_file_again_keeps_its_rejects_once(run: Publishing) -> None:
    path = run.file("x.jsonl", b"{", b"{}", SCORED)
    run.publish(path)
    run.publish(path)
    assert len(list(list_asides(run.lake, "quarantined"))) == 2


EMPTY = [("x.jsonl", b""), ("x.csv", b"\n \n"), ("x.gz", gzip.compress(b"", mtime=0))]


@pytest.mark.parametrize(("name", "content"), EMPTY)
def test_an_empty_file_says_so(run: Publishing, name: str, content: bytes) -> None:
    (run.folder / name).write_bytes(content)
    assert run.publish(str(run.folder / name)) == Report(0, 0, 0)
    assert "empty" in run.problems[0]


NOT_WHAT_IT_CLAIMS = {
    "a picture": ("x.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
    "noise": ("x.jsonl", bytes(range(128, 256)), "not UTF-8"),
    "UTF-16": ("x.csv", "title,url".encode("utf-16"), "binary"),
    "an array": ("x.jsonl", b'[\n{"a":1}]', "JSON array"),
    "Parquet": ("x.jsonl", b"PAR1....", "Parquet"),
    "no Parquet": ("x.parquet", b"title\n", "arquet"),
    "cut gzip": ("x.jsonl.gz", b"\x1f\x8b\x08\0", "damaged gzip"),
}


@pytest.mark.parametrize("name", NOT_WHAT_IT_CLAIMS)
def test_a_file_that_is_not_what_it_claims(run: Publishing, name: str) -> None:
    filename, content, says = NOT_WHAT_IT_CLAIMS[name]
    (run.folder / filename).write_bytes(content)
    with pytest.raises(BadRequest, match=says) as caught:
        run.publish(str(run.folder / filename))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(run: Publishing) -> None:
    for path in (str(run.folder / "nowhere"), str(run.folder)):
        with pytest.raises(BadRequest):
            run.publish(path)


def test_gzip_whatever_the_name_and_json_whatever_the_name(run: Publishing) -> None:
    (run.folder / "x.jsonl").write_bytes(gzip.compress(json.dumps(SCORED).encode()))
    assert run.publish(str(run.folder / "x.jsonl")).published == 1
    assert run.publish(run.file("x.csv", SCORED)).published == 1
    assert run.publish(run.file("x.jsonl.gz", b"\xef\xbb\xbf" + json.dumps(SCORED).encode())).published == 1


def test_a_gzip_cut_in_the_middle_publishes_what_is_there(run: Publishing) -> None:
    rows = b"".join(json.dumps(SCORED | {"event_id": f"a#{n}@AAPL"}).encode() + b"\n" for n in range(5_000))
    packed = gzip.compress(rows)
    (run.folder / "x.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    report = run.publish(str(run.folder / "x.jsonl.gz"))
    assert report.published > 1_000
    assert report.rejected in (1, 2)
    assert any("damaged gzip" in problem for problem in run.problems)


def test_csv_with_a_mapping(run: Publishing) -> None:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["headline", "date", "symbols", "link"])
    table.writerow(["Apple, up", "Mon, 07 Jun 2021 18:52:59 -0400", "['AAPL', 'MSFT']", "https://x/1"])
    table.writerow(["Tesla down", "1623110079", "TSLA", "https://x/2"])
    table.writerow(["No zone", "2021-06-07 18:52:59", "", "https://x/3"])
    table.writerow(["too", "few"])
    (run.folder / "x.csv").write_text(text.getvalue())
    columns = {"title": "headline", "published_at": "date", "tickers": "symbols", "url": "link"}
    report = run.publish(str(run.folder / "x.csv"), kind="raw", columns=columns, backfill=True)
    assert report == Report(4, 2, 2)
    first, second = (decode_raw(data) for data in run.log.data(RAW_STREAM))
    assert (first.published_at, first.tickers) == ("2021-06-07T22:52:59.000Z", ("AAPL", "MSFT"))
    assert (second.published_at, second.tickers) == ("2021-06-07T23:54:39.000Z", ("TSLA",))
    assert [problem.split(": ")[1] for problem in run.problems] == ["bad_time", "unparseable"]


def test_scored_csv(run: Publishing) -> None:
    names = list(SCORED)
    rows = [names, [str(SCORED[name]) for name in names], ["much" if n == "polarity" else SCORED[n] for n in names]]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (run.folder / "x.csv").write_text(text.getvalue())
    assert run.publish(str(run.folder / "x.csv")) == Report(2, 1, 1)
    assert decode_scored(run.log.data(SCORED_STREAM)[0]).polarity == -0.8917


def test_csv_with_bytes_that_are_no_text_in_one_row(run: Publishing) -> None:
    good = b"Fine,2021-06-07T18:52:59Z\n"
    (run.folder / "x.csv").write_bytes(b"title,published_at\n" + good * 300 + b"Bad \xff,2021-06-07T18:52:59Z\n" + good)
    assert run.publish(str(run.folder / "x.csv"), kind="raw") == Report(302, 301, 1)


def test_json_with_a_mapping(run: Publishing) -> None:
    row = {"headline": "Apple", "when": "2021-06-07T18:52:59Z", "title": "not this"}
    run.publish(run.file("x.jsonl", row, b"{", b"3"), kind="raw", columns={"title": "headline", "published_at": "when"})
    assert decode_raw(run.log.data(RAW_STREAM)[0]).title == "Apple"
    assert len(run.problems) == 2


def test_parquet_without_pyarrow_is_a_clear_line(run: Publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(Unusable, match=r"candlewick\[parquet\]"):
        run.publish(run.file("x.parquet", b"PAR1"))


@pytest.mark.parametrize("name", [".hidden", "ünï çödé 📈.jsonl", "a#b?c~d.jsonl", "_", "x" * 200])
def test_a_reject_is_kept_whatever_the_file_is_called(run: Publishing, name: str) -> None:
    run.publish(run.file(name, b"{"))
    assert len(list(list_asides(run.lake, "quarantined"))) == 1


def test_standard_input(run: Publishing) -> None:
    assert run.publish("-", stdin=io.BytesIO(json.dumps(SCORED).encode())) == Report(1, 1, 0)


def test_speed_paces_by_event_time(run: Publishing) -> None:
    rows = [SCORED | {"event_id": f"a#{n}@AAPL", "event_time": f"2025-12-21T09:0{n}:00.000Z"} for n in range(4)]
    before = run.clock.now_ms()
    run.publish(run.file("x.jsonl", *rows), speed=60.0)
    assert run.clock.now_ms() - before == 3_000
    assert run.log.puts == 4, "what is due goes out before the wait"


def test_words_for_speed() -> None:
    assert (parse_speed("max"), parse_speed("60x"), parse_speed("0.5")) == (None, 60.0, 0.5)
    for text in ("fast", "0", "-1x", "infx", "nan"):
        with pytest.raises(BadRequest, match="60x"):
            parse_speed(text)


def test_times_and_lists_of_files() -> None:
    assert iso_time(1_623_110_079_123) == "2021-06-07T23:54:39.123Z"
    assert iso_time("yesterday") == "yesterday"
    for text in ("2021-06-07 23:54:39 +0000", "2021-06-08T01:54:39 +02:00", "7 Jun 2021 23:54:39 GMT"):
        assert iso_time(text) == "2021-06-07T23:54:39.000Z"
    assert iso_time("2021-06-07 23:54:39") == "2021-06-07 23:54:39", "a zone would be a guess"
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    assert iso_time(last) == "9999-12-31T23:59:59.999999-01:00"
    assert iso_time("Fri, 31 Dec 9999 23:59:59 -0100") == "9999-12-31T23:59:59-01:00"
    assert split_list("AAPL|MSFT") == split_list("AAPL, MSFT") == split_list("['AAPL', 'MSFT']") == ["AAPL", "MSFT"]
    assert split_list("[bad") == ["[bad"]
    assert split_list("[0x" + "f" * 5_000 + "]") == ["[0x" + "f" * 5_000 + "]"]
    assert split_list("") == []


def test_the_publisher_is_patient_but_not_forever() -> None:
    log, clock = FakeLog(), ManualClock()
    entries = [Entry("k", str(number).encode()) for number in range(1_200)]
    log.throttled, log.down = 3, 1
    assert Publisher(log, clock).publish("s", entries) == 1_200
    assert sorted(log.data("s")) == sorted(entry.data for entry in entries)
    log.down = 100
    with pytest.raises(Transient, match="refused"):
        Publisher(log, clock).publish("s", entries)
    big = [Entry("k", b"x" * 900_000)] * 30
    assert max(len(chunk) for chunk in chunks(big)) == 11


@pytest.mark.parametrize("packed", [False, True])
def test_columns_on_standard_input_are_told_by_their_first_line(run: Publishing, packed: bool) -> None:
    text = b"title,published_at,tickers\nApple shares rise,2025-12-21T09:00:00Z,AAPL\nno columns\n"
    assert run.publish("-", stdin=io.BytesIO(gzip.compress(text) if packed else text)) == Report(2, 1, 1)
    assert run.problems == ["-:3: unparseable: not as many columns as the first line names"]


def test_what_is_neither_json_nor_columns_on_standard_input_is_bad_json(run: Publishing) -> None:
    assert run.publish("-", stdin=io.BytesIO(b"hello\nworld\n")) == Report(2, 0, 2)
    assert "JSON is malformed" in run.problems[0]
