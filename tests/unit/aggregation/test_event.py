"""The engine's view of a scored event: the contract's fields and ranges, and one reason for every fault."""

import json
from collections.abc import Callable

import msgspec
import pytest

from aggregation.event import NAME_TYPES, EventOf, decode, decode_all
from aggregation.instant_table import instant_ms
from contracts.errors import QUARANTINE_REASONS, BadEvent
from contracts.events import MAX_DEPTH, ScoredEvent
from contracts.instants import parse_ms
from tests import oracle
from tests.events import BASE_MS, scored


def test_the_engine_reads_the_contract() -> None:
    ours = {field.name: field.type for field in msgspec.structs.fields(EventOf[tuple(NAME_TYPES.values())])}
    contract = {field.name: field.type for field in msgspec.structs.fields(ScoredEvent)}
    assert ours.keys() == contract.keys()
    assert {name for name in ours if ours[name] != contract[name]} == {"ingested_at"}


def below(frames: int, what: Callable[[], object]) -> object:
    """What is done with so many frames more on Python's stack."""
    return what() if frames == 0 else below(frames - 1, what)


@pytest.mark.parametrize("frames", [0, 200, 300])
@pytest.mark.parametrize(("levels", "is_read"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (900, False)])
def test_how_deep_json_may_be_nested_does_not_depend_on_who_reads_it(frames: int, levels: int, is_read: bool) -> None:
    plain = json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode()
    nested = plain[:-1] + b',"x":"]\\"[{","y":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    def fault() -> str | None:
        try:
            decode(nested)
        except BadEvent as error:
            return error.reason
        return None

    assert below(frames, fault) == (None if is_read else "unparseable")
    assert (below(frames, lambda: decode_all([plain, nested])) is not None) is is_read


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (b"", "unparseable"),
        (b"[]", "unparseable"),
        (b'{"schema":"scored-article/1"', "unparseable"),
        (b"\xff\xfe", "unparseable"),
        (b"[" * 100_000, "unparseable"),
        ({"polarity": float("nan")}, "unparseable"),
        ({"polarity": 1.0001}, "bad_value"),
        ({"label": "bullish"}, "bad_value"),
        ({"schema": "scored-article/2"}, "unknown_schema"),
        ({"source": None}, "bad_value"),
        ({"ingested_at": "yesterday"}, "bad_time"),
        ({"ingested_at": "2025-12-21T12:00:00"}, "bad_time"),
        ({"source": "x" * 300_000}, "oversized"),
        ("event_id", "missing_field"),
        ("confidence", "missing_field"),
    ],
)
def test_every_fault_has_a_reason(change: object, reason: str) -> None:
    good = scored(1, "AAPL", BASE_MS, 0.1)
    if isinstance(change, dict):
        data = json.dumps(good | change).encode()
    elif isinstance(change, str):
        data = json.dumps({name: value for name, value in good.items() if name != change}).encode()
    else:
        data = change
    with pytest.raises(BadEvent) as caught:
        decode(data)
    assert caught.value.reason == reason
    assert reason in QUARANTINE_REASONS


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-21T12:00:00.000Z", "2024-02-29T23:59:59.999Z", "2025-12-21T12:00:00Z", "2025-12-21t12:00:00.12z",
        "2025-12-21T14:00:00.123456+02:00", "2025-12-21T12:00+00:00", "2025-12-21 12:00:00.000Z",
    ],
)  # fmt: skip
def test_instants_read_as_the_oracle_reads_them(text: str) -> None:
    assert instant_ms(text) == parse_ms(text) == oracle.to_ms(text.upper())


@pytest.mark.parametrize(
    "text",
    ["", "2025-12-21", "2025-02-29T00:00:00.000Z", "2025-12-21T24:00:00.000Z", "2025-12-21T12:60:00.000Z",
     "2025-12-21T12:00:60.000Z", "2025-12-21T12:00:00.000", "٢٠٢٥-12-21T12:00:00.000Z", "2025-12-21T12:00:00.000Z\n"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(BadEvent):
        instant_ms(text)


def test_a_batch_decoded_at_once_is_each_record_decoded_by_itself() -> None:
    payloads = [json.dumps(scored(n, "AAPL", BASE_MS + n, 0.1)).encode() for n in range(50)]
    assert decode_all(payloads) == [decode(payload) for payload in payloads]


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b" " * 200,
        b"x" * 200,
        b"\n",
        json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode()
        + b"\n"
        + json.dumps(scored(2, "AAPL", BASE_MS, 0.1)).encode(),
        json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode() * 2,
        json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode()[:-30],
        b'{"schema":"' + b"x" * 300_000,
    ],
)
def test_a_batch_with_something_that_is_no_event_is_not_decoded_at_once(poison: bytes) -> None:
    good = [json.dumps(scored(n, "AAPL", BASE_MS + n, 0.1)).encode() for n in range(5)]
    for at in range(6):
        assert decode_all([*good[:at], poison, *good[at:]]) is None
    # One record of two events and one of none: as many events as records, and yet not theirs.
    assert decode_all([good[0] + b"\n" + good[1], b" " * 150, good[2]]) is None
