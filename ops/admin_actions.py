"""What an administrator may ask of a running `candlewick up` over HTTP. Few processes ever need these imports."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from contracts.settings import AggregatorSettings
    from stores.home import Home

#: A comparison that takes longer is one for the command line; it then says `complete: false` and lets nothing pass.
MAX_COMPARE_S: Final = 90.0


def promote(home: "Home", settings: "AggregatorSettings", name: str, force: bool, reason: str) -> dict[str, Any]:
    """Make a generation live; its audit record. Raises `Conflict`, `BadRequest`, `Transient`."""
    from ops.replay.promote import promote

    return promote(home, settings, name, force, reason)


def rollback(home: "Home", settings: "AggregatorSettings", name: str, force: bool, reason: str) -> dict[str, Any]:
    """Make live again what was live before `name`; the audit record. Raises `Conflict`, `BadRequest`, `Transient`."""
    from ops.replay.promote import rollback

    return rollback(home, settings, reason, only_from=name, force=force)


def compare(home: "Home", settings: "AggregatorSettings", name: str) -> dict[str, Any]:
    """Compare a generation with the live one; the report, which is kept for `promote`. Raises `Transient`."""
    from contracts.generation import live_generation
    from ops.replay.compare import Bounds, compare

    live = live_generation(home.control)
    return compare(home, live, name, Bounds(max_seconds=MAX_COMPARE_S), expire=settings.expire)


ACTIONS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "promote": promote,
    "rollback": rollback,
    "compare": compare,
}
