"""More text for the student to hear the teacher's opinion of: headlines changed a little. They carry no label.

The teacher judges what came out, so a change need not keep the meaning; it must only stay near real headlines.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from consumers.classifier.training.made import company

__all__ = ["variants"]

_PAIRS = (
    "rise fall|rises falls|rose fell|up down|gains losses|gain loss|higher lower|beats misses|beat miss|jumps drops|"
    "raises cuts|raised cut|profit loss|strong weak|growth decline|surges slumps|surge slump|climbs slips|"
    "bullish bearish|"
    "buy sell|upgraded downgraded|upgrades downgrades|wins loses|positive negative|soars plunges|above below|"
    "better worse|"
    "increases decreases|increased decreased|narrows widens|narrowed widened|best worst|outperform underperform|"
    "improves worsens|rally selloff|recovers tumbles|optimistic pessimistic|boost hurt|more less|highs lows|high low"
)
_OPPOSITE = {word: other for pair in _PAIRS.split("|") for word, other in (pair.split(), reversed(pair.split()))}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z]+")
_NAME = re.compile(r"\b[A-Z][A-Za-z&.'-]+(?: (?:of |and |& )?[A-Z][A-Za-z&.'-]+)*")
_DROPPED_SHARE = 0.12
_SECOND_MAX = 120
"""Characters of the second headline of a joined pair, so that a variant costs no more than an article."""
_FRAMES = (
    "{text}: report",
    "Why {text}",
    "{text}?",
    "{text}, analysts say",
    "{text} despite weak market",
    "{text} even as costs rise",
    "No sign that {text}",
    "{text}, but less than feared",
    "{text}, but less than hoped",
    "It is not true that {text}",
    "{text}. The company is based in Toronto",
    "{text} after rival warns on profit",
    "{text}, the company said in a statement",
    "According to a report on Monday, {text}",
    "In its annual report the company says: {text}",
    "{text}, up from a year ago",
    "{text}, compared with a loss last year",
    "{text}. The shares closed little changed",
    "{text}. Deliveries will start next year",
    "It is no longer the case that {text}",
    "Analysts had feared worse: {text}",
)


def variants(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` changed texts, the same for the same texts and seed."""
    chance = random.Random(f"variants-{seed}")
    ways: tuple[Callable[[random.Random, str, Sequence[str]], str], ...] = (
        _turned,
        _other_figures,
        _other_name,
        _thinned,
        _joined,
        _framed,
    )
    made: list[str] = []
    seen = set(texts)
    while len(made) < count:
        text = chance.choice(ways)(chance, chance.choice(texts), texts)
        if text not in seen:
            seen.add(text)
            made.append(text)
    return made


def _turned(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    """Words of direction become their opposites; without one, two words change places."""

    def opposite(found: re.Match[str]) -> str:
        word = found.group()
        other = _OPPOSITE.get(word.lower())
        return word if other is None else other.capitalize() if word[0].isupper() else other

    turned = _WORD.sub(opposite, text)
    if turned != text:
        return turned
    words = text.split()
    if len(words) > 3:
        left, right = chance.sample(range(len(words)), 2)
        words[left], words[right] = words[right], words[left]
    return " ".join(words)


def _other_figures(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    def figure(found: re.Match[str]) -> str:
        return "".join(chance.choice("123456789") if sign.isdigit() else sign for sign in found.group())

    changed = _NUMBER.sub(figure, text)
    return changed if changed != text else _thinned(chance, text, texts)


def _other_name(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    """One run of capitalised words becomes an invented company: who it is should not decide how it sounds."""
    names = list(_NAME.finditer(text))
    if not names:
        return _thinned(chance, text, texts)
    name = chance.choice(names)
    return text[: name.start()] + company(chance) + text[name.end() :]


def _thinned(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    kept = [word for word in text.split() if chance.random() > _DROPPED_SHARE]
    return " ".join(kept) or text


def _joined(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    """A title and another's as its first sentence: the shape of title and snippet."""
    return f"{text}. {chance.choice(texts)[:_SECOND_MAX]}"


def _framed(chance: random.Random, text: str, texts: Sequence[str]) -> str:
    return chance.choice(_FRAMES).format(text=text.rstrip(".?!"))
