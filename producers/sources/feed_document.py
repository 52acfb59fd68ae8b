"""A feed's bytes as a document that is safe to parse: UTF-8, without a document type, and within limits.

Without a document type there are no entities but XML's own: nothing multiplies, no file or address is read. The limits
are those at which parsing stays a matter of seconds; feeds of news are far below them.
"""

import codecs
import re
from typing import Final
from xml.parsers.expat import ExpatError, ParserCreate

MAX_FEED_BYTES: Final = 4 << 20
#: What is not well-formed is read by the parser that repairs, which is slower.
MAX_REPAIRED_BYTES: Final = 1 << 20
MAX_ELEMENTS: Final = 50_000
MAX_DEPTH: Final = 100
MAX_ATTRIBUTES: Final = 200
_PROLOGUE_BYTES: Final = 512
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:\-]{1,40})", re.IGNORECASE)
_DECLARED: Final = re.compile(r"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:\-]{1,40})")
#: Encodings of text. Python knows others under such names, some of which take quadratic time.
_TEXTUAL: Final = re.compile(r"utf-(8|16|32)|ascii|iso8859|cp\d|gb|big5|shift_jis|euc_|koi8|iso2022|mac|tis-620|johab")
#: What is told and what is meant: the larger one, which reads the smaller as well.
_SUPERSETS: Final = {
    "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LAST_RESORT: Final = "windows-1252"


class OverLimit(Exception):
    """The document is none that a feed would be."""


def feed_document(body: bytes, content_type: str) -> bytes:
    """The document in UTF-8, from its root element on. Raises `OverLimit`, saying what is too much."""
    if len(body) > MAX_FEED_BYTES:
        raise OverLimit(f"a feed over {MAX_FEED_BYTES >> 20} MB")
    text = _text(body, content_type)
    document = b'<?xml version="1.0" encoding="utf-8"?>\n' + text[_root_at(text) :].encode("utf-8", "replace")
    if not _is_well_formed(document):
        if len(document) > MAX_REPAIRED_BYTES:
            raise OverLimit(f"XML that is damaged, and over {MAX_REPAIRED_BYTES >> 20} MB")
        if document.count(b"<") > MAX_ELEMENTS:
            raise OverLimit(f"XML that is damaged, with more than {MAX_ELEMENTS:,} tags")
    return document


def _text(body: bytes, content_type: str) -> str:
    """The text by its mark, as UTF-8, by the header, its declaration, or what it looks like."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body.decode(encoding, "replace").lstrip("\ufeff")
    if not body.isascii():
        try:
            # Whatever the header says (a server's default, mostly): no other text of any length reads as UTF-8.
            return body.decode("utf-8")
        except UnicodeDecodeError:
            pass
    declared = _DECLARED.search(body[:_PROLOGUE_BYTES].decode("latin-1"))
    told = _CHARSET.search(content_type)
    for found in (told, declared):
        known = _known_encoding(found[1]) if found else None
        if known:
            try:
                return body.decode(known)
            except UnicodeDecodeError:
                continue
    text = body.decode("utf-8", "replace")
    return text if _is_mostly_read(text) else body.decode(_LAST_RESORT, "replace")


def _is_mostly_read(text: str) -> bool:
    """Whether a few bytes are damaged, not the encoding another one: then hardly any but ASCII would be read."""
    unread = text.count("\ufffd")
    return 2 * unread < len(text) - len(text.encode("ascii", "ignore")) or not unread


def _known_encoding(name: str) -> str | None:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return None
    return _SUPERSETS.get(known, known) if _TEXTUAL.match(known) else None


def _root_at(text: str) -> int:
    """Where the root element begins: after declarations, comments, the document type and whatever else."""
    at = text.find("<")
    while at >= 0:
        if text.startswith("<!--", at):
            end = text.find("-->", at + 4)
        elif text.startswith("<?", at):
            end = text.find("?>", at + 2)
        elif text.startswith("<!", at):
            end = _document_type_end(text, at)
        else:
            return at
        at = text.find("<", end) if end >= 0 else -1
    return len(text)


def _document_type_end(text: str, at: int) -> int:
    """The `>` that ends a declaration, after its own list of declarations when it has one."""
    end = text.find(">", at)
    subset = text.find("[", at, end) if end >= 0 else -1
    if subset >= 0:
        closed = text.find("]", subset)
        end = text.find(">", closed) if closed >= 0 else -1
    return end


def _is_well_formed(document: bytes) -> bool:
    """Whether it is XML without undeclared entities. Raises `OverLimit` for what is too much up to its first fault."""
    elements = depth = 0

    def begins(_: str, attributes: list[str]) -> None:
        nonlocal elements, depth
        elements, depth = elements + 1, depth + 1
        if elements > MAX_ELEMENTS:
            raise OverLimit(f"more than {MAX_ELEMENTS:,} elements")
        if depth > MAX_DEPTH:
            raise OverLimit(f"elements over {MAX_DEPTH} deep")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise OverLimit(f"more than {MAX_ATTRIBUTES} attributes of one element")

    def ends(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler, parser.EndElementHandler = begins, ends
    try:
        parser.Parse(document, True)
    except ExpatError:
        return False
    return True
