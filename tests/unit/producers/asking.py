"""Short ways to ask one source, and the recorded pages."""

import json
from pathlib import Path
from typing import Any

from contracts.clock import ManualClock
from contracts.instants import parse_ms
from producers.fetch import Web
from producers.sources.registry import Fetched, Request, Source, adapter
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import HERE, FakeSite, Reply

GOLDEN = Path(__file__).parents[2] / "golden" / "sources"
NOW_MS = parse_ms("2021-06-08T00:10:00Z")
KEY = "KEY-OF-THE-TEST"
SECRETS = FakeSecrets(
    FINNHUB_API_KEY=KEY, TIINGO_API_KEY=KEY, NEWSAPI_API_KEY=KEY, ALPHAVANTAGE_API_KEY=KEY, MY_TOKEN=KEY
)
#: Kind → recorded page, and the path the fake site serves it at.
PAGES = {
    "finnhub": ("finnhub_company_news.json", "/company-news"),
    "tiingo": ("tiingo_news.json", ""),
    "newsapi": ("newsapi_everything.json", ""),
    "alphavantage": ("alphavantage_news_sentiment.json", ""),
    "json": ("randomuser.json", ""),
}
RANDOMUSER = {
    "items": "results",
    "fields": {"id": "login.uuid", "title": "{name.first} {name.last}", "text": "{location.city}, {location.country}"},
}
POSTS: dict[str, Any] = {"fields": {"id": "id", "title": "title", "text": "body"}}
OPTIONS: dict[str, dict[str, Any]] = {
    "finnhub": {"symbols": ["AAPL"], "category": None},
    "tiingo": {"symbols": ["AAPL", "C"]},
    "newsapi": {"query": "apple"},
    "alphavantage": {"symbols": ["AAPL"]},
    "json": RANDOMUSER,
}


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def told(document: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON reply; a text is sent as it is."""
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    return status, {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}, body


class Asking:
    """One source of a kind at a fake site, its clock and its cursor."""

    def __init__(self, site: FakeSite, kind: str, options: dict[str, Any] | None = None, **fields: Any) -> None:
        self.site = site
        self.clock = ManualClock(NOW_MS)
        self.web = Web(self.clock, "test/1", HERE)
        self.path = f"/{kind}"
        self.source = Source(
            name=kind,
            kind=kind,
            url=site.address + self.path,
            options=OPTIONS[kind] if options is None else options,
            **fields,
        )
        self.cursor: dict[str, Any] = {}
        self.secrets = SECRETS

    def put(self, *replies: Reply) -> None:
        self.site.put(self.path + PAGES[self.source.kind][1], *replies)

    def ask(self, *watched: str) -> Fetched:
        """What the adapter says. Raises the trouble of a round that brought nothing."""
        request = Request(self.source, self.cursor, self.web, self.secrets, self.clock.now_ms(), watched)
        fetched = adapter(self.source.kind)(request)
        self.cursor = json.loads(json.dumps(fetched.cursor))  # as the control store gives it back
        if fetched.trouble is not None and not fetched.articles:
            raise fetched.trouble
        return fetched

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.site.asked]
