"""What a fault's run came to: a row of docs/faults.md."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """`done`: what was broken and for how long; `seen`: the watcher's report; `healed`: by what; `healed_s`: from then
    until the watcher had everything; `checked`: the account at the end."""

    fault: str
    done: str
    seen: dict[str, Any]
    healed: str
    healed_s: float
    checked: dict[str, Any]
