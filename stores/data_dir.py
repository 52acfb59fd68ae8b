"""The data directory of the embedded home: its layout, its version file, and the lock that one `up` holds."""

import fcntl
import json
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from contracts.errors import InUse, Unusable
from stores.durable_files import write_atomically

FORMAT: Final = 1
VERSION_FILE: Final = "candlewick.json"
LOCK_FILE: Final = "up.lock"


class DataDir:
    """An opened data directory; the properties are its files."""

    def __init__(self, path: Path) -> None:
        """Creates the folder when it is missing. Raises `Unusable` when it is a file, forbidden, another program's,
        or of another version."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            version_file = path / VERSION_FILE
            # In this order: a process that opens the folder for the first time just now makes databases last.
            has_databases = any(path.glob("*.db"))
            if version_file.exists():
                _check(version_file)
            elif has_databases:
                raise Unusable(f"{path} holds databases but no {VERSION_FILE}; restore it or give another folder")
            else:
                body = json.dumps({"format": FORMAT, "program": "candlewick"}).encode() + b"\n"
                write_atomically(version_file, lambda file: _write(file, body))
        except OSError as error:
            raise Unusable(
                f"{path} cannot be used as data directory ({error.strerror or error}); "
                "check the folder, its owner and permissions or give another one"
            ) from None

    @property
    def log(self) -> Path:
        return self.path / "log.db"

    @property
    def buckets(self) -> Path:
        return self.path / "buckets.db"

    @property
    def items(self) -> Path:
        return self.path / "items.db"

    @property
    def control(self) -> Path:
        return self.path / "control.db"

    @property
    def lake(self) -> Path:
        return self.path / "lake"

    @property
    def secrets(self) -> Path:
        return self.path / ".env"

    @property
    def symbols(self) -> Path:
        """The symbol table that `candlewick symbols refresh` made; not there: the shipped one counts."""
        return self.path / "symbols.csv"

    @property
    def lock(self) -> Path:
        return self.path / LOCK_FILE


class UpLock:
    """The right to drive the data directory's mappings; held by `up` and by `drain`. The operating system drops it
    with the process, so a killed one leaves nothing behind. A context manager."""

    def __init__(self, directory: DataDir) -> None:
        """Raises `InUse` naming the process that holds it, `Unusable` why there can be no lock."""
        file = open(directory.lock, "a+b")  # noqa: SIM115 (held until release)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                raise _in_use(directory.path, file, "stop that process or give another --data-dir") from None
        except OSError as error:
            file.close()
            raise Unusable(
                f"{directory.lock} cannot be locked ({error.strerror}); give a --data-dir whose file system has locks"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        self._file: BinaryIO = file

    def release(self) -> None:
        """Give it up; the file stays, empty of meaning."""
        self._file.close()

    def __enter__(self) -> "UpLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def unused(directory: Path) -> AbstractContextManager[object]:
    """Nobody drives the data directory meanwhile, which is only read: its lock file may be missing or forbidden, or of
    a file system without locks, where nothing can be told. Raises `InUse` naming the process that does."""
    try:
        file = open(directory / LOCK_FILE, "rb")  # noqa: SIM115 (held by the caller)
    except OSError:
        return nullcontext()
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            raise _in_use(directory, file, "stop that process first") from None
    except OSError:
        pass  # no locks there
    return file


def _in_use(directory: Path, file: BinaryIO, remedy: str) -> InUse:
    file.seek(0)
    holder = file.read(32).decode("ascii", "replace").strip() or "unknown"
    return InUse(f"{directory} is in use by process {holder}; {remedy}")


def _write(file: BinaryIO, body: bytes) -> None:
    file.write(body)


def _check(version_file: Path) -> None:
    try:
        found = json.loads(version_file.read_bytes())["format"]
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{version_file} is damaged; restore it or give another folder") from None
    if found != FORMAT:
        raise Unusable(
            f"{version_file.parent} has format {found}, this program reads {FORMAT}; "
            "use the program that wrote it or give another folder"
        )
