"""The running system that faults are done to: the program, somebody who publishes, and somebody who watches."""

import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from contracts.clock import SystemClock
from contracts.errors import Transient
from contracts.events import SCORED_STREAM
from contracts.generation import live_generation
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from stores.home import Home, close_home, open_home
from tests import oracle
from tests.e2e.harness import CANDLEWICK, Up, answer, candlewick
from tests.e2e.watcher import Watcher
from tests.events import SUBJECTS, lines, scored

WATCHED = "AAPL"
EVENTS_PER_S = 40
CALM_S = 3.0
HEAL_TIMEOUT_S = 180.0


class Feed:
    """Publishes a scored event every 25 ms from a process that is not the program's, and keeps what was acknowledged.
    What a full disk refuses is offered again until it is taken, as every producer does."""

    def __init__(self, home: Home) -> None:
        self.acknowledged: list[dict[str, Any]] = []
        self.refused = 0
        self.paused = threading.Event()
        self._home = home
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether more events will come."""
        return not self._over.is_set() and not self.paused.is_set()

    def watched(self) -> int:
        """How many of the acknowledged are about the watched subject."""
        return sum(event["subject"] == WATCHED for event in list(self.acknowledged))

    def _run(self) -> None:
        number = 0
        clock = SystemClock()
        while not self._over.wait(1 / EVENTS_PER_S):
            if self.paused.is_set():
                continue
            subject = SUBJECTS[number % len(SUBJECTS)]
            event = scored(number, subject, clock.now_ms(), ((number * 37) % 200 - 100) / 100)
            if self._put(event):
                self.acknowledged.append(event)
            number += 1

    def _put(self, event: dict[str, Any]) -> bool:
        data = lines([event]).rstrip()
        while not self._over.is_set():
            try:
                (result,) = self._home.log.put_records(SCORED_STREAM, [Entry(event["subject"], data)])
            except Transient:
                self.refused += 1
                self._over.wait(0.2)
                continue
            assert result.error_code is None, result
            return True
        return False


class FaultyUp(Up):
    """`candlewick up` whose clock and stores do what a file says."""

    def __init__(self, data: Path, *more: str, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="candlewick-faults-")  # never on the disk that is full
        self.faults = Path(self._folder.name) / "faults.json"
        self.wrong()
        super().__init__(
            data,
            *more,
            program=[CANDLEWICK[0], "-m", "tests.e2e.faulty_up"],
            settings={"CANDLEWICK_FAULTS": str(self.faults), **settings},
        )

    def wrong(self, **what: int) -> None:
        """From now on; nothing: all is well again."""
        temporary = self.faults.with_suffix(".new")
        temporary.write_text(json.dumps(what))
        os.replace(temporary, self.faults)


def stored_by_oracle_key(data: Path) -> dict[Any, dict[str, Any]]:
    """Every bucket of the live generation, in the oracle's fields, read from the files that are there now."""
    close_home(AggregatorSettings(data_dir=str(data)))  # type: ignore[call-arg]
    home = open_home(AggregatorSettings(data_dir=str(data)))  # type: ignore[call-arg]
    try:
        return {tuple(b.key): oracle.fields_of(b) for b in home.buckets.scan(live_generation(home.control))}
    finally:
        close_home(AggregatorSettings(data_dir=str(data)))  # type: ignore[call-arg]


class Scene:
    """One data directory with the program on it. A context manager: at its end everything it started is gone."""

    def __init__(self, data: Path, *more: str, **settings: str) -> None:
        self.data = data
        self._more, self._settings = more, settings
        self.up = FaultyUp(data, *more, **settings)
        self.url = self.up.url
        self.home = open_home(AggregatorSettings(data_dir=str(data)))  # type: ignore[call-arg]
        self.feed = Feed(self.home)
        self.watcher = Watcher(lambda: self._elsewhere or self.url, WATCHED)
        self.began_s = time.monotonic()
        self._elsewhere: str | None = None

    def __enter__(self) -> "Scene":
        self.up.wait_ready()
        self.feed.start()
        self._begin()
        return self

    def _begin(self) -> None:
        self.watcher.start()
        time.sleep(CALM_S)
        self.began_s = time.monotonic()
        self.watcher.silences.clear()

    def watch(self, url: str) -> None:
        """Somebody else watches, at another server on the same data."""
        self.watcher.stop()
        self._elsewhere = url
        self.watcher = Watcher(lambda: url, WATCHED)
        self._begin()

    def __exit__(self, *error: object) -> None:
        self.watcher.stop()
        self.feed.stop()
        if self.up.process.poll() is None:
            self.up.kill()
        self.close_home()

    def close_home(self) -> None:
        """This process' own connections."""
        close_home(AggregatorSettings(data_dir=str(self.data)))  # type: ignore[call-arg]

    def start_again(self) -> None:
        """The same command once more, as a supervisor would."""
        self.up = FaultyUp(self.data, *self._more, **self._settings)
        self.url = self.up.url

    def wait_healed(self, timeout_s: float = HEAL_TIMEOUT_S) -> float:
        """Seconds until a watcher has everything that was acknowledged up to now, and the first event after it, by both
        ways."""
        began, target = time.monotonic(), self.feed.watched() + self.feed.is_running
        self.watcher.rest_count = 0  # what an answer says that comes from now on
        self.up.wait_ready()
        while min(self.watcher.rest_count, self.watcher.stream_count) < target:
            if time.monotonic() - began > timeout_s:
                raise AssertionError(
                    f"not healed after {timeout_s} s: REST {self.watcher.rest_count}, stream "
                    f"{self.watcher.stream_count} of {target}; {self.up.log.read_text()[-2000:]}"
                )
            time.sleep(0.05)
        return round(time.monotonic() - began, 1)

    def accounted(self, extra_sources: bool = False) -> dict[str, Any]:
        """Stop, drain, and hold what is stored against the oracle and the log. Raises `AssertionError`.
        `extra_sources`: articles came from elsewhere too, so only the log can say what must be stored."""
        self.feed.stop()
        self.watcher.stop()
        if self.up.process.poll() is None:
            assert self.up.stop() == 0, self.up.log.read_text()[-2000:]
        counts = answer("drain", "--data-dir", str(self.data))
        events = self.feed.acknowledged
        stored = stored_by_oracle_key(self.data)
        expected = oracle.buckets(events)
        wrong = [key for key in expected.keys() | stored.keys() if expected.get(key) != stored.get(key)]
        assert extra_sources or not wrong, f"{len(wrong)} buckets differ: {wrong[:3]}"
        checked = candlewick("verify", "--data-dir", str(self.data))
        assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
        assert self.watcher.times_back == 0, "a candle went back in front of the watcher"
        assert counts["counted"] >= len(events), counts
        return {"acknowledged": len(events), "refused": self.feed.refused, **counts}
