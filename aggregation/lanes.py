"""How a generation is written: how many lanes a hot subject's minutes are spread over, and its resolutions.

An event's lane follows from their number, so a minute written with another number would count its events again. So the
first to write a generation settles it, by its setting; a changed setting waits for the next generation. With another
table of resolutions a bucket's children would be other windows: it can only be written by a program that has the same.
The allowed lateness is only noted down, for whoever rebuilds the generation with another.
"""

from contextlib import suppress
from typing import Final

from contracts.errors import Conflict, Unusable
from contracts.ports import ControlStore
from contracts.resolution import NAMES

KIND: Final = "lanes"
LATENESS: Final = "allowed_lateness_ms"
#: What generations were written in before it was noted down.
FIRST_NAMES: Final = ("1m", "5m", "10m", "1h", "3h", "6h", "12h", "24h")


class Lanes:
    """What generations were settled to, each read once: it never changes."""

    def __init__(self, control: ControlStore, setting: int, lateness_ms: int | None = None) -> None:
        self._control = control
        self._setting = setting
        self._lateness_ms = lateness_ms
        self._known: dict[str, int] = {}

    def of(self, generation: str) -> int:
        """The lanes of a generation; settled now, by the setting, if nobody has. Raises `Unusable` for one that is
        written in other resolutions."""
        known = self._known.get(generation)
        if known is None:
            known = self._known[generation] = self._settled(generation)
        return known

    def _settled(self, generation: str) -> int:
        stored = self._control.get(KIND, generation).value
        if stored is None:
            settled = {"lanes": self._setting, "resolutions": list(NAMES), LATENESS: self._lateness_ms}
            with suppress(Conflict):
                self._control.put(KIND, generation, settled, expected_version=0)
                return self._setting
            stored = self._control.get(KIND, generation).value
            assert stored is not None, f"the lanes of {generation} vanished"
        written = stored.get("resolutions") or list(FIRST_NAMES)
        if written != list(NAMES):
            raise Unusable(
                f"{generation} is written in the resolutions {' '.join(written)}, and this program has "
                f"{' '.join(NAMES)}: replay into a new generation and promote it; docs/howto/add-a-resolution.md"
            )
        return int(stored["lanes"])
