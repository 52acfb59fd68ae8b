"""The home: every store a service needs, opened once per process and shared by its handlers."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from contracts import emf, logs, telemetry
from contracts.clock import Clock, SystemClock
from contracts.errors import Transient
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import POINTER
from contracts.metrics import NAMESPACE
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
SHARD_COUNTS: Final[dict[str, int]] = {RAW_STREAM: 1, SCORED_STREAM: 2}


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


class _Control(SqliteControlStore):
    """Notes each swap of the live generation in buckets.db: a control.db from before it is told there."""

    def __init__(self, path: Path, clock: Clock, synchronous: str, buckets: SqliteBucketStore) -> None:
        super().__init__(path, clock, synchronous)
        self._buckets = buckets

    def put(self, kind: str, name: str, *given: Any, **named: Any) -> int:
        """As its parent's."""
        version = super().put(kind, name, *given, **named)
        if (kind, name) == POINTER:
            with suppress(Transient):  # it is done, and put once more when it has settled
                self._buckets.note_swap(version)
        return version


_homes: dict[tuple[str, ...], Home] = {}
_opening = threading.Lock()


def open_home(settings: Settings, clock: Clock | None = None, env: Mapping[str, str] | None = None) -> Home:
    """The home of these settings; the same one for every caller of the process.

    `clock` counts for the first caller only; `env` (a composition root's environment) is where secrets are looked up
    before the `.env` file of the data directory. Raises `Unusable` when the data directory cannot be used.
    """
    place = _place(settings)
    with _opening:
        home = _homes.get(place)
        if home is None:
            opener = _open_aws if settings.home == "aws" else _open_embedded
            home = _homes[place] = opener(settings, clock or SystemClock())
            if settings.metrics == "emf":
                telemetry.emit_to(emf.writer(settings.environment, home.clock))
                logs.deploy(NAMESPACE)
    if env is None:
        return home
    if settings.home == "aws":
        from stores.secrets_manager import FirstOf

        return replace(home, secrets=FirstOf(EnvSecrets(env), home.secrets))
    return replace(home, secrets=EnvSecrets(env, DataDir(_path(settings)).secrets))


def close_home(settings: Settings) -> None:
    """Close the home of these settings, if it is open."""
    with _opening:
        home = _homes.pop(_place(settings), None)
    if home is not None:
        home.close()


def forget_homes() -> None:
    """Close all homes of this process, as a new process would find them."""
    with _opening:
        homes = list(_homes.values())
        _homes.clear()
    for home in homes:
        home.close()


def _path(settings: Settings) -> Path:
    return Path(settings.data_dir).expanduser().absolute()


def _place(settings: Settings) -> tuple[str, ...]:
    """What tells one home of a process from another."""
    if settings.home == "aws":
        return ("aws", settings.endpoint_url or "", settings.environment, settings.lake_bucket or "")
    return ("embedded", str(_path(settings)), settings.synchronous)


def _open_aws(settings: Settings, clock: Clock) -> Home:
    """On an endpoint of one's own (an emulator), what is missing is made; on AWS itself `infra/` makes it."""
    from stores.aws_home import AwsHome

    aws = AwsHome(settings, clock)
    if settings.endpoint_url:
        aws.provision(SHARD_COUNTS)
    return Home(
        log=aws.log,
        buckets=aws.buckets,
        items=aws.items,
        control=aws.control,
        lake=aws.lake,
        secrets=aws.secrets,
        clock=clock,
        closers=(aws.close,),
    )


def _open_embedded(settings: Settings, clock: Clock) -> Home:
    synchronous = settings.synchronous
    directory = DataDir(_path(settings))
    log = SqliteEventLog(directory.log, clock, synchronous)
    for stream, shard_count in SHARD_COUNTS.items():
        log.create_stream(stream, shard_count)
    buckets = SqliteBucketStore(directory.buckets, synchronous)
    items = SqliteItemStore(directory.items, clock, synchronous)
    control = _Control(directory.control, clock, synchronous, buckets)
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
