"""Made sentences: invented companies, invented figures, and a label that follows from the sentence itself.

The figures are drawn first and the words chosen to agree with them, so "rose to 13 from 8" and "was 8, compared
with 13" teach the direction and not the verb alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from consumers.classifier.training import made_words as words
from consumers.classifier.training.data import NEGATIVE, NEUTRAL, POSITIVE, Example

__all__ = ["company", "dress", "made_sentences", "money", "pair", "percent"]

_CHANGE_SHARE = 0.45
"""Of the made sentences, how many tell of a figure that changed; the others are statements."""


def made_sentences(count: int, seed: int) -> list[Example]:
    """`count` different sentences, the same for the same seed. About as many of each label as news has."""
    chance = random.Random(f"made-{seed}")
    seen: set[str] = set()
    made: list[Example] = []
    while len(made) < count:
        text, label = _change(chance) if chance.random() < _CHANGE_SHARE else _statement(chance)
        text = dress(chance, text)
        if text not in seen:
            seen.add(text)
            made.append(Example(text, label, "made"))
    return made


def company(chance: random.Random) -> str:
    """An invented name."""
    stem = chance.choice(words.STEMS)
    if chance.random() < 0.5:
        stem += chance.choice(words.TAILS)
    elif chance.random() < 0.2:
        stem += " " + chance.choice(words.STEMS)
    return stem + chance.choice(words.FORMS)


def money(chance: random.Random, size: float, currency: str, scale: str) -> str:
    """A sum as one of the many ways it is printed."""
    figure = f"{size:,.0f}" if size >= 100 and chance.random() < 0.5 else f"{size:,.{chance.choice((1, 1, 2))}f}"
    gap = " " if currency.isalpha() and chance.random() < 0.7 else ""
    return f"{currency}{gap}{figure}{scale}"


def percent(chance: random.Random, share: float | None = None) -> str:
    """`share` per cent, or a share drawn here."""
    share = chance.choice((chance.uniform(0.3, 9), chance.uniform(5, 70))) if share is None else share
    return f"{share:.{chance.choice((0, 1, 1, 2))}f}" + chance.choice(("%", "%", "%", " percent", " per cent", " pct"))


def pair(chance: random.Random) -> tuple[float, float, str, str]:
    """A smaller and a clearly larger size, a currency and a scale."""
    low = chance.choice((chance.uniform(0.2, 10), chance.uniform(5, 100), chance.uniform(100, 900)))
    high = low * chance.choice((chance.uniform(1.04, 1.3), chance.uniform(1.2, 2.2), chance.uniform(1.5, 6)))
    return low, high, chance.choice(words.CURRENCIES.split("|")), chance.choice(words.SCALES.split("|"))


def _change(chance: random.Random) -> tuple[str, int]:
    kinds: tuple[tuple[Callable[[random.Random], tuple[str, int]], float], ...] = (
        (_moved, 0.42),
        (_compared, 0.22),
        (_headline, 0.16),
        (_share_or_count, 0.14),
        (_flat, 0.06),
    )
    return chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0](chance)


def _measure(chance: random.Random) -> tuple[str, bool]:
    """A figure's name, and whether more of it is good."""
    if chance.random() < 0.72:
        return chance.choice(words.GOOD_MONEY), True
    return chance.choice(words.BAD_MONEY), False


def _direction(chance: random.Random, good: bool) -> tuple[bool, str, int]:
    """Whether it went up, the verb of it and the label."""
    up = chance.random() < 0.5
    if good:
        verb = chance.choice(words.UP if up else words.DOWN)
    else:
        verb = chance.choice(words.WIDENED if up else words.NARROWED)
    return up, verb, POSITIVE if up == good else NEGATIVE


def _moved(chance: random.Random) -> tuple[str, int]:
    """A verb of direction with both figures, one figure, or a percentage."""
    measure, good = _measure(chance)
    up, verb, label = _direction(chance, good)
    low, high, currency, scale = pair(chance)
    now, then = (high, low) if up else (low, high)
    now_text, then_text = (money(chance, size, currency, scale) for size in (now, then))
    share = percent(chance, abs(now - then) / then * 100)
    period, base, co = chance.choice(words.PERIODS), chance.choice(words.BASES), company(chance)
    reason = chance.choice(words.REASONS) if chance.random() < 0.2 else ""
    pattern = chance.choice(
        (
            "{measure} {verb} to {now} from {then}",
            "{measure} {verb} to {now} from {then} {base}",
            "{measure} {verb} to {now} {period} from {then} {base}",
            "{measure} {verb} from {then} to {now} {period}",
            "{measure} {verb} by {percent} to {now} {period}",
            "{measure} {verb} {percent} to {now} {base_than}",
            "{measure} {verb} {percent} {period} {reason}",
            "{co}'s {measure} {verb} to {now} {period}, compared with {then} {base}",
            "{co} said its {measure} {verb} to {now} from {then} {reason}",
            "{co} reported that {measure} {verb} by {percent} {reason}",
            "{period_cap}, {measure} {verb} to {now} from {then}",
            "{measure} {verb} {period}, to {now} from {then} {base}, {co} said",
            "The {measure} of {co} {verb} {percent} year-on-year",
            "{measure} {verb} sharply {period} {reason}",
            "{measure} {verb} slightly to {now} {reason}",
        )
    )
    text = pattern.format(
        measure=measure,
        verb=verb,
        now=now_text,
        then=then_text,
        base=base,
        base_than=f"from {then_text} {base}",
        period=period,
        period_cap=period[0].upper() + period[1:],
        percent=share,
        co=co,
        reason=reason,
    )
    return text, label


