"""What is fuzzed: each target reads bytes from outside, and may refuse them in one named way and in no other.

A target raises what it allows itself to raise only inside; whatever leaves it is a finding.
"""

import base64
import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aggregation.event import decode, decode_all
from aggregation.gather import gather
from api.auth import VERSION, BadToken, _sign, issue, verify
from api.cursors import decode_page, encode_page
from api.keyring import Keyring
from api.sse.cursor import decode_point, encode_vector
from api.sse.opening import start_of
from contracts.clock import ManualClock
from contracts.errors import BadEvent, BadRequest, Unusable
from contracts.events import decode_raw
from contracts.identity import article_id, canonical_url, normalised_headline
from contracts.instants import parse_ms
from contracts.kinesis import AGGREGATE_MAGIC, open_aggregate, records_of, user_data
from producers.fetch import Answer, FetchFailed
from producers.sources.files import read_rows
from producers.sources.registry import KINDS, Request, Source, adapter
from producers.sources.text import plain_text
from producers.sources.times import iso_time
from stores.bucket_codec import decode_change, decode_children, decode_summary, encode_change
from stores.lake_format import read_lines
from tests.fakes.stores import FakeControl, FakeSecrets

NOW_MS: Final = 1_766_310_000_000
KEY: Final = "KEY-OF-THE-TEST"
SECRETS: Final = FakeSecrets(
    FINNHUB_API_KEY=KEY, TIINGO_API_KEY=KEY, NEWSAPI_API_KEY=KEY, ALPHAVANTAGE_API_KEY=KEY,
)  # fmt: skip
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "rss": {},
    "finnhub": {"symbols": ["AAPL"], "category": None},
    "tiingo": {"symbols": ["AAPL"]},
    "newsapi": {"query": "apple"},
    "alphavantage": {"symbols": ["AAPL"]},
    "json": {
        "items": "results",
        "fields": {"id": "login.uuid", "title": "{name.first} {name.last}", "text": "{location.city}", "url": "url",
                   "time": "time", "tickers": "tickers"},
        "paging": {"by": "next", "next": "next"},
    },
}  # fmt: skip


# ---- events ---------------------------------------------------------------------------------------------------------
def scored_event(data: bytes) -> None:
    """One event alone and twice in a batch: the same answer, and a verdict for what is an event."""
    try:
        event = decode(data)
    except BadEvent:
        assert decode_all([data, data]) is None, "refused alone, accepted in a batch"
        return
    judged = gather([event])
    aside = len(judged.quarantined) + len(judged.too_late)
    assert aside + len(judged.groups) == len(judged.events) == 1, "an event without a verdict"
    batch = decode_all([data, data])
    assert batch is None or batch == [event, event]


def raw_article(data: bytes) -> None:
    with contextlib.suppress(BadEvent):
        article = decode_raw(data)
        assert decode_raw(article.encode()) == article, "written and read it is another article"


# ---- the Lambda event and its aggregates ----------------------------------------------------------------------------
def aggregate(data: bytes) -> None:
    """Any body under a right digest, and any bytes at all."""
    body = data.removeprefix(AGGREGATE_MAGIC)
    for record in (data, AGGREGATE_MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()):
        if record.startswith(AGGREGATE_MAGIC):
            with contextlib.suppress(BadEvent):
                assert open_aggregate(record), "an aggregate of nothing"
        assert user_data(record), "a record that is no record"


def lambda_event(data: bytes) -> None:
    """Two good records around one whose data is anything: the good ones are read."""
    good = base64.b64encode(b"{}").decode()
    texts = [good, data.decode("latin-1"), base64.b64encode(data).decode(), good]
    event = {
        "Records": [
            {
                "kinesis": {"partitionKey": "k", "sequenceNumber": str(n), "data": text,
                            "approximateArrivalTimestamp": 1_766_310_000.123},
                "eventID": f"shardId-000000000000:{n}",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/dev-scored-articles",
            }
            for n, text in enumerate(texts)
        ]
    }  # fmt: skip
    found = records_of(event)
    assert {record.sequence_number for record in found} == {"0", "1", "2", "3"}, "a record vanished"
    assert found[0].data == found[-1].data == b"{}"


# ---- positions and tokens -------------------------------------------------------------------------------------------
def stream_position(data: bytes) -> None:
    text = data.decode("latin-1")
    start_of(text, None, None)  # a Last-Event-ID is never refused
    with contextlib.suppress(BadRequest):
        point = decode_point(text)
        assert decode_point(encode_vector(point.vector)).vector == {
            lane: sequence for lane, sequence in point.vector.items() if sequence > 0
        }, "another position"


