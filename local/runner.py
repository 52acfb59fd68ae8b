"""`candlewick up`: the whole line in one process, on one data directory, behind one lock."""

import asyncio
import functools
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final, cast

from api.app import create_app
from api.names import company_names
from api.options import ApiOptions
from api.server import bind, end_if_busy, make_server, settle_memory
from contracts.errors import BadRequest, Transient, Unusable
from contracts.ports import Waking
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.settings import AggregatorSettings, ClassifierSettings, load
from contracts.telemetry import totals
from local.demo import DemoFeed
from local.driver import MappingDriver
from local.driver_runner import Runner
from local.driver_schedule import Schedule, ScheduleDriver
from local.foreign_control import note_head
from local.line import ITEMS_TABLE, apply_settings, drivers_of, entry_point
from local.line_lease import line_lease
from local.memory import share_heaps
from local.ready import check_line, log_level, symbol_table
from local.retention import forget_old
from stores.data_dir import DataDir, UpLock
from stores.home import Home, open_home

#: How often the producers look for who is due; a new watch list is asked for that soon.
POLL_SOURCES_MS: Final = 1_000
FINALISE_MS: Final = 5 * MINUTE_MS
DEMO_STEP_MS: Final = 500
#: What stages have at least to end their step, and what ending takes after that.
LEAST_STOP_MS: Final = 1_000
AFTER_STOP_MS: Final = 500

log = logging.getLogger(__name__)
#: What an administrator may ask over HTTP, by name: (home, settings, …) → answer (`ops/admin_actions.py`).
Actions = Mapping[str, Callable[..., dict[str, Any]]]


class Line:
    """The running stages: one thread each, all on one home."""

    def __init__(self, home: Home, demo: bool, sources: bool) -> None:
        self._home = home
        self._drivers: list[MappingDriver] = drivers_of(home)
        self.demo = DemoFeed(home.log, home.control, home.clock) if demo else None
        self._timers = [ScheduleDriver(schedule, home.clock) for schedule in self._schedules(sources)]
        self._runners = [
            Runner(d.mapping.name, d, home.clock, _waking(home.items if d.mapping.stream == ITEMS_TABLE else home.log))
            for d in self._drivers
        ] + [Runner(timer.schedule.name, timer, home.clock) for timer in self._timers]

    def _schedules(self, sources: bool) -> list[Schedule]:
        expire = load(AggregatorSettings, os.environ).expire
        schedules = [
            Schedule("finalizer", entry_point("aggregation.finalizer"), FINALISE_MS),
            Schedule("trim", lambda event, context: forget_old(self._home, expire), HOUR_MS),
            Schedule("head", lambda event, context: note_head(self._home), MINUTE_MS),
        ]
        if sources:
            schedules.append(Schedule("producers", entry_point("producers.handler"), POLL_SOURCES_MS))
        if self.demo is not None:
            feed = self.demo
            schedules.append(Schedule("demo", lambda event, context: feed.step(), DEMO_STEP_MS))
        return schedules

    def start(self) -> None:
        for runner in self._runners:
            runner.start()

    def stop(self, within_ms: float = 4_000) -> None:
        """Let every stage finish its step; whoever does not is left to the end of the process (nothing is lost)."""
        clock, runners = self._home.clock, self._runners
        until_ms = clock.monotonic_ms() + within_ms
        for runner in runners:
            runner.stop(timeout_ms=0)  # all are told before any is waited for
        late = [each.name for each in runners if not each.stop(timeout_ms=max(0, until_ms - clock.monotonic_ms()))]
        if late:
            log.warning(json.dumps({"message": "stages still busy at the end", "stages": late}))
        with suppress(Transient, Unusable):  # what was noted a minute ago does too
            note_head(self._home)

    def status(self) -> dict[str, Any]:
        """What `/api/v2/status` and operators want to know of the process's stages."""
        counted = totals()
        stages = [status._asdict() | {"shards": [s._asdict() for s in status.shards], "behind_ms": status.behind_ms}
                  for status in (driver.status() for driver in self._drivers)]  # fmt: skip
        timers = [timer.status() for timer in self._timers]
        dead = [{"stage": r.name, "error": r.error} for r in self._runners if r.error or not r.running]
        dead += [{"stage": timer.name, "error": timer.error} for timer in timers if timer.state == "stopped"]
        return {
            "stages": stages,
            "timers": [timer._asdict() for timer in timers],
            "faults": dead,
            "counts": {
                "counted": int(counted.get("EventsCounted", 0)),
                "duplicates": int(counted.get("EventsDuplicate", 0)),
                "too_late": int(counted.get("EventsTooLate", 0)),
                "quarantined": int(counted.get("EventsQuarantined", 0)),
            },
            "metrics": counted,
        }


