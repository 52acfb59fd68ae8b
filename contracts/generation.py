"""Which generation of buckets is live: one control document, swapped atomically by `promote`."""

from typing import Final, Protocol, runtime_checkable

from contracts.ports import ControlStore

FIRST_GENERATION: Final = "g1"
POINTER: Final = ("generation", "live")
#: Which change log this is, and since when: all of them begin as `g1`, with position 1.
LOG: Final = ("log", "begun")
#: How far that log had come when somebody looked last.
HEAD: Final = ("log", "head")
#: Kinds of control documents that replays write and the API shows.
RUN_KIND: Final = "replay-run"
COMPARE_KIND: Final = "replay-compare"
AUDIT_KIND: Final = "audit"


@runtime_checkable
class NamedLog(Protocol):
    """What a bucket store may offer besides its port: to tell its change log from any other."""

    def log_name(self) -> str:
        """The same for as long as its positions mean the same."""
        ...


def live_generation(control: ControlStore) -> str:
    """Name of the live generation; `g1` until one was promoted."""
    value = control.get(*POINTER).value
    return str(value["generation"]) if value else FIRST_GENERATION