def page_cursor(data: bytes) -> None:
    text = data.decode("latin-1")
    for kind in (int, str, tuple[str, int]):
        with contextlib.suppress(BadRequest):
            decode_page(text, "q", kind)
            assert False, "a cursor of a question nobody asked"  # noqa: B011, PT015
        with contextlib.suppress(BadRequest):
            question = _question_of(text)
            position = decode_page(text, question, kind)
            assert decode_page(encode_page(question, position), question, kind) == position


def _question_of(text: str) -> str:
    with contextlib.suppress(ValueError):
        found = json.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if isinstance(found, list) and found and isinstance(found[0], str) and found[0] != "q":
            return found[0]
    return ""


_keyring: Final = Keyring(FakeControl(ManualClock(NOW_MS)), FakeSecrets(), ManualClock(NOW_MS), 30)
_genuine: Final = issue(_keyring, NOW_MS, 30)[0]


def token(data: bytes) -> None:
    """Any text, our own with something put in its place, and any payload rightly signed."""
    text = data.decode("latin-1")
    for forged in (text, _genuine + text, text + _genuine, _genuine[: len(text)] + text + _genuine[len(text) :]):
        with contextlib.suppress(BadToken):
            verify(_keyring, forged, NOW_MS)
            assert forged == _genuine, "a token that nobody signed is good"
    key_id, key = next(iter(_keyring.keys().items()))
    body = f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(data).rstrip(b'=').decode()}"
    with contextlib.suppress(BadToken):
        assert verify(_keyring, f"{body}.{_sign(key, body)}", NOW_MS).expires_ms > NOW_MS


# ---- text and addresses ---------------------------------------------------------------------------------------------
def url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    known = canonical_url(text)
    assert canonical_url(known) == known, "canonical twice is another address"
    assert len(article_id("rss", text, "t", NOW_MS)) == len("rss#") + 16


def headline(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    shown = plain_text(text)
    assert "\n" not in shown
    known = normalised_headline(shown)
    assert normalised_headline(known) == known, "normalised twice is another headline"


def instant(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(BadEvent):
        parse_ms(iso_time(text))


# ---- files and stores -----------------------------------------------------------------------------------------------
def published_file(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("x.jsonl", "x.csv"):
            file = Path(folder, name)
            file.write_bytes(data)
            with contextlib.suppress(BadRequest):
                numbers = [row.line for row in read_rows(str(file))]
                assert numbers == sorted(set(numbers)), "rows out of order"


def lake_object(data: bytes) -> None:
    import gzip
    import io

    with contextlib.suppress(BadEvent):
        for _ in read_lines("k", gzip.GzipFile(fileobj=io.BytesIO(data)), (OSError,), lambda error: BadEvent("x", "y")):
            pass


def stored_bucket(data: bytes) -> None:
    for read in (decode_change, decode_children, decode_summary):
        with contextlib.suppress(Unusable):
            read(data)
    with contextlib.suppress(Unusable):
        change = decode_change(data)
        assert decode_change(encode_change(change)) == change, "written and read it is another change"


# ---- sources --------------------------------------------------------------------------------------------------------
class CannedWeb:
    """Answers every question with the same bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, {"Content-Type": "application/rss+xml"}, self._body, None)


def source_answer(kind: str) -> Callable[[bytes], None]:
    """The adapter of a kind over any body: articles, rejects, or `FetchFailed`."""
    fields: dict[str, Any] = {} if KINDS[kind].url else {"url": "https://news.example/feed"}
    source = Source(name="fuzzed", kind=kind, options=OPTIONS[kind], **fields)

    def target(data: bytes) -> None:
        request = Request(source, {}, CannedWeb(data), SECRETS, NOW_MS)  # type: ignore[arg-type]
        try:
            fetched = adapter(kind)(request)
        except FetchFailed as error:
            if KEY in str(error):
                raise AssertionError("the key is in the error") from error
            return
        json.dumps(fetched.cursor)
        for article in fetched.articles:
            assert decode_raw(article.encode()) == article, "an article the classifier would refuse"

    return target


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "scored_event": scored_event,
    "raw_article": raw_article,
    "aggregate": aggregate,
    "lambda_event": lambda_event,
    "stream_position": stream_position,
    "page_cursor": page_cursor,
    "token": token,
    "url": url,
    "headline": headline,
    "instant": instant,
    "published_file": published_file,
    "lake_object": lake_object,
    "stored_bucket": stored_bucket,
    **{f"source_{kind}": source_answer(kind) for kind in OPTIONS},
}