def _compared(chance: random.Random) -> tuple[str, int]:
    """No verb of direction: only the two figures say which way it went."""
    measure, good = _measure(chance)
    up, _, label = _direction(chance, good)
    low, high, currency, scale = pair(chance)
    if high / low < 1.15:
        high = low * chance.uniform(1.15, 1.6)
    now, then = (high, low) if up else (low, high)
    way = chance.choice(("up", "up", "higher than") if up else ("down", "down", "lower than"))
    pattern = chance.choice(
        (
            "{measure} was {now}, compared with {then} {base}",
            "{measure} was {now} {period}, compared to {then} {base}",
            "{measure} totalled {now}, {way_from} {then} {base}",
            "{measure} amounted to {now} {period}, {way_from} {then}",
            "{measure} came to {now}, {way_from} {then} {base}",
            "{co} posted {article} {measure} of {now} {period}, {way_from} {then} {base}",
            "{co} made {article} {measure} of {now}, against {then} {base}",
            "{co} {measure} at {now} vs {then} YoY",
            "{co} {measure} at {now} versus {then}",
            "{co} {measure} {now} vs. {then} {base}",
            "{measure} stood at {now} {period} as against {then} {base}",
            "{co} recorded {measure} of {now}, compared to {measure} of {then} {base}",
            "{measure} of {now} ({then} {base})",
        )
    )
    text = pattern.format(
        measure=measure,
        now=money(chance, now, currency, scale),
        then=money(chance, then, currency, scale),
        base=chance.choice(words.BASES),
        period=chance.choice(words.PERIODS),
        co=company(chance),
        article="an" if measure[0] in "aeiouE" else "a",
        way_from=way if way.endswith("than") else f"{way} from",
    )
    return text, label


def _headline(chance: random.Random) -> tuple[str, int]:
    """The clipped present tense of headlines and tickers."""
    measure, good = _measure(chance)
    up = chance.random() < 0.5
    low, high, currency, scale = pair(chance)
    verb = chance.choice(words.UP_NOW if up else words.DOWN_NOW)
    if not good:
        verb = chance.choice(("widens", "rises", "up", "jumps") if up else ("narrows", "shrinks", "falls", "down"))
    pattern = chance.choice(
        (
            "{co} {quarter} {measure} {verb} {percent}",
            "{co} {quarter} {measure} {verb} {percent} to {now}",
            "{co} {quarter} {measure} {verb} to {now}",
            "{co} {quarter} {measure} {verb} at {now}",
            "{co} {measure} {verb} {percent} on year",
            "{co} {measure} {verb} {percent} in {quarter}",
            "{co}: {quarter} {measure} {verb}",
            "{co} {measure} {verb} two-fold in {quarter}" if up else "{co} {measure} {verb} by half in {quarter}",
        )
    )
    text = pattern.format(
        co=company(chance),
        quarter=chance.choice(
            ("Q1", "Q2", "Q3", "Q4", "quarterly", "full-year", "March quarter", "first-half", "FY19")
        ),
        measure=measure,
        verb=verb,
        percent=percent(chance),
        now=money(chance, high if up else low, currency, scale),
    )
    return text, POSITIVE if up == good else NEGATIVE


