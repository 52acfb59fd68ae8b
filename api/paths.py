"""What a path leads to, for what stands around the routes."""

import re
from typing import Final

PROBES: Final = frozenset({"/health", "/ready"})
API: Final = "/api/"
#: The two routes that hold a connection open.
_STREAM: Final = re.compile(r"/api/v2/(?:configurations/[^/]+/)?stream\Z")


def is_stream(path: str) -> bool:
    """Whether a path is an event stream's."""
    return _STREAM.match(path) is not None
