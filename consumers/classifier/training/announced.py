"""Made sentences about plain announcements: patterns with choices, and figures that only a comparison explains.

These are for the student alone, on top of made.py: contracts, expansions, approvals, layoffs, lawsuits, dividends,
guidance and appointments, what did *not* happen, what was less bad, and announcements that are no news at all.
"""

# ruff: noqa: E501, SIM905 (patterns and lists of words are one line each: easier to read and to extend)

from __future__ import annotations

import random
import re

from consumers.classifier.training import announced_words, made_words
from consumers.classifier.training.data import NEGATIVE, NEUTRAL, POSITIVE, Example
from consumers.classifier.training.made import company, dress, money, pair, percent

__all__ = ["announced_sentences", "expand"]

_FIGURES_SHARE, _TWO_SHARE = 0.28, 0.08
"""How many sentences compare figures without saying which way they went, and how many are two statements in one."""
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_PATTERNS = (
    (POSITIVE, announced_words.POSITIVE),
    (NEGATIVE, announced_words.NEGATIVE),
    (NEUTRAL, announced_words.NEUTRAL),
)
_SHARES = (0.36, 0.28, 0.36)
_TITLES = (
    "chief executive|chief financial officer|CEO|CFO|chairman|head of sales|president|general counsel|managing director|"
    "member of the board|chief operating officer|country manager|head of investor relations|vice president"
).split("|")
_QUARTERS = "Q1|Q2|Q3|Q4|first-quarter|second-quarter|third-quarter|fourth-quarter|full-year|first-half".split("|")
_SIZES = "large|major|significant|new|further|record|two-year|sizeable|strategic|".split("|")
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday".split("|")
_VERSUS = (
    "compared with|compared to|against|versus|vs|vs.|as against|from|as compared to|in contrast to|while it was"
).split("|")


def announced_sentences(count: int, seed: int) -> list[Example]:
    """`count` different sentences, the same for the same seed."""
    chance = random.Random(f"announced-{seed}")
    seen: set[str] = set()
    made: list[Example] = []
    while len(made) < count:
        luck = chance.random()
        if luck < _FIGURES_SHARE:
            text, label = _figures(chance)
        elif luck < _FIGURES_SHARE + _TWO_SHARE:
            text, label = _two(chance)
        else:
            text, label = _statement(chance)
        text = dress(chance, text)
        if text not in seen:
            seen.add(text)
            made.append(Example(text, label, "made"))
    return made


def expand(chance: random.Random, pattern: str) -> str:
    """One of the sentences that a pattern with `[one|other]` choices stands for; slots in braces stay."""
    while (found := _CHOICE.search(pattern)) is not None:
        pattern = pattern[: found.start()] + chance.choice(found.group(1).split("|")) + pattern[found.end() :]
    return pattern


def _statement(chance: random.Random) -> tuple[str, int]:
    label, patterns = chance.choices(_PATTERNS, _SHARES)[0]
    return expand(chance, chance.choice(patterns)).format(**_slots(chance)), label


def _two(chance: random.Random) -> tuple[str, int]:
    """A title and a first sentence: news and a fact that is none, in either order, or two of one kind."""
    label, patterns = chance.choices(_PATTERNS, _SHARES)[0]
    other = announced_words.NEUTRAL if chance.random() < 0.7 else patterns
    slots = _slots(chance)
    texts = [expand(chance, chance.choice(kind)).format(**slots) for kind in (patterns, other)]
    if chance.random() < 0.3:
        texts.reverse()
    first, second = (text[0].upper() + text[1:] for text in texts)
    return first + ("" if first.endswith(("?", "!", ".")) else ".") + " " + second, label


def _figures(chance: random.Random) -> tuple[str, int]:
    """Two figures and no verb of direction, a loss beside a profit, or figures that are no comparison."""
    kind = chance.choices((_measured, _each, _loss_and_profit, _units), (0.45, 0.2, 0.2, 0.15))[0]
    return kind(chance)