def _share_or_count(chance: random.Random) -> tuple[str, int]:
    """Margins, market shares, volumes and figures per share."""
    kind = chance.choice(("share", "count", "each", "bad"))
    good = kind != "bad"
    measure = chance.choice(
        {"share": words.GOOD_SHARE, "count": words.GOOD_COUNT, "each": words.GOOD_EACH, "bad": words.BAD_COUNT}[kind]
    )
    up = chance.random() < 0.5
    low = chance.uniform(0.1, 6) if kind == "each" else chance.uniform(2, 60)
    high = low * chance.uniform(1.08, 1.7)
    now, then = (high, low) if up else (low, high)
    unit = {"share": "%", "each": ""}.get(kind, chance.choice((" million", "%", ",000 units", " million tonnes")))
    currency = chance.choice(("$", "EUR ", "€", "Rs ", "SEK ")) if kind == "each" else ""
    verb = chance.choice(words.UP if up else words.DOWN)
    pattern = chance.choice(
        (
            "{measure} {verb} to {now} from {then}",
            "{measure} {verb} to {now} {period} from {then} {base}",
            "{co} said {measure} {verb} {percent} {period}",
            "{co} {measure} {way} {percent} {period}",
            "{measure} was {now}, {way} from {then} {base}",
            "{measure} was {now} compared with {then} {base}",
            "{measure} {verb} {percent} {period}",
        )
    )
    digits = 2 if kind == "each" else 0 if "units" in unit else 1
    text = pattern.format(
        measure=measure,
        verb=verb,
        now=f"{currency}{now:.{digits}f}{unit}",
        then=f"{currency}{then:.{digits}f}{unit}",
        period=chance.choice(words.PERIODS),
        base=chance.choice(words.BASES),
        percent=percent(chance),
        co=company(chance),
        way="up" if up else "down",
    )
    return text, POSITIVE if up == good else NEGATIVE


def _flat(chance: random.Random) -> tuple[str, int]:
    """Figures that did not move, or of which only one is told."""
    measure, _ = _measure(chance)
    low, _, currency, scale = pair(chance)
    now = money(chance, low, currency, scale)
    pattern = chance.choice(
        (
            "{measure} was unchanged at {now} {period}",
            "{measure} was {now}, the same as {base}",
            "{measure} remained flat at {now} {period}",
            "{measure} of {co} was {now} {period}",
            "{co} {measure} at {now} {period}",
            "{measure} totalled {now} {period}",
            "{measure} was {now} {period}",
            "The company reports {measure} of {now} {period}",
            "{measure} stayed at the level of {base}, {now}",
        )
    )
    text = pattern.format(
        measure=measure,
        now=now,
        period=chance.choice(words.PERIODS),
        base=chance.choice(words.BASES),
        co=company(chance),
    )
    return text, NEUTRAL


def _statement(chance: random.Random) -> tuple[str, int]:
    label, patterns = chance.choices(
        ((POSITIVE, words.POSITIVE), (NEGATIVE, words.NEGATIVE), (NEUTRAL, words.NEUTRAL)), (0.30, 0.22, 0.48)
    )[0]
    low, high, currency, scale = pair(chance)
    metric = chance.choice(words.GOOD_MONEY)
    price = chance.uniform(3, 900)
    sign = chance.choice(("$", "€", "Rs ", "£"))
    middle = (low * high) ** 0.5
    text = chance.choice(patterns).format(
        co=company(chance),
        co2=company(chance),
        ticker="$" + "".join(chance.choices("ABCDEFGHIKLMNOPRSTUVWXYZ", k=chance.choice((3, 4)))),
        metric=metric,
        metric_cap=metric[0].upper() + metric[1:],
        product=chance.choice(words.PRODUCTS),
        customer=chance.choice(words.CUSTOMERS),
        place=chance.choice(words.PLACES),
        person=chance.choice(words.PEOPLE),
        period=chance.choice(words.PERIODS),
        period_word=chance.choice(("quarterly", "first-half", "third-quarter", "Q2", "interim")),
        base=chance.choice(words.BASES),
        date=f"{chance.randint(1, 28)} {chance.choice(words.MONTHS)}",
        pct=percent(chance),
        count=f"{chance.randint(2, 90) * chance.choice((10, 50, 100)):,}",
        count_small=str(chance.randint(2, 40)),
        amount=money(chance, middle, currency, scale),
        other=money(chance, chance.choice((low, high)), currency, scale),
        less=money(chance, low, currency, scale),
        more=money(chance, high, currency, scale),
        same=money(chance, middle, currency, scale),
        price=f"{sign}{price:.0f}",
        lower_price=f"{sign}{price * chance.uniform(0.5, 0.95):.0f}",
    )
    return text, label


def dress(chance: random.Random, text: str) -> str:
    """Where it was said, who said it, and how it was punctuated: none of it changes the label."""
    text = " ".join(text.split()).replace(" ,", ",")
    text = text[0].upper() + text[1:]
    luck = chance.random()
    place, date = chance.choice(words.PLACES), chance.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"))
    if luck < 0.06:
        text = f"{place} ({date}) - {text}"
    elif luck < 0.1:
        text = f"{company(chance)}: {text}"
    elif luck < 0.13:
        text = f"According to {company(chance)}, {text[0].lower()}{text[1:]}"
    elif luck < 0.18 and not text.endswith(("?", "!", ".")):
        text += chance.choice(
            (f", the company said on {date}", ", according to its interim report", f", it said in {place}")
        )
    if chance.random() < 0.35 and not text.endswith(("?", "!", ".")):
        text += "."
    if chance.random() < 0.05:
        text = text.lower()
    return text