def _waking(store: object) -> Waking | None:
    """What wakes a stage: the store it reads, where that can (the embedded ones do)."""
    return cast(Waking, store) if hasattr(store, "seen") else None


def run_up(
    data_dir: str,
    host: str,
    port: int,
    demo: bool,
    sources: bool,
    endpoint_url: str | None,
    as_json: bool,
    actions: Actions | None = None,
) -> None:
    """Run until SIGINT or SIGTERM. Raises `Unusable` with the remedy when it cannot start."""
    share_heaps()
    logging.basicConfig(level=log_level(os.environ), format="%(message)s")
    env = {**os.environ, "CANDLEWICK_DATA_DIR": str(Path(data_dir).expanduser().absolute())}
    if endpoint_url:
        env |= {"CANDLEWICK_HOME": "aws", "CANDLEWICK_ENDPOINT_URL": endpoint_url}
    settings = load(AggregatorSettings, env)
    # On the AWS home the lease of the line keeps others away.
    with UpLock(DataDir(Path(settings.data_dir))) if settings.home == "embedded" else nullcontext():
        listener = _listen(host, port)
        apply_settings(settings)
        home = open_home(settings, env=os.environ)
        check_line(os.environ, sources)
        line = Line(home, demo, sources)
        env["CANDLEWICK_DEMO_NOTE"] = line.demo.note if line.demo else ""
        options = load(ApiOptions, env)
        names = company_names(symbol_table(load(ClassifierSettings, env)))
        app = create_app(home, options, line.status, names)
        app.state.services.epoch.name_log(home.buckets)
        for name, action in (actions or {}).items():
            app.state.services.actions[name] = functools.partial(action, home, settings)
        try:
            with line_lease(home, settings):
                _announce(listener, data_dir, demo, as_json)
                line.start()
                settle_memory()
                server = make_server(app)
                try:
                    _serve(server, listener)
                finally:
                    line.stop(max(LEAST_STOP_MS, server.left_ms - AFTER_STOP_MS))
        finally:
            home.close()
    end_if_busy(app, 0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        if host.strip():
            return bind(host, port)
        raise ValueError
    except (ValueError, TypeError):  # of letters or lengths that no name of a host has
        raise BadRequest(f"--host {host!r} is no address, such as 127.0.0.1") from None
    except OSError as error:
        raise Unusable(
            f"cannot listen on {host}:{port} ({error.strerror or error}); stop what uses it or give another --port"
        ) from None


def _serve(server: Any, listener: socket.socket) -> None:
    """uvicorn raises the signal that ended it once more when it is done; with these handlers that does not kill us
    before the stages have stopped."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stay)
    asyncio.run(server.serve(sockets=[listener]))


def _stay(number: int, frame: object) -> None:
    """The server was told already."""


def _announce(listener: socket.socket, data_dir: str, demo: bool, as_json: bool) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid(), "data_dir": data_dir}) + "\n")
    else:
        note = " (recorded news, replayed as if it arrived now)" if demo else ""
        sys.stdout.write(f"Candlewick{note}\n  dashboard  {url}/\n  data       {data_dir}\n  stop with Ctrl-C\n")
    sys.stdout.flush()