def _measured(chance: random.Random) -> tuple[str, int]:
    """Sums of money now and then, in any order of telling."""
    good = chance.random() < 0.7
    measure = chance.choice(made_words.GOOD_MONEY if good else made_words.BAD_MONEY)
    low, high, currency, scale = pair(chance)
    high = max(high, low * chance.uniform(1.1, 1.4))
    up = chance.random() < 0.5
    now, then = (money(chance, size, currency, scale) for size in ((high, low) if up else (low, high)))
    pattern = expand(
        chance,
        chance.choice(
            (
                "[{co}'s |The company's |]{measure} [was|were|came in at|totalled|amounted to|reached|stood at] {now}[ {period}|], {versus} {then} {base}",
                "{co} [made|had|recorded|reported|posted|booked|generated] {measure} of {now}[ {period}|][,|] {versus} {then} {base}",
                "{base_cap}, {measure} [was|stood at|came to] {then}; [now|this year|{period}] it [was|is] {now}",
                "{measure} {now} ({then})",
                "{measure} [of|at] {now} ([{base}|year before|2019|Q4]: {then})",
                "{co} {quarter} {measure} {now} vs {then}[ YoY| yr ago| year ago|]",
                "{measure} [went|moved|changed] [from {then} to {now}|to {now} from {then}][ {period}|]",
                "[For the period|{period_cap}], {co} {measure} [was|totalled] {now} [compared to|against] {then} {base}",
            )
        ),
    )
    period = chance.choice(made_words.PERIODS)
    base = chance.choice(made_words.BASES)
    text = pattern.format(
        co=company(chance),
        measure=measure,
        now=now,
        then=then,
        versus=chance.choice(_VERSUS),
        period=period,
        period_cap=period[0].upper() + period[1:],
        base=base,
        base_cap=base[0].upper() + base[1:],
        quarter=chance.choice(_QUARTERS),
    )
    return text, POSITIVE if up == good else NEGATIVE


def _each(chance: random.Random) -> tuple[str, int]:
    """Figures per share and in per cent."""
    share = chance.random() < 0.4
    measure = chance.choice(made_words.GOOD_SHARE if share else made_words.GOOD_EACH)
    low = chance.uniform(2, 60) if share else chance.uniform(0.05, 4)
    high = low * chance.uniform(1.1, 2.2)
    up = chance.random() < 0.5
    sign = "" if share else chance.choice(("$", "EUR ", "€", "Rs ", "", "£"))
    end = "%" if share else ""
    now, then = (f"{sign}{size:.{1 if share else 2}f}{end}" for size in ((high, low) if up else (low, high)))
    pattern = chance.choice(
        (
            "{co} {measure} {now} vs {then}",
            "{measure} {verb} {now}, {versus} {then} {base}",
            "{measure} {verb} {now} {period} {versus} {then}",
            "{measure} {verb} {now} ({then})",
            "{co}: {measure} {now} versus {then} {base}",
            "{quarter} {measure} of {now} {versus} {then} {base}",
        )
    )
    text = pattern.format(
        co=company(chance),
        measure=measure,
        now=now,
        then=then,
        verb=chance.choice(("was", "came to", "amounted to", "was reported at")),
        versus=chance.choice(_VERSUS),
        base=chance.choice(made_words.BASES),
        period=chance.choice(made_words.PERIODS),
        quarter=chance.choice(_QUARTERS),
    )
    return text, POSITIVE if up else NEGATIVE


def _loss_and_profit(chance: random.Random) -> tuple[str, int]:
    """A profit where there was a loss, a loss where there was a profit, and losses that differ in size."""
    low, high, currency, scale = pair(chance)
    one, two = money(chance, low, currency, scale), money(chance, high, currency, scale)
    if chance.random() < 0.5:
        one, two = two, one
    profit = chance.choice(("profit", "net profit", "operating profit", "pretax profit", "net income"))
    pattern, label = chance.choice(
        (
            ("{co} [posts|made|reported|recorded] a {profit} of {one} {versus} a loss of {two} {base}", POSITIVE),
            ("{profit} [was|of|came to] {one}, {versus} a loss of {two} {base}", POSITIVE),
            ("{co} {quarter} {profit} {one} vs loss {two}", POSITIVE),
            ("{co} [posts|made|reported|recorded] a loss of {one} {versus} a {profit} of {two} {base}", NEGATIVE),
            ("The loss [was|of|came to] {one}, {versus} a {profit} of {two} {base}", NEGATIVE),
            ("{co} {quarter} loss {one} vs {profit} {two}", NEGATIVE),
            ("{co} [loss|net loss|operating loss] [was|of|came to] {small}, {versus} {large} {base}", POSITIVE),
            ("{co} [loss|net loss|operating loss] [was|of|came to] {large}, {versus} {small} {base}", NEGATIVE),
        )
    )
    text = expand(chance, pattern).format(
        co=company(chance),
        profit=profit,
        one=one,
        two=two,
        small=money(chance, low, currency, scale),
        large=money(chance, high * 1.1, currency, scale),
        versus=chance.choice(_VERSUS[:8]),
        base=chance.choice(made_words.BASES),
        quarter=chance.choice(_QUARTERS),
    )
    return text[0].upper() + text[1:], label


