"""What is kept of a row no article can be made of: enough to see what was wrong with it, never an article's text."""

from typing import Any, Final

import msgspec

from contracts.events import cut_snippet

#: Of what cannot be read at all.
MAX_CHARACTERS: Final = 200


def excerpt(row: bytes) -> bytes:
    """The row with every text in it cut as a snippet is; of what is no JSON its beginning."""
    try:
        document = msgspec.json.decode(row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return row.decode("utf-8", "replace")[:MAX_CHARACTERS].encode()
    cut = _cut(document)
    return row if cut == document else msgspec.json.encode(cut)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return cut_snippet(value)
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return {name: _cut(each) for name, each in value.items()} if isinstance(value, dict) else value
