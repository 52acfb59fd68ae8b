"""Text as the model, the story key and the subject search see it: all three read what `clean` leaves.

`words` cuts as the model's tokeniser does; a test compares it with the one that is shipped.
"""

from __future__ import annotations

import html
import re
import unicodedata

__all__ = ["clean", "model_text", "words"]

TEXT_CHARACTERS_MAX = 1_000
"""A title and a snippet of 200 characters fit well; what is beyond is not read."""

_LINK = re.compile(r"(?:https?://|www\.)\S+|\bpic\.twitter\.com/\S+")
_TAG = re.compile(r"<[a-zA-Z/!][^<>]{0,200}>")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd\ufe0f]"
)
_SPACE = re.compile(r"\s+")
_ENDS_A_SENTENCE = (".", "!", "?", "…", ":", ";")


def clean(text: str) -> str:
    """Plain text on one line: entities decoded, markup, links and control characters gone, spaces single."""
    text = html.unescape(text[: TEXT_CHARACTERS_MAX * 4])
    text = _LINK.sub(" ", _TAG.sub(" ", text))
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def model_text(title: str, snippet: str | None) -> str:
    """What the model reads of an article: title, full stop, snippet, at most 1,000 characters.

    Names stay as written: the model reads who it is about. A snippet that only repeats the title is left out,
    so that a source that copies its title does not weigh it twice.
    """
    title = clean(title)
    snippet = clean(snippet or "")
    if not title or not snippet:
        return (title or snippet)[:TEXT_CHARACTERS_MAX]
    title_words, snippet_words = words(title), words(snippet)
    if snippet_words[: len(title_words)] == title_words:
        return snippet[:TEXT_CHARACTERS_MAX]
    if title_words[: len(snippet_words)] == snippet_words:
        return title[:TEXT_CHARACTERS_MAX]
    separator = " " if title.endswith(_ENDS_A_SENTENCE) else ". "
    return (title + separator + snippet)[:TEXT_CHARACTERS_MAX]


def words(text: str) -> list[str]:
    """Lower-case words without accents; every punctuation mark is a word, as the tokeniser cuts them."""
    text = unicodedata.normalize("NFD", clean(text).lower())
    pieces: list[str] = []
    word: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Mn":
            continue
        if category[0] == "P" or character in "$+<=>^`|~" or _is_ideograph(character):
            if word:
                pieces.append("".join(word))
                word.clear()
            pieces.append(character)
        elif character.isspace():
            if word:
                pieces.append("".join(word))
                word.clear()
        else:
            word.append(character)
    if word:
        pieces.append("".join(word))
    return pieces


def _is_ideograph(character: str) -> bool:
    point = ord(character)
    return 0x4E00 <= point <= 0x9FFF or 0x3400 <= point <= 0x4DBF or 0xF900 <= point <= 0xFAFF or point >= 0x20000
