"""The eight resolutions: one row each, every one divides the next, so each rolls up from the one before.

A row here, and a new generation (docs/howto/add-a-resolution.md), add a resolution; the assertions below run at import.
"""

import itertools
from typing import Final, NamedTuple

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class Resolution(NamedTuple):
    """One candle width.

    `ttl_ms` counts from the end of the bucket (AWS home; the embedded home keeps everything by default).
    `newest_limit` is how many buckets a query without a range answers with (design section 8).
    """

    name: str
    width_ms: int
    ttl_ms: int
    newest_limit: int


RESOLUTIONS: Final[tuple[Resolution, ...]] = (
    Resolution("1m", 1 * MINUTE_MS, 48 * HOUR_MS, 1_440),
    Resolution("5m", 5 * MINUTE_MS, 48 * HOUR_MS, 288),
    Resolution("10m", 10 * MINUTE_MS, 72 * HOUR_MS, 144),
    Resolution("1h", 1 * HOUR_MS, 7 * DAY_MS, 168),
    Resolution("3h", 3 * HOUR_MS, 14 * DAY_MS, 112),
    Resolution("6h", 6 * HOUR_MS, 30 * DAY_MS, 120),
    Resolution("12h", 12 * HOUR_MS, 60 * DAY_MS, 120),
    Resolution("24h", 24 * HOUR_MS, 90 * DAY_MS, 90),
)

NAMES: Final[tuple[str, ...]] = tuple(r.name for r in RESOLUTIONS)
BY_NAME: Final[dict[str, Resolution]] = {r.name: r for r in RESOLUTIONS}
WIDTH_MS: Final[dict[str, int]] = {r.name: r.width_ms for r in RESOLUTIONS}
FINEST: Final = RESOLUTIONS[0]
COARSEST: Final = RESOLUTIONS[-1]
PARENT: Final[dict[str, str]] = {a.name: b.name for a, b in itertools.pairwise(RESOLUTIONS)}
CHILD: Final[dict[str, str]] = {parent: child for child, parent in PARENT.items()}

assert len(BY_NAME) == len(RESOLUTIONS), "two resolutions share a name"
assert FINEST.width_ms == MINUTE_MS, "membership and verdicts are defined on one-minute windows"
for _fine, _coarse in itertools.pairwise(RESOLUTIONS):
    assert _coarse.width_ms % _fine.width_ms == 0, f"{_fine.name} does not divide {_coarse.name}"
    assert _coarse.width_ms > _fine.width_ms, f"{_coarse.name} is not wider than {_fine.name}"
assert DAY_MS % COARSEST.width_ms == 0, "windows must align to UTC days"


def late_from_ms(event_ms: int, allowed_lateness_ms: int) -> int:
    """The first ingestion instant that is too late for an event: the end of its minute plus the allowed lateness."""
    return window_start_ms(event_ms, MINUTE_MS) + MINUTE_MS + allowed_lateness_ms


def window_start_ms(instant_ms: int, width_ms: int) -> int:
    """Start of the window `[start, start + width)` that holds an instant; aligned to the UTC epoch.

    Python's `%` takes the sign of the divisor, so instants before 1970 floor as they must.
    """
    return instant_ms - instant_ms % width_ms
