"""How many streams are open across all processes: each writes its own numbers, which expire when it is gone."""

import asyncio
import logging
import secrets
from typing import Any

from api.logs import note
from api.sse.connections import Connections
from api.sse.opening import Run
from contracts.clock import Clock
from contracts.errors import Transient
from contracts.instants import iso_ms
from contracts.ports import ControlStore

KIND = "stream-process"
REPORT_EVERY_S = 5.0
EXPIRES_AFTER_MS = 20_000


class Fleet:
    """This process's report, and everybody's."""

    def __init__(self, control: ControlStore, connections: Connections, clock: Clock, run: Run) -> None:
        self._control = control
        self._connections = connections
        self._clock = clock
        self._run = run
        self.name = secrets.token_hex(6)
        self._started_ms = clock.now_ms()

    def own(self) -> dict[str, Any]:
        """This process's numbers as they are now."""
        hub = self._connections.hub
        return {
            "process": self.name,
            "connections": len(self._connections.open),
            "max_connections": hub.options.max_connections,
            "refused": self._connections.refused,
            "draining": self._connections.draining,
            "started_at": iso_ms(self._started_ms),
            "reported_at": iso_ms(self._clock.now_ms()),
        }

    def _report(self) -> None:
        self._control.put(KIND, self.name, self.own(), expires_ms=self._clock.now_ms() + EXPIRES_AFTER_MS)

    def everybody(self, live: bool) -> dict[str, Any]:
        """The fleet: others as they last reported (within five seconds), this process as it is. Blocking. Raises
        `Transient`."""
        rows = {name: row for name, row in self._control.list(KIND).items() if name != self.name}
        if live:
            rows[self.name] = self.own()
        ordered = [rows[name] for name in sorted(rows)]
        return {
            "connections": sum(int(row["connections"]) for row in ordered),
            "max_connections": sum(int(row["max_connections"]) for row in ordered),
            "refused": sum(int(row["refused"]) for row in ordered),
            "processes": ordered,
        }

    async def report(self) -> None:
        """Write this process's numbers every five seconds until cancelled."""
        while True:
            try:
                await self._run("control", self._report)
            except Transient as error:
                note(logging.WARNING, "stream numbers cannot be written", cause=str(error))
            await asyncio.sleep(REPORT_EVERY_S)

    def leave(self) -> None:
        """This process is gone. Blocking. Raises `Transient`."""
        self._control.delete(KIND, self.name)
