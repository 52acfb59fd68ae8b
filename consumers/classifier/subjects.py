"""Which subjects an article is about: its own tickers, companies recognised in its text, and watch tags.

Precision first: a wrong candle misleads, a missed mention only thins one. Three ways to be recognised:

1. explicitly, `(NASDAQ: AAPL)` or `Evolution Petroleum Corporation (EPM)`: always, even for tickers that are words
   (`(NYSE: IT)`); `$ALL`, `NYSE: ALL` without brackets, and initials in brackets (`Oil and Natural Gas Corporation
   (ONGC)`): when the table knows them or somebody watches them;
2. by a name that means one thing (`Microsoft`, `Goldman Sachs`): always, when capitalised as written in the table;
3. by a name that also means something else (`Apple`, `Oracle`, `Meta`): only in company context, that is a possessive,
   a company suffix or verb right after it or its own ticker in brackets, or a business word, another company or one of
   the company's own words anywhere in the text; and never beside a word that gives it its other meaning (`Apple` with
   `orchard`). For names that are everyday words in any headline (`Target`, `Snap`, `Square`; `?` in the table) a
   business word or another company elsewhere is not enough.

A bare ticker is never enough: `META`, `ALL` and `IT` are words. A bank that only rates somebody else (`UBS upgrades
Hasbro`, `target raised at Barclays`) is not what the article is about. The table is symbols.csv.
"""

import csv
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from contracts.errors import Unusable
from contracts.identity import normalised_headline, series_of
from contracts.subjects import TAG_PREFIX, is_ticker

#: Sources whose tickers are guesses of their own: kept only when the symbol table knows them.
NOISY_SOURCES: Final = frozenset({"tiingo"})
#: Tags of watch lists one article counts for: anybody may watch words that are in every text.
MAX_WATCHED_TAGS: Final = 20

_WORD: Final = re.compile(r"[^\W_]+(?:[.&'][^\W_]+)*|&")
#: Not what amounts are in: `Revenue ($M)`.
_CASHTAG: Final = re.compile(r"(?<![\w$])(?!(?<=\()\$[KMB]\))\$([A-Z][A-Z0-9]{0,5}(?:[.\-][A-Z])?)(?![\w])")
#: Not where a source cut its text: `(NASDAQ: AA…` is no ticker.
_LISTED: Final = re.compile(
    r"\b(?i:NASDAQ|NYSE|AMEX|OTC)(?i:\s?(?:American|Arca|MKT|GS|GM|CM))?\s?:\s?"
    r"\$?([A-Z][A-Z0-9]{0,5}(?:[.\-][A-Z])?)(?!\w|[.\-][A-Z]\b|…|\.\.)"
)

#: A legal form and a symbol in brackets: a company's full name is told with its ticker (Reuters adds the exchange: .O).
_TOLD: Final = re.compile(
    r"\b(Inc|Corp|Corporation|Incorporated|plc|PLC|Ltd|Limited|N\.V|S\.A)\.?,? "
    r"\(([A-Z]{2,5}(?:[.\-][AB])?)(?:\.[ONK]|\.OQ)?\)"
)


#: Letters of a company's full name that its initials in brackets may leave out at the end: `… Co. of India Ltd (NSE)`.
MAX_LEFT_OUT: Final = 3
_DOTTED: Final = re.compile(r"\b(?:[^\W\d_]\.){2,}")


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Whose initials in brackets are most often those of a public body (`British Broadcasting Corporation (BBC)`).
_BODIES: Final = _word_set("Corp Corporation Ltd Limited")
_NO_TICKERS: Final = _word_set("US USA UK EU CEO CFO CTO COO IPO ETF SEC FDA UAE PR HK NZ CA AU IN DE FR JP")
_SUFFIXES: Final = _word_set(
    """
    inc corp co ltd plc llc holdings group incorporated corporation shares share stock stocks
    ceo cfo investors earnings
    """
)
_COMPANY_VERBS: Final = _word_set(
    """
    says said unveils unveiled announces announced launches launched reports reported sues sued beats misses buys
    bought acquires acquired raises raised cuts cut hires hired wins won faces expects plans posts posted names
    named reveals revealed releases released introduces introduced unveiling asks adds added sells sold delays joins
    partners settles agrees pays warns tops invests shuts closes opens files recalls tests urges rolls debuts
    explores seeks signs boosts
    """
)
_BUSINESS_WORDS: Final = _word_set(
    """
    shares stock stocks investors investor earnings revenue revenues profit profits ceo cfo analyst analysts nasdaq
    nyse dow s&p quarter quarterly q1 q2 q3 q4 guidance dividend valuation ipo upgrade upgrades downgrade downgrades
    lawsuit antitrust billion trillion buyback rally selloff tech company companies merger acquisition
    regulators sec ftc shareholder shareholders startup layoffs bullish bearish faang etf sales fined
    litigation subscribers traders trader demand supplier suppliers
    """
)
#: Who has opinions of other companies' shares, those that only `symbols refresh` brings among them.
_RATERS: Final = _word_set(
    """
    BAC BCS BK BLK BMO BNS C CFG CM CS DB EVR GS HSBC ING JEF JPM KEY LAZ MCO MFG MS MUFG NMR NTRS PIPR PNC RJF RY SAN
    SCHW SF SMFG SPGI STT TD TFC UBS USB WFC
    """
)
_RATES: Final = _word_set("upgrades downgrades initiates reiterates analyst analysts")
_TAKES_UP: Final = _word_set("reinstates resumes starts")
#: What tells an opinion without a verb of its own: words nobody else uses, `at neutral`; `price target`, `to sell`.
_STANCE: Final = re.compile(
    r" (?:coverage|(?:over|under|equal)weight|(?:out|under)perform"
    r"|at (?:buy|hold|sell|neutral|equal|market|sector)) "
)
_TARGET: Final = re.compile(
    r" (?:price targets?|target prices?|targets? (?:raised|cut|lowered|lifted|trimmed|boosted|hiked|reduced|increased)"
    r"|to (?:buy|hold|sell|neutral|(?:over|under|equal)weight|(?:out|under)perform)) "
)
_RATED: Final = _word_set("upgraded downgraded upgrade downgrade rated rating initiated coverage reiterated")


