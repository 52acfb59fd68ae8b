"""How many lanes a hot subject's minutes are spread over, generation by generation.

An event's lane follows from their number, so a minute written with another number would count its events again. So the
first to write a generation settles it, by its setting; a changed setting waits for the next generation.
"""

from contextlib import suppress
from typing import Final

from contracts.errors import Conflict
from contracts.ports import ControlStore

KIND: Final = "lanes"


class Lanes:
    """What generations were settled to, each read once: it never changes."""

    def __init__(self, control: ControlStore, setting: int) -> None:
        self._control = control
        self._setting = setting
        self._known: dict[str, int] = {}

    def of(self, generation: str) -> int:
        """The lanes of a generation; settled now, by the setting, if nobody has."""
        known = self._known.get(generation)
        if known is None:
            known = self._known[generation] = self._settled(generation)
        return known

    def _settled(self, generation: str) -> int:
        stored = self._control.get(KIND, generation).value
        if stored is None:
            with suppress(Conflict):
                self._control.put(KIND, generation, {"lanes": self._setting}, expected_version=0)
                return self._setting
            stored = self._control.get(KIND, generation).value
            assert stored is not None, f"the lanes of {generation} vanished"
        return int(stored["lanes"])
