"""A plain event-stream client for measurements: a thread, a socket, the client's own clock."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


class SseClient(threading.Thread):
    """Reads a stream and hands every event to `on_event(name, data, received_s)`; `monotonic` seconds."""

    def __init__(self, url: str, path: str, on_event: Callable[[str, dict[str, Any], float], None]) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._path = path
        self._on_event = on_event
        self.ready = threading.Event()

    def run(self) -> None:
        self._connection.request("GET", self._path, headers={"Accept": "text/event-stream"})
        reply = self._connection.getresponse()
        assert reply.status == 200, reply.read()
        name, data = "message", ""
        while line := reply.fp.readline():
            text = line.decode().rstrip("\r\n")
            if text.startswith("event:"):
                name = text[6:].strip()
            elif text.startswith("data:"):
                data += text[5:].strip()
            elif not text and data:
                received_s = time.monotonic()
                if name == "hello":
                    self.ready.set()
                self._on_event(name, json.loads(data), received_s)
                name, data = "message", ""