#: Those of symbols.csv that are read.
_COLUMNS: Final = ("ticker", "aliases", "weak_aliases", "cues", "never_with")


class Alias(NamedTuple):
    """One way to write a company's name. `weak`: it needs context; `everyday`: the context must be its own."""

    ticker: str
    words: tuple[str, ...]
    weak: bool
    everyday: bool


class Symbols(NamedTuple):
    """The symbol table, indexed for reading text: first word → aliases, longest first."""

    tickers: frozenset[str]
    by_first_word: dict[str, tuple[Alias, ...]]
    cues: dict[str, tuple[str, ...]]
    never_with: dict[str, tuple[str, ...]]


class _Word(NamedTuple):
    text: str  # without a possessive ending
    written: str
    possessive: bool


def parse_symbols(lines: Iterable[str]) -> Symbols:
    """A symbol table from CSV lines with the columns of symbols.csv. Raises `Unusable` naming the line."""
    tickers: set[str] = set()
    aliases: list[Alias] = []
    cues: dict[str, tuple[str, ...]] = {}
    never: dict[str, tuple[str, ...]] = {}
    reader = csv.DictReader(lines)
    try:
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise Unusable(f"symbol table, line 1: no column {', '.join(missing)}")
        for row in reader:
            ticker = row["ticker"] or ""
            if not is_ticker(ticker) or ticker in tickers or None in row or None in row.values():
                fault = f"{ticker!r} is no ticker, is there twice, or lacks columns"
                raise Unusable(f"symbol table, line {reader.line_num}: {fault}")
            tickers.add(ticker)
            for column, weak in (("aliases", False), ("weak_aliases", True)):
                for name in filter(None, row[column].split("|")):
                    words = tuple(_WORD.findall(name))
                    if not words:
                        raise Unusable(f"symbol table, line {reader.line_num}: the alias {name!r} has no words")
                    aliases.append(Alias(ticker, words, weak, name.startswith("?")))
            cues[ticker] = _phrases(row["cues"])
            never[ticker] = _phrases(row["never_with"])
    except csv.Error as error:
        raise Unusable(f"symbol table, line {reader.reader.line_num}: {error}") from None
    index: dict[str, list[Alias]] = {}
    for alias in sorted(aliases, key=lambda alias: -len(alias.words)):
        index.setdefault(alias.words[0], []).append(alias)
    return Symbols(frozenset(tickers), {word: tuple(found) for word, found in index.items()}, cues, never)


def _phrases(column: str) -> tuple[str, ...]:
    """Cues as they are looked for in a text: its words, in lower case."""
    return tuple(filter(None, (_flat(_words(cue)) for cue in column.split("|"))))


@cache
def shipped_symbols() -> Symbols:
    """The table that is shipped."""
    text = files("consumers.classifier").joinpath("symbols.csv").read_text(encoding="utf-8")
    return parse_symbols(text.splitlines())


def read_symbols(path: Path) -> Symbols:
    """A table from a file. Raises `Unusable`."""
    try:
        return parse_symbols(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"symbol table {path} cannot be read ({error}); mend or remove it") from None


def recognise(text: str, symbols: Symbols, watched: Collection[str] = ()) -> set[str]:
    """The tickers a text names. What only looks like one counts when the table knows it or somebody watches it."""
    looks, found = ({series_of(ticker) for ticker in written} for written in _written(text))
    found |= {ticker for ticker in looks if ticker in symbols.tickers or ticker in watched}
    words = _words(text)
    lower = {word.text.lower() for word in words}
    flat = f" {_flat(words)} "
    mentions, raters = [], set()
    for alias, after in _mentions(words, symbols):
        if alias.ticker in _RATERS and _is_only_rating(words, after - len(alias.words), after, flat):
            raters.add(alias.ticker)
        else:
            mentions.append((alias, after))
    found |= {alias.ticker for alias, _ in mentions if not alias.weak}
    named = found | raters
    for alias, after in mentions:
        if alias.ticker in found or any(f" {other} " in flat for other in symbols.never_with[alias.ticker]):
            continue
        if (
            _is_company_here(words, after)
            or f"({alias.ticker})" in text
            or (not alias.everyday and (lower & _BUSINESS_WORDS or named))
            or any(f" {cue} " in flat for cue in symbols.cues[alias.ticker])
        ):
            found.add(alias.ticker)
    return found


