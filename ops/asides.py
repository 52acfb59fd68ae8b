"""Records that were set aside and still stand: those that went back onto their stream do not count as quarantined."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import typer

from contracts.aside import Kind, Place, list_asides, place_of
from contracts.errors import BadEvent, BadRequest
from contracts.events import SCORED_STREAM
from contracts.generation import RUN_KIND, live_generation
from contracts.ports import Lake
from contracts.sequence import as_the_log_counts
from ops.console import PARTIAL, say
from stores.home import Home

#: Objects below it name the records that went back.
REDRIVEN_PREFIX: Final = "redriven/"


def standing(lake: Lake, kind: Kind, damaged: Callable[[str], None] = say) -> Iterator[dict[str, Any]]:
    """Every record set aside that did not go back, once, oldest object first. `damaged` is told of every object that
    could not be read to its end; where one below `redriven/` is, what it named stands again."""
    went_back = _redriven_places(lake, damaged) if kind == "quarantined" else set()
    return (line for line in list_asides(lake, kind, damaged) if place_of(line) not in went_back)


def built_from(home: Home) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a record set aside is one of those that the live generation was built from by a replay. Its plan reads
    all of them and expires none; what was caught up with since was judged too late or not by the replay's lateness."""

    @cache
    def reach() -> tuple[Mapping[str, str], Mapping[str, str]]:
        """(what was planned, what was caught up with): shard → the last record."""
        from ops.replay.plan import load_plan

        live = live_generation(home.control)
        run = next((run for run in home.control.list(RUN_KIND).values() if run["generation"] == live), None)
        if run is None:
            return {}, {}
        try:
            plan = load_plan(home, run["plan"])
        except (BadRequest, BadEvent):
            return {}, {}  # Lost or damaged with its lake object: what was set aside is held to be so still.
        return (plan.tips, run.get("reached", plan.tips)) if plan.complete else ({}, {})

    def is_one(line: Mapping[str, Any]) -> bool:
        planned, caught_up = reach()
        last = (planned if line["reason"] == "expired" else caught_up).get(line["shard_id"])
        if last is None or line["stream"] != SCORED_STREAM:
            return False
        return int(as_the_log_counts(line["sequence_number"], line["part"], last)) <= int(last)

    return is_one


def end_partial(damaged: list[str]) -> None:
    """A line for every object that could not be read to its end, and exit 3, if there are any."""
    for text in damaged:
        say(f"candlewick: {text}")
    if damaged:
        raise typer.Exit(PARTIAL)


def _redriven_places(lake: Lake, damaged: Callable[[str], None]) -> set[Place]:
    places: set[Place] = set()
    for key in lake.keys(REDRIVEN_PREFIX):
        try:
            for line in lake.read(key):
                stream, shard_id, sequence_number, part = json.loads(line)
                places.add((stream, shard_id, sequence_number, part))
        except BadEvent as error:
            damaged(error.detail)
        except (ValueError, TypeError) as error:
            damaged(f"lake object {key} is damaged: {error}")
    return places
