"""The home: every store a service needs, opened once per process and shared by its handlers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from contracts.clock import Clock, SystemClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.ports import BucketStore, ControlStore, EventLog, ItemStore, Lake, Secrets
from contracts.settings import Settings
from stores.data_dir import DataDir
from stores.env_secrets import EnvSecrets
from stores.files_lake import FilesLake
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_items import SqliteItemStore
from stores.sqlite_log import SqliteEventLog

#: Shards a new stream starts with; split and merge change it later.
SHARD_COUNTS: Final = {RAW_STREAM: 1, SCORED_STREAM: 2}


@dataclass(frozen=True)
class Home:
    """The stores of one installation, and its clock."""

    log: EventLog
    buckets: BucketStore
    items: ItemStore
    control: ControlStore
    lake: Lake
    secrets: Secrets
    clock: Clock
    closers: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        """Close the files. Nothing may be using them any more."""
        for close in self.closers:
            close()


_homes: dict[tuple[str, str], Home] = {}
_opening = threading.Lock()


def open_home(settings: Settings, clock: Clock | None = None, env: Mapping[str, str] | None = None) -> Home:
    """The home of these settings; the same one for every caller of the process.

    `clock` counts for the first caller only; `env` (a composition root's environment) is where secrets are looked up
    before the `.env` file of the data directory. Raises `Unusable` when the data directory cannot be used.
    """
    if settings.home == "aws":
        raise Unusable("the AWS home is not part of this version yet; set CANDLEWICK_HOME=embedded")
    path = Path(settings.data_dir).expanduser().absolute()
    place = (str(path), settings.synchronous)
    with _opening:
        home = _homes.get(place)
        if home is None:
            home = _homes[place] = _open_embedded(path, settings.synchronous, clock or SystemClock())
    return home if env is None else replace(home, secrets=EnvSecrets(env, DataDir(path).secrets))


def close_home(settings: Settings) -> None:
    """Close the home of these settings, if it is open."""
    path = Path(settings.data_dir).expanduser().absolute()
    with _opening:
        home = _homes.pop((str(path), settings.synchronous), None)
    if home is not None:
        home.close()


def forget_homes() -> None:
    """Close all homes of this process, as a new process would find them."""
    with _opening:
        homes = list(_homes.values())
        _homes.clear()
    for home in homes:
        home.close()


def _open_embedded(path: Path, synchronous: str, clock: Clock) -> Home:
    directory = DataDir(path)
    log = SqliteEventLog(directory.log, clock, synchronous)
    for stream, shard_count in SHARD_COUNTS.items():
        log.create_stream(stream, shard_count)
    buckets = SqliteBucketStore(directory.buckets, synchronous)
    items = SqliteItemStore(directory.items, clock, synchronous)
    control = SqliteControlStore(directory.control, clock, synchronous)
    return Home(
        log=log,
        buckets=buckets,
        items=items,
        control=control,
        lake=FilesLake(directory.lake, synchronous),
        secrets=EnvSecrets({}, directory.secrets),
        clock=clock,
        closers=(log.close, buckets.close, items.close, control.close),
    )
