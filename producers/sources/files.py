"""Files as sources: JSON lines, CSV and Parquet, gzip or not, or standard input.

What a file is, is told by its content first and its name second. Rows come out one by one; a row that cannot be read is
a row with an error, and the next one follows.
"""

import codecs
import csv
import gzip
import io
import select
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, cast

import msgspec

from contracts.errors import BadEvent, BadRequest, Unusable
from contracts.events import MAX_EVENT_BYTES

STDIN: Final = "-"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PARQUET_MAGIC: Final = b"PAR1"
_SNIFF_BYTES: Final = 4_096
_BUFFER_BYTES: Final = 1 << 18
_MAX_LINE_BYTES: Final = 4 * MAX_EVENT_BYTES
_PARQUET_ROWS: Final = 2_000
#: Below it the rows that are no UTF-8 are rejected one by one; above it the file is none of ours.
MAX_UNREADABLE_SHARE: Final = 0.3


class Row(NamedTuple):
    """One row: its line number (from 1; for Parquet the row number), and its JSON bytes, its fields, or its error."""

    line: int
    data: bytes = b""
    fields: dict[str, Any] | None = None
    error: BadEvent | None = None


def read_rows(
    path: str,
    columns: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    before_wait: Callable[[], None] = lambda: None,
) -> Iterator[Row]:
    """The rows of a file, or of standard input (`-`). `columns`: our field → its column or JSON name. `before_wait` is
    called before what is not written yet is waited for.

    Raises `BadRequest` in one line when there is no such file or it is nothing that can be read. An empty file has
    no rows.
    """
    if path != STDIN and path.lower().endswith(".parquet"):
        return _parquet_rows(path, columns or {})
    head, stream = _opened(path, stdin, before_wait)
    if not head.strip() and len(head) < _SNIFF_BYTES:
        stream.close()
        return iter(())
    if head.lstrip()[:1] == b"[":
        raise BadRequest(f"{path}: a JSON array; what is read is JSON lines, one object a line")
    looks_json = head.lstrip()[:1] == b"{"
    # Standard input has no name to tell by: a first line with commas names columns.
    named_csv = b"," in head.partition(b"\n")[0] if path == STDIN else _is_named_csv(path)
    is_csv = named_csv and not looks_json
    return _csv_rows(stream, columns or {}) if is_csv else _json_rows(stream, columns or {})


def _is_named_csv(path: str) -> bool:
    return path.lower().endswith((".csv", ".csv.gz"))


class _Again(io.RawIOBase):
    """A stream from its beginning, though its first bytes have been read."""

    def __init__(self, head: bytes, rest: io.BufferedReader, before_wait: Callable[[], None]) -> None:
        self._head = head
        self._rest = rest
        self._before_wait = before_wait

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head and not is_at_hand(self._rest):
            self._before_wait()
        data = self._head[: len(buffer)] or self._rest.read1(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._rest.close()
        super().close()


def is_at_hand(stream: BinaryIO | io.BufferedReader) -> bool:
    """Whether reading on waits for nobody; what the system does not know as a file is at hand."""
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def _opened(path: str, stdin: BinaryIO | None, before_wait: Callable[[], None]) -> tuple[bytes, io.BufferedReader]:
    """The first bytes of a file's text, and all of it. Raises `BadRequest` for what is no text."""
    try:
        raw = (stdin or sys.stdin.buffer) if path == STDIN else open(path, "rb")  # noqa: SIM115  # closed by the rows
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    plain = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
    head, stream = _begun(plain, before_wait)
    if head.startswith(_GZIP_MAGIC):
        try:
            head, stream = _begun(io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream))))
        except (OSError, EOFError, zlib.error) as error:
            raise BadRequest(f"{path}: damaged gzip: {error}") from None
    _check_text(head, path)
    return head.removeprefix(codecs.BOM_UTF8), stream


def _begun(
    stream: io.BufferedReader, before_wait: Callable[[], None] = lambda: None
) -> tuple[bytes, io.BufferedReader]:
    """The first bytes, up to the end of a line that holds something, and the stream with them. What is written piece by
    piece is waited for; what comes after it is not."""
    head = b""
    while len(head) < _SNIFF_BYTES and b"\n" not in head.lstrip():
        piece = stream.read1(_SNIFF_BYTES - len(head))
        if not piece:
            break
        head += piece
    return head, io.BufferedReader(_Again(head, stream, before_wait), _BUFFER_BYTES)


def _check_text(head: bytes, path: str) -> None:
    if head.startswith(_PARQUET_MAGIC):
        raise BadRequest(f"{path}: this is Parquet; give it a name that ends in .parquet")
    if b"\0" in head:
        raise BadRequest(f"{path}: binary, not text; what is read is JSON lines, CSV and Parquet, gzip or not")
    unread = head.decode("utf-8", "replace").count("\ufffd")
    if unread > MAX_UNREADABLE_SHARE * len(head):
        raise BadRequest(f"{path}: not UTF-8 text; what is read is JSON lines, CSV and Parquet, gzip or not")


