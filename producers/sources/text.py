"""Text out of what sources call text: HTML, entities, odd spaces."""

import re
from html.parser import HTMLParser
from typing import Final

_SPACE: Final = re.compile(r"\s+")
_SILENT: Final = frozenset({"script", "style", "template", "noscript"})
_INLINE: Final = frozenset({"a", "b", "i", "em", "strong", "span", "u", "sup", "sub", "small", "mark", "font", "abbr"})
#: Longer text is cut before it is parsed; a snippet needs 200 characters.
MAX_CHARACTERS: Final = 20_000


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag not in _INLINE:
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag not in _INLINE:
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)


def plain_text(html: str) -> str:
    """The text a reader would see, on one line; scripts and styles are left out."""
    parser = _TextOnly()
    parser.feed(html[:MAX_CHARACTERS])
    parser.close()
    return _SPACE.sub(" ", "".join(parser.pieces)).strip()
