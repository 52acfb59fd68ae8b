"""Decoding events whose names are known.

Every event brings a subject, a source and a model version that thousands brought before. Where the decoder's type says
`str` each is a new string, to be made, hashed and freed; where it lists the names that were met, as a `Literal`, what
comes out is the one string that stands for the name. That takes a tenth of the engine's time away
(docs/decisions/0003-hot-loop.md).
"""

from collections.abc import Callable
from sys import intern
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

Event = TypeVar("Event")
MAX_NAMES: Final = 1_000
"""Of a field with more names than this none are known: a decoder is made anew for each (0.1 to 0.9 ms)."""


class KnownNames(Generic[Event]):
    """Reads events of a generic struct, one type parameter a name: `checked` is what a name must be at the least, by
    field. The known names only make it faster: they were accepted once, and whatever has another is read as checked.

    Threads may share one: what is known is replaced, never changed, and what two learn at once is learnt again."""

    def __init__(self, struct: Any, checked: dict[str, Any]) -> None:
        self._struct = struct
        self._checked = checked
        self._known: dict[str, frozenset[str] | None] = dict.fromkeys(checked, frozenset())
        self.exact: Final[msgspec.json.Decoder[Event]] = self._decoder(checked)
        self._quick: msgspec.json.Decoder[Event] | None = None

    def read(self, how: Callable[["msgspec.json.Decoder[Event]"], list[Event]]) -> list[Event]:
        """What `how` makes of a decoder, which may be asked twice. Raises what the `exact` decoder does."""
        if self._quick is not None:
            try:
                return how(self._quick)
            except msgspec.ValidationError:
                pass  # a name not met before, or no event: the next decoder says which
        events = how(self.exact)
        self._learn(events)
        return events

    def _learn(self, events: list[Event]) -> None:
        if not events:
            return
        types = {}
        for field, before in self._known.items():
            names = None if before is None else before | {intern(getattr(event, field)) for event in events}
            if names is not None and len(names) > MAX_NAMES:
                names = None
            self._known[field] = names
            types[field] = self._checked[field] if names is None else Literal[tuple(sorted(names))]
        self._quick = self._decoder(types)

    def _decoder(self, types: dict[str, Any]) -> "msgspec.json.Decoder[Event]":
        return msgspec.json.Decoder(self._struct[tuple(types.values())])
