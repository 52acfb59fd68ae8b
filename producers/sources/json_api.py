"""What the JSON news APIs have in common: asking with a key, refusals in words, rows into articles, symbols in turn."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import PositiveInt
from requests.structures import CaseInsensitiveDict

from contracts.errors import BadEvent
from contracts.events import MAX_TICKERS, MAX_TITLE_CHARACTERS, RawArticle, make_raw
from contracts.identity import series_of
from contracts.instants import iso_ms
from contracts.resolution import MINUTE_MS
from contracts.subjects import is_ticker
from producers.fetch import MAX_ERROR_BYTES, Answer, FetchFailed, OverBudget, is_sendable
from producers.pace import MAX_CALLS_COUNTED, Key, Limit
from producers.sources.paging import is_about_the_source
from producers.sources.registry import Fetched, Rejected, Request, asked_for, notes, own_symbols
from producers.sources.text import plain_text

MAX_ROW_TICKERS: Final = 50
#: An answer with more rows, or more rows that are no articles, is not the one that is expected.
MAX_ROWS: Final = 20_000
MAX_REJECTED: Final = 1_000
MAX_REFUSAL_CHARACTERS: Final = 200
_MESSAGES: Final = ("message", "error", "detail", "Information", "Note", "Error Message")
#: In turn: escaped backslashes, which begin no escape; whole surrogate pairs; halves of one.
_ESCAPE: Final = re.compile(
    rb"(?:\\\\)++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_LIMIT_WORDS: Final = re.compile(r"limit|allocation|frequency|too many|run over|requests per", re.IGNORECASE)


#: `limits` in a source's options: [[calls, seconds], …].
Limits = tuple[tuple[PositiveInt, PositiveInt], ...]


class JsonApi:
    """One API as one source asks it. `hidden`: further secrets its requests carry. What it gives out has none of them,
    whatever the source repeats. Raises `FetchFailed` at once when the source's key is not in Secrets."""

    def __init__(
        self,
        request: Request,
        limits: Sequence[Limit] = (),
        patience_ms: int = MINUTE_MS,
        hidden: Sequence[str] = (),
    ) -> None:
        source = request.source
        self.host = urlsplit(source.url).hostname or "?"
        self.secret = secret_of(request, source.secret) if source.secret else ""
        secrets = tuple(filter(None, (self.secret, *hidden)))
        self.key = Key(source.secret or source.name, secrets, limits_of(source.options, limits), patience_ms)
        self._web = request.web

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """The decoded document. Raises `FetchFailed` with what the source says is wrong."""
        return self.document(self.answer(url, params, headers))

    def answer(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer, its body as it came. Raises `FetchFailed`."""
        try:
            answer = self._web.get(url, {"Accept": "application/json", **headers}, params, self.key)
        except OverBudget:
            raise
        except FetchFailed as error:
            raise self._explained(error) from None
        shown = CaseInsensitiveDict({name: self.key.hidden_in(value) for name, value in answer.headers.items()})
        return answer._replace(headers=shown)

    def document(self, answer: Answer) -> Any:
        """An answer's JSON. Raises `FetchFailed` for HTML, a cut-off text, or a refusal that came as plain text."""
        try:
            document = decoded(answer.body)
            if not self.key.secrets:
                return document
            told = msgspec.json.encode(document).decode()  # one spelling, whatever the source escapes
            shown = self.key.hidden_in_news(told)
            return document if shown == told else decoded(shown.encode())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            start = self.key.hidden_in(answer.body[:MAX_ERROR_BYTES].decode("utf-8", "replace").strip())[:300]
            if start and start[0] not in "<{[":
                raise self.refused(start) from None
            kind = answer.headers.get("Content-Type", "an unnamed type").partition(";")[0]
            cut = start.startswith(("{", "["))
            what = "JSON that is cut off or damaged" if cut else f"{kind[:60]}, not JSON"
            raise FetchFailed(self.host, f"answered with {what}", answer.status) from None

    def refused(self, message: str, status: int = 400) -> FetchFailed:
        """The failure for a refusal that came with HTTP 200: a spent allowance is a 429, whatever it is called."""
        if _LIMIT_WORDS.search(message):
            return FetchFailed(self.host, self._shown(message), 429, self.key.patience_ms)
        return FetchFailed(self.host, self._shown(message), status)

    def _explained(self, error: FetchFailed) -> FetchFailed:
        try:
            message = message_of(decoded(error.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = None
        if message is None:
            return error
        detail = f"{error.detail}: {self._shown(message)}"
        return FetchFailed(error.host, detail, error.status, error.retry_after_ms, error.body)

    def _shown(self, message: str) -> str:
        return self.key.hidden_in(plain_text(message))[:MAX_REFUSAL_CHARACTERS]


def secret_of(request: Request, name: str) -> str:
    """A secret by its name. Raises `FetchFailed` when there is none, or none that can be sent."""
    host = urlsplit(request.source.url).hostname or "?"
    value = request.secrets.get(name)
    if not value:
        raise FetchFailed(host, f"no key: set {name} (environment, .env or Secrets)", status=401)
    if not is_sendable(value):
        raise FetchFailed(host, f"{name} holds a character that no header may carry", status=401)
    return value


def decoded(body: bytes) -> Any:
    """A JSON document. Half of a surrogate pair, as of a summary that was cut inside an emoji, becomes U+FFFD: JSON's
    grammar allows it, the decoder does not. Raises what `msgspec.json.decode` does."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], body)
        if whole == body:
            raise
        return msgspec.json.decode(whole)


def limits_of(options: Mapping[str, Any], usual: Sequence[Limit]) -> tuple[Limit, ...]:
    """A source's own `limits` ([[calls, seconds], …]: another plan), else the free plan's."""
    given = options.get("limits")
    return tuple(_countable(int(calls), int(seconds) * 1000) for calls, seconds in given) if given else tuple(usual)


def _countable(calls: int, period_ms: int) -> Limit:
    """The limit, or for very many calls a stricter one over a shorter time, so that few calls are remembered."""
    while calls > MAX_CALLS_COUNTED:
        calls, period_ms = calls // 2, -(-period_ms // 2)
    return Limit(calls, period_ms)


def message_of(document: object) -> str | None:
    """What an error document says; with its code, where it has one."""
    if not isinstance(document, Mapping):
        return None
    for name in _MESSAGES:
        value = document.get(name)
        if isinstance(value, str) and value.strip():
            code = document.get("code")
            return f"{code}: {value}" if isinstance(code, str) and code else value
    return None


def articles_of(
    request: Request, rows: Sequence[object], fields_of: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
) -> tuple[list[RawArticle], list[Rejected]]:
    """Articles of an answer's rows. `fields_of` gives a row's fields, or None for one that is to be passed over; what
    every article of the source has is added. A row no article can be made of is rejected, the next one follows.
    Raises `FetchFailed` for far too many of either."""
    articles: list[RawArticle] = []
    rejected: list[Rejected] = []
    host = urlsplit(request.source.url).hostname or "?"
    if len(rows) > MAX_ROWS:
        raise FetchFailed(host, f"answered with {len(rows):,} rows, more than {MAX_ROWS:,}", 413)
    shared = {"ingested_at": iso_ms(request.now_ms), "tags": request.source.tags}
    for row in rows:
        try:
            if not isinstance(row, Mapping):
                raise BadEvent("unparseable", f"expected a JSON object, got {type(row).__name__}")
            fields = fields_of(row)
            if fields is not None:
                tickers = _distinct(request.source.tickers, fields.get("tickers", ()))
                articles.append(make_raw(request.source.name, shared | dict(fields) | {"tickers": tickers}))
        except BadEvent as error:
            if len(rejected) == MAX_REJECTED:
                raise FetchFailed(host, f"answered with over {MAX_REJECTED:,} rows like this: {error}", 422) from None
            rejected.append(Rejected(error, msgspec.json.encode(row)))
    return articles, rejected


def text_of(value: object, limit: int = MAX_TITLE_CHARACTERS) -> str:
    """A row's text as a reader would see it; "" for what is not there."""
    return plain_text(str(value))[:limit] if value is not None else ""


def tickers_of(values: Iterable[object]) -> tuple[str, ...]:
    """Those that are tickers, upper-cased, each once."""
    found = dict.fromkeys(str(value).strip().upper() for value in values)
    return tuple(ticker for ticker in found if is_ticker(ticker))[:MAX_ROW_TICKERS]


def symbols_of(request: Request) -> tuple[str, ...]:
    """What a source that is asked by ticker asks for: its own symbols, and those of the watch lists there is room
    for."""
    return (*own_symbols(request.source), *sorted(asked_for(request.source, request.watched)))


def left_out_note(asked: Collection[str], watched: Collection[str]) -> str | None:
    """What an operator should know when not all watched subjects are asked for."""
    series = set(map(series_of, asked))
    missing = [each for each in watched if series_of(each) not in series]
    few = f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
    return f"no room for {len(missing)} of the watched subjects: {few}" if missing else None


Batch = tuple[Sequence[RawArticle], Sequence[Rejected], Sequence[Mapping[str, Any]]]


def by_symbol(request: Request, symbols: Sequence[str], ask: Callable[[str, int | None], Batch]) -> Fetched:
    """Ask for each symbol once, one after the other, over as many rounds as it takes. `ask` gets the symbol and the
    newest publication (ms) seen of it, and is to ask for some of what is older too (`OVERLAP_MS`).

    Cursor: `newest_ms` by symbol; when not all have had their turn, the `next` symbol and how many are `left`. A symbol
    the source refuses (no access, unknown) is noted and the others go on; any other failure ends the round with what
    there is. The next round begins behind that symbol, whose answers may be none for ever; or there, when it was about
    the source as a whole. Raises that when there is nothing yet.
    """
    newest_ms: dict[str, int] = {
        symbol: at_ms for symbol, at_ms in dict(request.cursor.get("newest_ms") or {}).items() if symbol in symbols
    }
    is_resumed = request.cursor.get("next") in symbols
    first = symbols.index(request.cursor["next"]) if is_resumed else 0
    left = int(request.cursor.get("left", len(symbols))) if is_resumed else len(symbols)
    articles: dict[str, RawArticle] = {}
    rejected: list[Rejected] = []
    opinions: list[Mapping[str, Any]] = []
    refused: dict[str, FetchFailed] = {}
    trouble: FetchFailed | None = None
    in_turn = [*symbols[first:], *symbols[:first]][:left]
    waiting: list[str] = []
    for number, symbol in enumerate(in_turn):
        try:
            found, bad, thought = ask(symbol, newest_ms.get(symbol))
        except FetchFailed as error:
            if is_about_the_question(error):
                refused[symbol] = error
                continue
            is_behind = not is_about_the_source(error)
            if not (number or is_behind):
                raise
            trouble, waiting = error, in_turn[number + is_behind :]
            break
        rejected += bad
        opinions += thought
        for article in found:
            known = articles.get(article.article_id)
            articles[article.article_id] = _with_tickers(known, article) if known else article
            # One article dated next year must not make us ask for nothing older until then.
            newest_ms[symbol] = max(newest_ms.get(symbol, 0), min(article.published_ms, request.now_ms))
    if len(refused) == len(symbols) and refused:
        raise next(iter(refused.values()))
    told = f"refused for {', '.join(refused)}: {next(iter(refused.values())).detail}" if refused else None
    note = notes(told, left_out_note(symbols, request.watched_tickers))
    cursor = {"newest_ms": newest_ms} | ({"next": waiting[0], "left": len(waiting)} if waiting else {})
    return Fetched(tuple(articles.values()), tuple(rejected), cursor, False, False, trouble, note, tuple(opinions))


def is_about_the_question(error: FetchFailed) -> bool:
    """Whether another question could be answered: bad parameter, no access to this symbol, unknown."""
    return error.status in (400, 403, 404, 422)


def _with_tickers(known: RawArticle, other: RawArticle) -> RawArticle:
    return known.model_copy(update={"tickers": _distinct(known.tickers, other.tickers)})


def _distinct(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Both, each once, as many as an article may have."""
    return tuple(dict.fromkeys([*some, *others]))[:MAX_TICKERS]
