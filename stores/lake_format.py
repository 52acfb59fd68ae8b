"""What every lake shares: what a key may be, and objects as gzip JSON lines with the same bytes for the same lines."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from contracts.errors import BadEvent, BadRequest, CandlewickError

SUFFIX: Final = ".jsonl.gz"
COMPRESSION_LEVEL: Final = 6
_PART: Final = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9._=,@+\-]{0,199}\Z", re.ASCII)


def key_parts(key: str) -> list[str]:
    """The names a key is made of. Raises `BadRequest` for a key that is not one."""
    parts = key.split("/")
    if not key.endswith(SUFFIX) or any(not is_name(part) for part in parts):
        raise BadRequest(f"{key[:200]!r} is no lake key (names of letters, digits and ._=,@+- ending {SUFFIX})")
    return parts


def is_name(text: str) -> bool:
    """Whether a folder or object may be called so."""
    return bool(_PART.match(text))


def write_lines(file: BinaryIO, lines: Iterable[bytes]) -> None:
    """Compress lines (which carry no line feed) into a file; no name or time in the header."""
    with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=file, mtime=0) as out:
        for line in lines:
            assert b"\n" not in line, "a line holds a line feed"
            out.write(line + b"\n")


def read_lines(
    key: str, file: gzip.GzipFile, faults: tuple[type[Exception], ...], told: Callable[[Exception], CandlewickError]
) -> Iterator[bytes]:
    """The lines of an opened object, closing it. Raises `BadEvent("unparseable")` where it is damaged, `told(error)`
    for a fault of the store. Where the cause of the first is `EOFError` it is only cut short; else something was
    altered, at an unknown place before: what was read up to there may never have been written."""
    with file:
        try:
            for line in file:
                yield line.removesuffix(b"\n")
            if file.mtime is None:  # no header was read: of nothing at all gzip says nothing
                raise EOFError("it is empty, without even a header")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadEvent("unparseable", f"lake object {key} is damaged: {error}") from error
        except faults as error:
            raise told(error) from error
