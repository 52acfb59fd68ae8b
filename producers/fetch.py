"""Fetching over HTTP, with limits on everything: time, size, redirects, tries.

The error texts name the host and the status, never the URL or a header: both may hold keys. A request with a key is
never redirected to another site, which would be handed the key. Redirects are followed one by one, their own bodies
unread; each hop may only lead where `reach` permits.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.resolution import DAY_MS
from producers.pace import Key, Pace
from producers.reach import GuardedAdapter, NotPublic, Reach

CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 15.0
TOTAL_TIMEOUT_MS: Final = 30_000
MAX_BODY_BYTES: Final = 10 << 20
MAX_REDIRECTS: Final = 5
MAX_TRIES: Final = 3
RETRY_BUDGET_S: Final = 20.0  # no further try after this
BACK_OFF_S: Final = 1.0
MAX_WAIT_S: Final = 10.0  # a longer Retry-After is left to the next poll
MAX_RETRY_AFTER_MS: Final = DAY_MS  # who asks for more is asked again after it
MAX_DIGITS: Final = 18  # of a number in a header
MAX_PACE_WAIT_MS: Final = 1_500  # a key that must wait longer is left to the next poll
MAX_ERROR_BYTES: Final = 4 << 10
MAX_REASON_CHARACTERS: Final = 80
_CHUNK_BYTES: Final = 64 << 10
_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_MOVES: Final = frozenset({301, 302, 303, 307, 308})
_NO_BODY: Final = frozenset({204, 304})
_PERMANENT_MOVES: Final = frozenset({301, 308})
#: Headers that a redirect to another site takes along.
_ANYWHERE: Final = frozenset({"Accept", "If-None-Match", "If-Modified-Since"})
#: What may be in a header that is sent: a source may tell more, over several lines even.
_SENDABLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Answer(NamedTuple):
    """An HTTP answer that can be worked with: any 2xx, 304 or 410. `moved_to`: where 301s alone led (remember it)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    moved_to: str | None


class FetchFailed(Transient):
    """A source did not answer usably. `status`: 0 without an answer; `retry_after_ms`: what the source asked for;
    `again`: whether a prompt retry makes sense (not after 401, 403 or 404); `body`: the beginning of an error's body,
    for the adapter to read, never shown as it is."""

    def __init__(
        self, host: str, detail: str, status: int = 0, retry_after_ms: int | None = None, body: bytes = b""
    ) -> None:
        super().__init__(host, detail)
        self.host = host
        self.detail = detail
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.body = body
        self.again = status == 0 or status in _RETRIED


class NoAnswer(FetchFailed):
    """No connection, or no answer in time. It is not tried again at once, which would only take as long again, but
    soon, by the service."""


class OverBudget(FetchFailed):
    """The key's own allowance is spent for now; nothing was asked. The source is not at fault."""

    def __init__(self, host: str, key: Key, wait_ms: int) -> None:
        super().__init__(host, f"the allowance of {key.name} is spent for now", status=0, retry_after_ms=wait_ms)
        self.again = False