def _written(text: str) -> tuple[set[str], set[str]]:
    """What is written as tickers are: what only looks like one, and what is one whoever knows it."""
    looks, told = set(_CASHTAG.findall(text)), set()
    for match in _LISTED.finditer(text):
        in_brackets = text.rfind("(", 0, match.start()) > text.rfind(")", 0, match.start())
        if in_brackets:
            told.add(match[1])
        elif len(match[1]) > 1:  # `NYSE: A CLOSER LOOK`
            looks.add(match[1])
    for match in _TOLD.finditer(text):
        form, ticker = match.groups()
        initials = "".join(re.findall(r"\b[A-Z]", text[: match.start()])) + form[0]
        is_abbreviation = form in _BODIES and ticker in initials[-len(ticker) - MAX_LEFT_OUT :]
        if ticker not in _NO_TICKERS:
            (looks if is_abbreviation else told).add(ticker)
    return looks, told


def _is_only_rating(words: Sequence[_Word], first: int, after: int, flat: str) -> bool:
    """Whether a rater named between two positions only has an opinion of somebody else: `UBS upgrades …`, `… cut at
    UBS`."""
    following = words[after].text.lower() if after < len(words) else ""
    before = words[first - 1].text.lower() if first else ""
    if following in _RATES or (following in _TAKES_UP and _STANCE.search(flat)):
        return True
    return before in ("at", "by") and bool(_RATED.intersection(flat.split()) or _TARGET.search(flat))


def matched_tags(text: str, tags: Iterable[str]) -> list[str]:
    """The tags all of whose words occur in the text as words (`ai-regulation`: "ai" and "regulation"). Tags have plain
    letters only: `A.I.` is "ai" and `Nestlé` is "nestle"."""
    joined = _DOTTED.sub(lambda dotted: dotted[0].replace(".", ""), text)
    plain = "".join(each for each in unicodedata.normalize("NFD", joined) if unicodedata.category(each) != "Mn")
    words = set(normalised_headline(plain).split())
    return [tag for tag in tags if words.issuperset(filter(None, tag.split("-")))]


def subjects_of(
    source: str,
    tickers: Sequence[str],
    tags: Sequence[str],
    text: str,
    watched: Collection[str],
    symbols: Symbols,
) -> tuple[str, ...]:
    """The subjects of an article, ascending: its own tickers and tags, and what its text names or matches.

    `watched`: subjects of the watch lists; their tags are searched for, and the first `MAX_WATCHED_TAGS` found count.
    Its own tags count only when the text has their words too, as a source's tags say what it was asked for.
    """
    noisy = re.split(r"[-_]", source)[0] in NOISY_SOURCES  # `tiingo`, `tiingo-europe`
    subjects = {each for each in map(series_of, tickers) if not noisy or each in symbols.tickers}
    subjects |= recognise(text, symbols, watched)
    wanted = [subject.removeprefix(TAG_PREFIX) for subject in watched if subject.startswith(TAG_PREFIX)]
    found = matched_tags(text, dict.fromkeys([*tags, *wanted]))  # its own come first
    own = sum(tag in tags for tag in found)
    subjects |= {TAG_PREFIX + tag for tag in found[: own + MAX_WATCHED_TAGS]}
    return tuple(sorted(subjects))


def _words(text: str) -> list[_Word]:
    words = []
    for written in _WORD.findall(text.replace("’", "'")):
        plain = written[:-2] if written.endswith(("'s", "'S")) else written
        words.append(_Word(plain, written, plain is not written))
    return words


def _flat(words: Iterable[_Word]) -> str:
    return " ".join(word.text.lower() for word in words)


def _mentions(words: Sequence[_Word], symbols: Symbols) -> Iterator[tuple[Alias, int]]:
    """Each alias in the text with the position after it; the longest wins and uses up its words."""
    at = 0
    while at < len(words):
        candidates = symbols.by_first_word.get(words[at].written, ()) or symbols.by_first_word.get(words[at].text, ())
        alias = next((alias for alias in candidates if _matches(alias, words, at)), None)
        if alias is None:
            at += 1
            continue
        at += len(alias.words)
        yield alias, at


def _matches(alias: Alias, words: Sequence[_Word], at: int) -> bool:
    mine = words[at : at + len(alias.words)]
    return len(mine) == len(alias.words) and all(
        wanted in (word.text, word.written) for wanted, word in zip(alias.words, mine, strict=True)
    )


def _is_company_here(words: Sequence[_Word], after: int) -> bool:
    """Whether the name that ends before `after` is a possessive, or followed by a company suffix or verb."""
    if words[after - 1].possessive:
        return True
    following = words[after].text.lower() if after < len(words) else ""
    return following in _SUFFIXES or following in _COMPANY_VERBS
