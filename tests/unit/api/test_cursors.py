"""Cursors: the stream's positions and the paging places survive the way through a client, and nothing else is taken."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursors import decode_page, encode_page
from api.sse.cursor import covers, decode_point, encode_vector
from contracts.errors import BadRequest

lanes = st.one_of(st.integers(0, 10**12 - 1).map(lambda n: f"shardId-{n:012d}"), st.text(min_size=1, max_size=20))
vectors = st.dictionaries(lanes, st.integers(1, 10**15), max_size=8)


@given(vectors, st.from_regex(r"\A[A-Za-z0-9_\-]{1,20}\Z"))
def test_a_position_reads_back_with_and_without_its_epoch(vector: dict[str, int], epoch: str) -> None:
    text = encode_vector(vector)
    assert decode_point(text) == (None, vector)
    assert decode_point(f"{epoch}.{text}") == (epoch, vector)
    assert decode_point(f"{epoch}.{text}!7") == (epoch, vector)
    assert decode_point(f"{epoch}.{epoch}.{text}") == (f"{epoch}.{epoch}", vector)


@given(vectors)
def test_one_position_has_one_text(vector: dict[str, int]) -> None:
    assert encode_vector(dict(reversed(vector.items()))) == encode_vector(vector)


@given(vectors, vectors)
def test_covering_is_lane_by_lane(a: dict[str, int], b: dict[str, int]) -> None:
    both = {lane: max(a.get(lane, 0), b.get(lane, 0)) for lane in {*a, *b}}
    assert covers(both, a)
    assert covers(both, b)
    assert covers(a, b) == all(a.get(lane, 0) >= sequence for lane, sequence in b.items())


@pytest.mark.parametrize("lanes", [257, 1_000])
def test_what_is_written_is_read_back_however_many_lanes_there_were(lanes: int) -> None:
    vector = {f"shardId-{number:012d}": 5_000 + number for number in range(lanes)}
    assert decode_point(f"g1.{encode_vector(vector)}!199") == ("g1", vector)


@pytest.mark.parametrize(
    "text",
    ["", "x", "0:", ":5", "0:5~", "0:5;1:2", "0:-5", "*!!!:5", "g 1.0:5", "9" * 9_000, "0:" + "z" * 13],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        decode_point(text)


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(BadRequest):
        decode_point(text)
    with pytest.raises(BadRequest):
        decode_page("!" + text, "question", int)


@given(st.integers(0, 2**52))
def test_a_page_cursor_continues_its_own_question_only(place: int) -> None:
    cursor = encode_page("question", place)
    assert decode_page(cursor, "question", int) == place
    with pytest.raises(BadRequest, match="another question"):
        decode_page(cursor, "questio2", int)
    with pytest.raises(BadRequest):
        decode_page(cursor, "question", tuple[str, str])
