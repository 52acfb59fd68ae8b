"""The lake as a folder of gzip JSON-lines files. The same lines give the same bytes: no name or time in the header."""

import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from contracts.errors import BadRequest, Transient
from stores.durable_files import write_atomically
from stores.lake_format import SUFFIX, is_name, key_parts, read_lines, write_lines


class FilesLake:
    """`contracts.ports.Lake` in a folder."""

    def __init__(self, folder: Path, synchronous: str = "full") -> None:
        self._folder = folder
        self._durable = synchronous == "full"

    def put(self, key: str, lines: Iterable[bytes]) -> None:
        """Write an object atomically; the same key again replaces it. Lines carry no line feed. Raises `BadRequest`
        for a key that is not one, `Transient` when the disk is full."""

        def fill(file: BinaryIO) -> None:
            write_lines(file, lines)

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
        return read_lines(key, file, (OSError,), lambda error: Transient("lake", f"{path}: {error}"))

    def keys(self, prefix: str = "") -> list[str]:
        """Ascending keys under a prefix. Raises `Transient` when a folder cannot be read."""
        base = self._folder
        *folders, start = prefix.split("/")
        if not all(is_name(name) for name in folders):
            return []
        found = []
        for folder, names, files in os.walk(base.joinpath(*folders), onerror=_unreadable):
            names[:] = [name for name in names if name.startswith(start) and not name.startswith(".")]
            files = [name for name in files if name.startswith(start) and not name.startswith(".")]
            here = "".join(f"{name}/" for name in Path(folder).relative_to(base).parts)
            found += [here + name for name in files if name.endswith(SUFFIX)]
            start = ""  # the rest of the prefix is about names of the first folder only
        return sorted(found)

    def _path(self, key: str) -> Path:
        return self._folder.joinpath(*key_parts(key))


def _unreadable(error: OSError) -> None:
    """What a prefix does not name, or went away meanwhile, holds nothing; of what is there it is not known."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise Transient("lake", f"{error.filename}: {error.strerror or error}") from error
