"""Text out of what sources call text: HTML, entities, odd spaces, control characters.

The standard library's HTML parser takes quadratic time for damaged markup, seconds for 20,000 characters, in which
nothing else runs. This reads every character a bounded number of times.
"""

import html
import re
from typing import Final

#: Longer text is cut before it is read; a snippet needs 200 characters.
MAX_CHARACTERS: Final = 20_000
_INLINE: Final = frozenset({"a", "b", "i", "em", "strong", "span", "u", "sup", "sub", "small", "mark", "font", "abbr"})
#: In turn: what is silent with all it holds, comments and declarations, whole tags, and tags that never end.
_MARKUP: Final = re.compile(
    r"""<(?P<silent>script|style|template|noscript)(?![\w:\-])[^>]*>?.*?(?:</(?P=silent)|\Z)[^>]*>?
    |<!--.*?(?:-->|\Z)
    |<[!?][^>]*>?
    |</?(?P<name>[a-z][\w:\-]*)(?:[^<>"']|"[^"]{0,2000}"|'[^']{0,2000}')*+>
    |</?(?P<broken>[a-z][\w:\-]*)(?:[^<>]*>|[^<>=]*=[^<>]*)
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
#: Python refuses to read numbers of over 4,300 digits; no character has nearly as many.
_ENDLESS_REFERENCE: Final = re.compile(r"&#[0-9]{1000,};?")
_SPACE: Final = re.compile(r"\s+")


def plain_text(text: str) -> str:
    """The text a reader would see, on one line; scripts and styles are left out."""
    shown = text[:MAX_CHARACTERS]
    if "<" in shown or "&" in shown:
        shown = html.unescape(_ENDLESS_REFERENCE.sub("\ufffd", _MARKUP.sub(_gap, shown)))
    return _SPACE.sub(" ", _CONTROL.sub("", shown[:MAX_CHARACTERS])).strip()


def _gap(markup: re.Match[str]) -> str:
    """A space for what breaks a line, else nothing."""
    name = (markup["name"] or markup["broken"] or "").lower()
    return " " if name and name not in _INLINE else ""