def _units(chance: random.Random) -> tuple[str, int]:
    """Things counted now and then; or two figures side by side that say nothing about better or worse."""
    low = chance.uniform(2, 900)
    high = low * chance.uniform(1.08, 1.9)
    if chance.random() < 0.4:
        pattern = chance.choice(
            (
                "{co} has {count} employees in {place} and {high} in {place2}",
                "The plant makes {low} tonnes of {product} and {high} tonnes of parts a year",
                "{co} offers between {low} and {high} for each share",
                "The area is {low} square metres, of which {pct} is office space",
                "{co} holding in {co2} went to {high} shares from {low} shares",
                "The units hold {low} and {high} shares respectively",
                "{co} expects {metric} of {low} to {high} million",
            )
        )
        label = NEUTRAL
    else:
        up = chance.random() < 0.5
        low, high = (high, low) if up else (low, high)
        pattern = "{co} [sold|delivered|carried|produced|shipped] {low} {units} {period}, {versus} {high} {base}"
        label = POSITIVE if up else NEGATIVE
    text = expand(chance, pattern).format(
        **_slots(chance), low=f"{low:,.0f}", high=f"{high:,.0f}", place2=chance.choice(made_words.PLACES),
        units=chance.choice(("million passengers", "thousand cars", "thousand tonnes", "units", "million litres")),
        versus=chance.choice(_VERSUS[:7]),
    )  # fmt: skip
    return text, label


def _slots(chance: random.Random) -> dict[str, str]:
    """Every slot of the patterns, filled anew."""
    low, high, currency, scale = pair(chance)
    eps, share = chance.uniform(0.05, 5), chance.uniform(1, 40)
    sign = chance.choice(("$", "€", "Rs ", "£"))
    metric = chance.choice(made_words.GOOD_MONEY)
    return {
        "co": company(chance),
        "co2": company(chance),
        "ticker": "$" + "".join(chance.choices("ABCDEFGHIKLMNOPRSTUVWXYZ", k=chance.choice((3, 4)))),
        "metric": metric,
        "metric_cap": metric[0].upper() + metric[1:],
        "product": chance.choice(made_words.PRODUCTS),
        "customer": chance.choice((chance.choice(made_words.CUSTOMERS), company(chance))),
        "place": chance.choice(made_words.PLACES),
        "person": chance.choice(made_words.PEOPLE),
        "title": chance.choice(_TITLES),
        "period": chance.choice(made_words.PERIODS),
        "period_word": chance.choice(("quarterly", "first-half", "third-quarter", "Q2", "annual", "2022")),
        "quarter": chance.choice(_QUARTERS),
        "base": chance.choice(made_words.BASES),
        "date": f"{chance.randint(1, 28)} {chance.choice(made_words.MONTHS)}",
        "day": chance.choice(_DAYS),
        "month": chance.choice(made_words.MONTHS),
        "years": chance.choice(("two", "three", "five", "10")),
        "size": chance.choice(_SIZES),
        "pct": percent(chance),
        "pct_low": f"{share:.1f}%",
        "pct_high": f"{share * chance.uniform(1.05, 2):.1f}%",
        "count": f"{chance.randint(2, 90) * chance.choice((10, 50, 100)):,}",
        "count_small": str(chance.randint(2, 40)),
        "amount": money(chance, (low * high) ** 0.5, currency, scale),
        "other": money(chance, chance.choice((low, high)), currency, scale),
        "less": money(chance, low, currency, scale),
        "more": money(chance, high, currency, scale),
        "eps_less": f"{sign}{eps:.2f}",
        "eps_more": f"{sign}{eps * chance.uniform(1.06, 1.8):.2f}",
        "eps_same": f"{sign}{eps:.2f}",
        "price": f"{sign}{chance.uniform(3, 900):.0f}",
    }
