"""Files that are either there in full or not at all, whatever is killed when."""

import os
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

#: Beside its number, which the system may have given to another before, what a process calls its unfinished files by.
_TOKEN: Final = secrets.token_hex(4)
_UNFINISHED: Final = re.compile(r"\..+\.(\d{1,9})\.([0-9a-f]{8})\.\d+\.tmp\Z", re.ASCII)
MAX_TIDIED: Final = 10_000
_tidied: set[Path] = set()


def write_atomically(path: Path, fill: Callable[[BinaryIO], None], durable: bool = True) -> None:
    """Write a file beside its place, then rename it into place; `durable` survives a power cut. Raises `OSError`."""
    made = _make_folders(path.parent)
    _tidy(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{_TOKEN}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            fill(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        for folder in {path.parent, *(new.parent for new in made)}:
            _sync_folder(folder)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left unfinished, before this one first writes to a folder."""
    if folder in _tidied:
        return
    for left in folder.glob(".*.tmp"):
        found = _UNFINISHED.fullmatch(left.name)
        if found and not _is_running(int(found[1]), found[2]):
            left.unlink(missing_ok=True)
    if len(_tidied) >= MAX_TIDIED:
        _tidied.clear()
    _tidied.add(folder)


def _is_running(process: int, token: str) -> bool:
    if process == os.getpid():
        return token == _TOKEN
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's
    return True


def _make_folders(folder: Path) -> list[Path]:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
    return missing


def _sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
