"""How far a mapping has read a shard: one control document a shard, written after success only."""

from typing import Any, Final, NamedTuple

from contracts.errors import BadRequest, Unusable
from contracts.ports import ControlStore
from local.windows import OpenWindow, window_from

KIND: Final = "checkpoint"
#: The remedy where a file is foreign to the others.
ONE_DIRECTORY: Final = (
    "log.db, items.db and control.db must come from one data directory: restore all from the same backup, or make a "
    "new one from the lake with `candlewick restore`"
)


class Checkpoint(NamedTuple):
    """`sequence_number`: the last record done with (None: none yet). `window`: the open tumbling window and its state.
    `done`: the shard was closed and is read to its end."""

    sequence_number: str | None = None
    window: OpenWindow | None = None
    done: bool = False


class Checkpoints:
    """The checkpoints of one mapping."""

    def __init__(self, control: ControlStore, mapping_name: str) -> None:
        self._control = control
        self._mapping_name = mapping_name

    def load(self, shard_id: str) -> Checkpoint:
        """The empty checkpoint for a shard never read. Raises `Transient`."""
        value = self._control.get(KIND, self._name(shard_id)).value
        if value is None:
            return Checkpoint()
        return Checkpoint(value["sequence_number"], window_from(value["window"]), value["done"])

    def save(self, shard_id: str, checkpoint: Checkpoint) -> None:
        """Durable when it returns. Raises `Transient`."""
        window = checkpoint.window
        value: dict[str, Any] = {
            "sequence_number": checkpoint.sequence_number,
            "window": window.document() if window else None,
            "done": checkpoint.done,
        }
        self._control.put(KIND, self._name(shard_id), value)

    def _name(self, shard_id: str) -> str:
        return f"{self._mapping_name}/{shard_id}"


def foreign_checkpoint(mapping_name: str, error: BadRequest) -> Unusable:
    """What to tell where a stream never gave out the sequence number of a checkpoint."""
    return Unusable(f"the checkpoint of {mapping_name} is not of the streams here ({error}); {ONE_DIRECTORY}")