class _Session(requests.Session):
    """A session that leaves redirects to us: its own way would read each one's body first, however long that is."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())


class Web:
    """HTTP GET for the sources; one session, used by several threads."""

    def __init__(self, clock: Clock, user_agent: str, reach: Reach | None = None) -> None:
        """`reach`: where sources may be; without it at public addresses only."""
        self._clock = clock
        self.pace = Pace(clock)
        # Its lines hold whole URLs, its warnings too, and some sources want their key in the URL.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._session = _Session()
        self._session.headers["User-Agent"] = user_agent
        self._session.auth = _as_it_is
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none: all sources would share them
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GuardedAdapter(reach or Reach()))

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        key: Key | None = None,
    ) -> Answer:
        """The answer, after up to three tries with full jitter, honouring Retry-After; each try counts against the
        key's limits. Raises `FetchFailed`, `OverBudget` when nothing was asked because the key may not now."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_after_delay(RETRY_BUDGET_S),
            wait=self._wait_s,
            retry=tenacity.retry_if_exception(_is_worth_a_retry),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._get_once, url, headers or {}, params or {}, key)

    def _take(self, host: str, key: Key) -> None:
        """One call of the key's allowance, waiting for it when it is soon there."""
        while wait_ms := self.pace.take(key):
            if wait_ms > MAX_PACE_WAIT_MS:
                raise OverBudget(host, key, wait_ms)
            self._sleep(wait_ms / 1000)

    def _sleep(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds * 1000)

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, FetchFailed) and error.retry_after_ms is not None:
            return error.retry_after_ms / 1000
        return tenacity.wait_random_exponential(multiplier=BACK_OFF_S, max=MAX_WAIT_S)(state)

    def _get_once(
        self, url: str, headers: Mapping[str, str], params: Mapping[str, str], key: Key | None = None
    ) -> Answer:
        host = urlsplit(url).hostname or "?"
        if key is not None:
            self._take(host, key)
        try:
            return self._followed(host, url, headers, params, key)
        except NotPublic as error:
            raise FetchFailed(host, str(error), status=403) from None
        except requests.exceptions.ConnectTimeout:
            raise NoAnswer(host, "unreachable (no connection in time)") from None
        except requests.exceptions.Timeout:
            raise NoAnswer(host, "no answer in time") from None
        except requests.exceptions.SSLError:
            raise FetchFailed(host, "the TLS connection failed (certificate?)") from None
        except requests.exceptions.ConnectionError as error:
            if _is_no_connection(error):
                raise NoAnswer(host, "unreachable (no network, or the host is down)") from None
            raise FetchFailed(host, "the connection broke") from None
        except requests.exceptions.RequestException as error:
            raise FetchFailed(host, f"no usable answer: {type(error).__name__}") from None
        except UnicodeEncodeError:
            raise FetchFailed(host, "a header holds a character that no header may carry", status=400) from None

    def _followed(
        self, host: str, url: str, headers: Mapping[str, str], params: Mapping[str, str], key: Key | None
    ) -> Answer:
        """The answer at the end of at most so many redirects."""
        started_ms = self._clock.monotonic_ms()
        asked: Mapping[str, str | bytes] = dict(headers)
        permanent = True
        for hop in range(MAX_REDIRECTS + 1):
            with self._session.get(
                url,
                headers=asked,
                params=params if hop == 0 else None,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
                allow_redirects=False,
            ) as response:
                where = _moved(host, response) if key is None or not key.secrets else None
                if where is None:
                    self._check_status(host, response, key)
                    body = self._read(host, response, started_ms)
                    moved_to = response.url if hop and permanent else None
                    return Answer(response.status_code, response.headers, body, moved_to)
                permanent = permanent and response.status_code in _PERMANENT_MOVES
                if _site(where) != _site(url):
                    # What else was told to the first site is not the next one's business.
                    asked = {name: value for name, value in asked.items() if name in _ANYWHERE}
                url = where
        raise FetchFailed(host, f"more than {MAX_REDIRECTS} redirects", status=310)

    def _check_status(self, host: str, response: requests.Response, key: Key | None) -> None:
        status = response.status_code
        # A redirect arrives here only when it was not followed, for the key's sake.
        if not (200 <= status < 300 or status in (304, 410)):
            wait_ms = _retry_after_ms(response.headers.get("Retry-After", ""), self._clock.now_ms())
            if status == 429 and wait_ms is None and key is not None:
                wait_ms = key.patience_ms
            body = b""
            with suppress(HTTPError):  # a broken error is still that error
                body = response.raw.read1(MAX_ERROR_BYTES, decode_content=True)
            reason = _CONTROL.sub(" ", response.reason or "")
            shown = (key.hidden_in(reason) if key is not None else reason)[:MAX_REASON_CHARACTERS]
            raise FetchFailed(host, f"HTTP {status} {shown}".rstrip(), status, wait_ms, body)

    def _read(self, host: str, response: requests.Response, started_ms: float) -> bytes:
        """The decoded body; a gzip bomb or an endless answer is given up at the limits. It is read as it comes: waiting
        for a full chunk would let a source that sends a byte a second hold us for hours. The length that "unchanged"
        tells is that of the body it does not have."""
        if response.status_code in _NO_BODY:
            return b""
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise FetchFailed(host, f"the answer is over {MAX_BODY_BYTES >> 20} MB", status=413)
                if self._clock.monotonic_ms() - started_ms > TOTAL_TIMEOUT_MS:
                    raise FetchFailed(host, f"the answer took over {TOTAL_TIMEOUT_MS / 1000:g} s", status=408)
                pieces.append(piece)
        except ReadTimeoutError:
            raise NoAnswer(host, "no answer in time") from None
        except HTTPError:
            raise FetchFailed(host, "the connection broke") from None
        told = response.headers.get("Content-Length", "")
        if told.isdecimal() and (len(told) > MAX_DIGITS or response.raw.tell() < int(told)):
            raise FetchFailed(host, "the connection broke")
        return b"".join(pieces)


def validators(answer: Answer) -> dict[str, str]:
    """What a cursor keeps of an answer to ask later whether it has changed: `etag` and `modified`."""
    told = {"etag": answer.headers.get("ETag"), "modified": answer.headers.get("Last-Modified")}
    return {name: value for name, value in told.items() if value}


def conditions(cursor: Mapping[str, Any]) -> dict[str, str]:
    """The headers that ask whether it has changed, without what may not be sent."""
    held = {"If-None-Match": cursor.get("etag"), "If-Modified-Since": cursor.get("modified")}
    return {name: str(value) for name, value in held.items() if value and is_sendable(str(value))}


def is_sendable(text: str) -> bool:
    """Whether a header may carry this."""
    return _SENDABLE.fullmatch(text) is not None


def _is_worth_a_retry(error: BaseException) -> bool:
    return (
        isinstance(error, FetchFailed)
        and not isinstance(error, NoAnswer)
        and error.again
        and (error.retry_after_ms or 0) <= MAX_WAIT_S * 1000
    )


def _is_no_connection(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection was never made (refused, no route, no such name), as far as the library tells."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError | NameResolutionError)


def _moved(host: str, response: requests.Response) -> str | None:
    """Where a redirect leads; None for any other answer. Raises `FetchFailed` when that is no address."""
    target = response.headers.get("Location", "") if response.status_code in _MOVES else ""
    with suppress(UnicodeError):  # headers are read as Latin-1; an address that is not ASCII is meant as UTF-8
        target = target.encode("latin-1").decode()
    try:
        return urljoin(response.url, target) if target else None
    except ValueError:
        raise FetchFailed(host, "redirects to what is no address", status=310) from None


def _site(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Instead of what a `.netrc` says: keys come from Secrets."""
    return request


def _retry_after_ms(value: str, now_ms: int) -> int | None:
    """Milliseconds a Retry-After header asks for (seconds or an HTTP date), a day at most; None when it says
    nothing."""
    seconds = value.strip()
    if seconds.isdecimal():
        return min(int(seconds) * 1000, MAX_RETRY_AFTER_MS) if len(seconds) <= MAX_DIGITS else MAX_RETRY_AFTER_MS
    try:
        wait_ms = int(parsedate_to_datetime(value).timestamp() * 1000) - now_ms
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0, wait_ms), MAX_RETRY_AFTER_MS)
