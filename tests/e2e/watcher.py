"""What a person in front of the dashboard would have seen: one client that polls REST and follows the event stream."""

import contextlib
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

POLL_S = 0.25
REST_TIMEOUT_S = 30.0
STREAM_TIMEOUT_S = 25.0
RECONNECT_S = 0.5
Series = dict[str, dict[str, Any]]  # window start → bucket


class Watcher:
    """Watches one subject at 1m on both ways until `stop`. `url` says where the server is at the moment."""

    def __init__(self, url: Callable[[], str], subject: str) -> None:
        self._url = url
        self._subject = subject
        self._over = threading.Event()
        self.polls: list[tuple[float, float, str]] = []  # (when, seconds it took, "200" or what was wrong)
        self.rest_count = 0
        self.series: Series = {}
        self._ahead: dict[str, int] = {}  # how far REST was ahead of a stream that began; the stream tells it all again
        self.times_back = 0
        self.connections = 0
        self.silences: list[float] = []
        self._last_id: str | None = None
        self._heard_s = time.monotonic()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._poll, self._follow)]

    def start(self) -> "Watcher":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._over.set()

    # ---- REST ------------------------------------------------------------------------------------------------------
    def _poll(self) -> None:
        while not self._over.wait(POLL_S):
            began = time.monotonic()
            outcome = "200"
            try:
                path = f"/api/v2/timeseries/{quote(self._subject, safe='')}?resolution=24h"
                with urllib.request.urlopen(self._url() + path, timeout=REST_TIMEOUT_S) as reply:
                    document = json.load(reply)
                buckets = [*document["buckets"], document["partial_bucket"]]
                self.rest_count = sum(bucket["count"] for bucket in buckets if bucket)
            except urllib.error.HTTPError as error:
                outcome = f"{error.code}"
            except (OSError, ValueError, http.client.HTTPException) as error:
                cause = getattr(error, "reason", error)
                outcome = "timeout" if isinstance(cause, TimeoutError) else "connection refused"
            self.polls.append((began, time.monotonic() - began, outcome))

    # ---- the stream ------------------------------------------------------------------------------------------------
    def _follow(self) -> None:
        while not self._over.is_set():
            # The connection is gone: a client tries again, which is what is being measured.
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                self._read_stream()
            self._over.wait(RECONNECT_S)

    def _read_stream(self) -> None:
        parts = urlsplit(self._url())
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=STREAM_TIMEOUT_S)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        path = f"/api/v2/stream?tickers={quote(self._subject, safe='')}&resolutions=1m"
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            if reply.status != 200:
                return
            self.connections += 1
            name, data, identity = "message", "", self._last_id
            while not self._over.is_set() and (line := reply.fp.readline()):
                text = line.decode().rstrip("\r\n")
                if text.startswith("event:"):
                    name = text[6:].strip()
                elif text.startswith("data:"):
                    data += text[5:].strip()
                elif text.startswith("id:"):
                    identity = text[3:].strip()
                elif not text and data:
                    self._take(name, json.loads(data))
                    self._last_id = identity
                    name, data = "message", ""
        finally:
            connection.close()

    def _heard(self) -> None:
        """Something moved on the screen."""
        now_s = time.monotonic()
        self.silences.append(now_s - self._heard_s)
        self._heard_s = now_s

    def _take(self, name: str, document: dict[str, Any]) -> None:
        if name in ("bucket_update", "partial_bucket", "snapshot"):
            self._heard()
        if name == "hello" and not document["resumed"]:
            self._keep(self._loaded())
            self._ahead = {start: bucket["count"] for start, bucket in self.series.items()}
        elif name in ("bucket_update", "partial_bucket"):
            self._keep([document["bucket"]])

    def _loaded(self) -> list[dict[str, Any]]:
        """The series by REST, as a page does that opens or cannot resume."""
        path = f"/api/v2/timeseries/{quote(self._subject, safe='')}?resolution=1m"
        with urllib.request.urlopen(self._url() + path, timeout=REST_TIMEOUT_S) as reply:
            page = json.load(reply)
        return [bucket for bucket in (*page["buckets"], page["partial_bucket"]) if bucket]

    def _keep(self, buckets: list[dict[str, Any]]) -> None:
        """As the dashboard does: what counts more replaces; what counts less is old news, and must not come."""
        for bucket in buckets:
            known, ahead = self.series.get(bucket["start"]), self._ahead.get(bucket["start"], 0)
            if known is not None and bucket["count"] < known["count"]:
                self.times_back += bucket["count"] >= ahead
                continue
            if bucket["count"] >= ahead:
                self._ahead.pop(bucket["start"], None)
            self.series[bucket["start"]] = bucket

    @property
    def stream_count(self) -> int:
        """Events in all 1m candles the stream has told of."""
        return sum(bucket["count"] for bucket in list(self.series.values()))

    # ---- the report ------------------------------------------------------------------------------------------------
    def seen(self, since_s: float) -> dict[str, Any]:
        """What was seen from an instant on (`monotonic` seconds)."""
        polls = [poll for poll in self.polls if poll[0] >= since_s]
        failed: dict[str, int] = {}
        for _, _, outcome in polls:
            if outcome != "200":
                failed[outcome] = failed.get(outcome, 0) + 1
        return {
            "polls": len(polls),
            "failed": failed,
            "outage_s": round(longest_outage(polls), 1),
            "slowest_s": round(max((took for _, took, outcome in polls if outcome == "200"), default=0.0), 2),
            "reconnects": self.connections - 1,
            "still_s": round(max(self.silences, default=0.0), 1),
        }


def longest_outage(polls: list[tuple[float, float, str]]) -> float:
    """Seconds from the first of a row of failed polls to the end of the first good one after it."""
    longest, began = 0.0, None
    for at, took, outcome in polls:
        if outcome == "200":
            if began is not None:
                longest = max(longest, at + took - began)
            began = None
        elif began is None:
            began = at
    if began is not None and polls:
        longest = max(longest, polls[-1][0] + polls[-1][1] - began)
    return longest
