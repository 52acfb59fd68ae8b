"""Records that were set aside and still stand: those that went back onto their stream do not count as quarantined."""

import json
from collections.abc import Iterator
from typing import Any, Final

from contracts.aside import Kind, list_asides
from contracts.ports import Lake

#: Objects below it name the records that went back.
REDRIVEN_PREFIX: Final = "redriven/"
Place = tuple[str, str, str, int]


def standing(lake: Lake, kind: Kind) -> Iterator[dict[str, Any]]:
    """Every record set aside that did not go back, once, oldest object first."""
    went_back = _redriven_places(lake) if kind == "quarantined" else set()
    return (line for line in list_asides(lake, kind) if place_of(line) not in went_back)


def place_of(line: dict[str, Any]) -> Place:
    """Where a record that was set aside had been."""
    return line["stream"], line["shard_id"], line["sequence_number"], line["part"]


def _redriven_places(lake: Lake) -> set[Place]:
    return {
        (place[0], place[1], place[2], place[3])
        for key in lake.keys(REDRIVEN_PREFIX)
        for line in lake.read(key)
        for place in [json.loads(line)]
    }