def _lines(stream: io.BufferedReader) -> Iterator[Row]:
    """Lines without their ends; empty ones are left out."""
    number = 0
    with stream:
        while True:
            number += 1
            try:
                line = stream.readline(_MAX_LINE_BYTES)
                if len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
                    while (rest := stream.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                    yield Row(number, line[:1_000], error=BadEvent("oversized", f"over {_MAX_LINE_BYTES} bytes"))
                    continue
            except (OSError, EOFError, zlib.error) as error:
                yield Row(number, error=BadEvent("unparseable", f"damaged gzip, nothing after this is read: {error}"))
                return
            if not line:
                return
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if stripped := line.strip():
                yield Row(number, stripped)


def _json_rows(stream: io.BufferedReader, columns: Mapping[str, str]) -> Iterator[Row]:
    if not columns:
        return _lines(stream)
    return (_mapped_json(row, columns) for row in _lines(stream))


def _mapped_json(row: Row, columns: Mapping[str, str]) -> Row:
    if row.error:
        return row
    try:
        fields = msgspec.json.decode(row.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return row._replace(error=BadEvent("unparseable", str(error)))
    if not isinstance(fields, dict):
        return row._replace(error=BadEvent("unparseable", f"expected a JSON object, got {type(fields).__name__}"))
    return row._replace(fields=_mapped(fields, columns))


class _Lines:
    """Numbered lines that may be taken again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: list[str] = []
        self._row: list[str] = []
        #: Of the line the row at hand begins with.
        self.number = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        """What was taken so far was a row, or none."""
        self.number += len(self._row)
        self._row.clear()

    def give_back(self) -> str:
        """The row's first line; those after it are taken again."""
        self._again += reversed(self._row[1:])
        del self._row[1:]
        return self._row[0] if self._row else ""


def _csv_rows(stream: io.BufferedReader, columns: Mapping[str, str]) -> Iterator[Row]:
    # Bytes that are no UTF-8 come through as lone surrogates, so that they spoil their own row only.
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True)
        names: list[str] | None = None
        while True:
            lines.begin_row()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if names is None:
                    detail = f"the first line names no columns, nothing after this is read: {error}"
                    yield Row(lines.number, error=BadEvent("unparseable", detail))
                    return
                # Perhaps a quote that is never closed: what was taken for the rest of the row may be rows.
                yield _bad_csv(lines, str(error))
                continue
            except (OSError, EOFError, zlib.error) as error:
                damage = BadEvent("unparseable", f"damaged gzip, nothing after this is read: {error}")
                yield Row(lines.number, error=damage)
                return
            if values and names is None:
                names = values
                _check_columns(columns, names)
            elif values and names is not None and len(values) != len(names):
                yield _bad_csv(lines, "not as many columns as the first line names")
            elif values and names is not None:
                yield _csv_row(lines.number, dict(zip(names, values, strict=True)), columns)


def _check_columns(columns: Mapping[str, str], names: Sequence[str]) -> None:
    """A column that is named and not there would leave its field empty in every row."""
    for field, column in columns.items():
        if column not in names:
            raise BadRequest(f"{field}={column}: there is no column {column!r}", tuple(names))


def _bad_csv(lines: _Lines, detail: str) -> Row:
    data = lines.give_back().strip().encode("utf-8", "surrogateescape")
    return Row(lines.number, data, error=BadEvent("unparseable", detail))


def _csv_row(line: int, fields: dict[str, str], columns: Mapping[str, str]) -> Row:
    data = repr(fields).encode("utf-8", "backslashreplace")
    if any("\udc80" <= character <= "\udcff" for value in fields.values() for character in value):
        return Row(line, data, error=BadEvent("unparseable", "not UTF-8"))
    return Row(line, data, _mapped({name: value for name, value in fields.items() if value != ""}, columns))


def _parquet_rows(path: str, columns: Mapping[str, str]) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise Unusable(f"{path}: Parquet needs the package pyarrow: pip install 'candlewick[parquet]'") from None
    try:
        with open(path, "rb") as stream:
            if stream.read(len(_PARQUET_MAGIC)) != _PARQUET_MAGIC:
                raise BadRequest(f"{path}: not Parquet, whatever its name says")
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    damage = (OSError, ValueError, OverflowError, pyarrow.ArrowException)
    try:
        table = parquet.ParquetFile(path)
    except damage as error:
        raise BadRequest(f"{path}: damaged Parquet: {_first_line(error)}") from None
    _check_columns(columns, table.schema_arrow.names)
    return _table_rows(table.iter_batches(_PARQUET_ROWS), columns, damage)


def _table_rows(
    batches: Iterator[Any], columns: Mapping[str, str], damage: tuple[type[Exception], ...]
) -> Iterator[Row]:
    number = 0
    while True:
        try:
            batch = next(batches, None)
        except damage as error:
            detail = f"damaged Parquet, nothing after this is read: {_first_line(error)}"
            yield Row(number + 1, error=BadEvent("unparseable", detail))
            return
        if batch is None:
            return
        for fields in _batch_fields(batch, damage):
            number += 1
            if isinstance(fields, BadEvent):
                yield Row(number, error=fields)
            else:
                yield Row(number, repr(fields).encode("utf-8", "backslashreplace"), _mapped(fields, columns))


def _batch_fields(batch: Any, damage: tuple[type[Exception], ...]) -> list[dict[str, Any] | BadEvent]:
    """The rows of a batch; one that Python has no value for (a year 300,000, nanoseconds) spoils no other."""
    try:
        return cast(list[dict[str, Any] | BadEvent], batch.to_pylist())
    except damage as error:
        if len(batch) == 1:
            return [BadEvent("unparseable", _first_line(error))]
        return [each for at in range(len(batch)) for each in _batch_fields(batch.slice(at, 1), damage)]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _mapped(fields: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Fields under our names; a field that is mapped from another column is not also taken from its own."""
    if not columns:
        return fields
    taken = set(columns.values())
    kept = {name: value for name, value in fields.items() if name not in taken and name not in columns}
    return kept | {name: fields[column] for name, column in columns.items() if column in fields}
