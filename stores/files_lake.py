"""The lake as a folder of gzip JSON-lines files. The same lines give the same bytes: no name or time in the header."""

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from contracts.errors import BadEvent, BadRequest, Transient
from stores.durable_files import write_atomically

SUFFIX: Final = ".jsonl.gz"
COMPRESSION_LEVEL: Final = 6
_PART: Final = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9._=,@+\-]{0,199}\Z", re.ASCII)


class FilesLake:
    """`contracts.ports.Lake` in a folder."""

    def __init__(self, folder: Path, synchronous: str = "full") -> None:
        self._folder = folder
        self._durable = synchronous == "full"

    def put(self, key: str, lines: Iterable[bytes]) -> None:
        """Write an object atomically; the same key again replaces it. Lines carry no line feed. Raises `BadRequest`
        for a key that is not one, `Transient` when the disk is full."""

        def fill(file: BinaryIO) -> None:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=file, mtime=0) as out:
                for line in lines:
                    assert b"\n" not in line, "a line holds a line feed"
                    out.write(line + b"\n")

        path = self._path(key)
        try:
            write_atomically(path, fill, self._durable)
        except OSError as error:
            raise Transient("lake", f"{path}: {error.strerror or error}") from error

    def read(self, key: str) -> Iterator[bytes]:
        """The lines of an object. Raises `BadRequest` when it is not there, `BadEvent("unparseable")` when it is
        damaged (after the lines before the damage)."""
        path = self._path(key)
        try:
            file = gzip.open(path, "rb")  # noqa: SIM115 (closed by the generator below)
        except (FileNotFoundError, IsADirectoryError):
            raise BadRequest(f"the lake has no object {key!r}") from None
        except OSError as error:
            raise Transient("lake", f"{path}: {error.strerror or error}") from error
        return _lines(key, file)

    def keys(self, prefix: str = "") -> list[str]:
        """Ascending keys under a prefix."""
        base = self._folder
        *folders, _ = prefix.split("/")
        if any(not _PART.match(name) for name in folders):
            return []
        found = []
        for folder, names, files in os.walk(base.joinpath(*folders)):
            names[:] = [name for name in names if not name.startswith(".")]
            for name in files:
                if name.endswith(SUFFIX) and not name.startswith("."):
                    key = Path(folder, name).relative_to(base).as_posix()
                    if key.startswith(prefix):
                        found.append(key)
        return sorted(found)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key.endswith(SUFFIX) or any(not _PART.match(part) for part in parts):
            raise BadRequest(f"{key[:200]!r} is no lake key (names of letters, digits and ._=,@+- ending {SUFFIX})")
        return self._folder.joinpath(*parts)


def _lines(key: str, file: gzip.GzipFile) -> Iterator[bytes]:
    with file:
        try:
            for line in file:
                yield line.removesuffix(b"\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadEvent("unparseable", f"lake object {key} is damaged: {error}") from error
        except OSError as error:
            raise Transient("lake", f"{key}: {error.strerror or error}") from error
