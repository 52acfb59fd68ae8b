"""What is kept of a row no article can be made of: enough to see what was wrong with it, never an article's text."""

from typing import Any, Final

import msgspec

from contracts.events import cut_snippet

#: Of all texts of a row together, and of what cannot be read at all; a text of its own is cut as a snippet is.
MAX_ROW_CHARACTERS: Final = 1_000
MAX_CHARACTERS: Final = 200


def excerpt(row: bytes) -> bytes:
    """The row with its texts cut, those behind `MAX_ROW_CHARACTERS` gone; of what is no JSON, or too deep, its
    beginning."""
    try:
        document = msgspec.json.decode(row)
        cut = _cut(document, [MAX_ROW_CHARACTERS])
        return row if cut == document else msgspec.json.encode(cut)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return row.decode("utf-8", "replace")[:MAX_CHARACTERS].encode()


def _cut(value: Any, left: list[int]) -> Any:
    """`left`: how many characters may still be kept, counted down."""
    if isinstance(value, str):
        text = cut_snippet(value)
        left[0] -= len(text)
        return text if left[0] >= 0 else "…"
    if isinstance(value, list):
        return [_cut(each, left) for each in value]
    return {name: _cut(each, left) for name, each in value.items()} if isinstance(value, dict) else value
