"""What a connection wants to hear: subjects and resolutions. Both always apply."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.errors import BadRequest

MAX_SERIES = 20


class Filter(NamedTuple):
    """`subjects` None: all live subjects. Equal filters share their encoded events."""

    subjects: frozenset[str] | None
    resolutions: frozenset[str]

    def takes(self, subject: str | None, resolution: str | None) -> bool:
        """True for events of a wanted series; `resolution` None: of a wanted subject; both None: control events."""
        if subject is None:
            return True
        if self.subjects is not None and subject not in self.subjects:
            return False
        return resolution is None or resolution in self.resolutions

    def common(self, other: "Filter") -> "Filter":
        """What both want."""
        if self.subjects is None or other.subjects is None:
            subjects = self.subjects if other.subjects is None else other.subjects
        else:
            subjects = self.subjects & other.subjects
        return Filter(subjects, self.resolutions & other.resolutions)

    def document(self) -> dict[str, list[str] | None]:
        """The filter as `hello` reports it; `tickers` null: all."""
        return {
            "tickers": None if self.subjects is None else sorted(self.subjects),
            "resolutions": sorted(self.resolutions),
        }


def make_filter(subjects: Iterable[str] | None, resolutions: Iterable[str]) -> Filter:
    """A filter within the limit of 20 series (subjects × resolutions). Raises `BadRequest`."""
    wanted = Filter(None if subjects is None else frozenset(subjects), frozenset(resolutions))
    if wanted.subjects is not None and len(wanted.subjects) * len(wanted.resolutions) > MAX_SERIES:
        raise BadRequest(
            f"{len(wanted.subjects)} subjects × {len(wanted.resolutions)} resolutions are "
            f"{len(wanted.subjects) * len(wanted.resolutions)} series, at most {MAX_SERIES} per connection"
        )
    return wanted
