"""Inputs near the known ones: bytes changed, cut, doubled, spliced with another seed, words of the formats put in."""

from typing import Any

from hypothesis import strategies as st

MAX_BYTES = 60_000
WORDS = (
    b"null", b"NaN", b"1e999", b"-0.0", b"[[[[[[[[", b'{"a":' * 20, b'"\\ud800"', b"\x00", b"\xff\xfe",
    b"\xf3\x89\x9a\xc2", b"&#x0;", b"&lt;script&gt;", b"<![CDATA[", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"%00",
    b"%zz", b"[::1]", b":99999",
    b"9" * 40, b"0000-00-00T00:00:00Z", b"2025-12-21T24:00:00Z", b"9999-12-31T23:59:59.999-23:59", b"\r\n\r\n",
    "İſßﬁ".encode(), "\u202e".encode(), b"~", b"!", b".", b"=", b"==",
)  # fmt: skip


@st.composite
def mutated(draw: Any, seeds: list[bytes]) -> bytes:
    """A seed with up to four changes."""
    data = draw(st.sampled_from(seeds or [b""]))[:MAX_BYTES]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            data = data[:at] + data[at + length :]
        elif kind == 1:
            data = data[:at] + draw(st.sampled_from(WORDS)) + data[at:]
        elif kind == 2:
            data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        elif kind == 3:
            data = data[:at] + data[at : at + length] * draw(st.integers(2, 8)) + data[at + length :]
        elif kind == 4:
            other = draw(st.sampled_from(seeds or [b""]))
            data = data[:at] + other[draw(st.integers(0, len(other))) :]
        else:
            data = data[:at] + draw(st.binary(max_size=12)) + data[at + length :]
    return data[:MAX_BYTES]
