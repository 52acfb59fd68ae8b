"""Why records are to come again. A partial-failure answer names records and never a cause, so whoever knows it tells it
here, and whoever called takes it: the shard driver shows it to operators, a handler puts it into its log line.
"""

import threading

from contracts.errors import Transient


class _Told(threading.local):
    cause: str | None = None


_told = _Told()


def tell(error: Transient) -> None:
    """The newest cause of this thread's invocation."""
    _told.cause = str(error)


def told() -> str | None:
    """What was told last; it stays."""
    return _told.cause


def take() -> str | None:
    """What was told since the last time, once."""
    cause, _told.cause = _told.cause, None
    return cause
