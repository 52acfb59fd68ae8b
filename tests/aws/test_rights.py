"""A function may do everything it does: each handler is run on moto, and every call it makes is held against the policy
that its role has in the golden template. Emulators let everybody do everything, so nothing else would notice.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from starlette.testclient import TestClient

from api import stream_app
from api.routes.records import metrics_now
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.identity import article_id
from contracts.instants import iso_ms
from contracts.ports import Entry
from contracts.settings import Settings, to_env
from local import line
from local.driver import run_until_idle
from stores.aws_client import Service
from stores.aws_home import AwsHome
from stores.dynamo_schema import TABLES
from stores.home import SHARD_COUNTS, Home, forget_homes, open_home
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS, scored
from tests.fakes.web import fake_site, page

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "tests" / "golden" / "sources"
FUNCTION_OF = {
    "consumers.classifier.handler": "Classifier", "aggregation.handler": "Aggregator",
    "consumers.read_model.handler": "ReadModel", "consumers.archiver.handler": "Archiver",
    "aggregation.finalizer": "Finalizer", "producers.handler": "Producers", "api.handler": "Api",
    "api.stream_app": "Stream",
}  # fmt: skip
#: Operations that are another action's; S3 asks for these rights.
ACTIONS = {
    "s3 list_objects_v2": "s3:ListBucket", "s3 create_multipart_upload": "s3:PutObject",
    "s3 upload_part": "s3:PutObject", "s3 complete_multipart_upload": "s3:PutObject",
}  # fmt: skip


class Need(NamedTuple):
    """One thing a function did: the action, and of the resource the part that is recognised in a policy."""

    action: str
    resource: str


def needs_of(service: str, operation: str, given: dict[str, Any]) -> set[Need]:
    """What one call takes."""
    if operation == "transact_write_items":
        return {
            need
            for each in given["TransactItems"]
            for kind, part in each.items()
            for need in needs_of(service, f"{kind.lower()}_item", part)
        }
    action = ACTIONS.get(f"{service} {operation}") or f"{service}:{operation.title().replace('_', '')}"
    if service == "dynamodb":
        tables = list(given["RequestItems"]) if "RequestItems" in given else [given["TableName"]]
        index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
        return {Need(action, name.removeprefix("dev-") + index) for name in tables}
    if service == "kinesis":
        return {Need(action, given.get("StreamName", "").removeprefix("dev-"))}
    if service == "s3":
        return {Need(action, "lake/" + given["Key"].partition("/")[0] if "Key" in given else "lake")}
    return {Need(action, "")}


class Recorder:
    """Which function is running, and what each did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running = ""
        self.done: dict[str, set[Need]] = {name: set() for name in FUNCTION_OF.values()}
        plain, plain_entry = Service._once, line.entry_point

        def once(service: Service, operation: str, expect: Any, parameters: dict[str, Any]) -> Any:
            if self.running:
                self.done[self.running] |= needs_of(service.name, operation, parameters)
            return plain(service, operation, expect, parameters)

        monkeypatch.setattr(Service, "_once", once)
        monkeypatch.setattr(line, "entry_point", lambda module: self.recorded(module, plain_entry(module)))

    def recorded(self, module: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        def call(event: dict[str, Any], context: Any = None) -> Any:
            self.running = FUNCTION_OF[module]
            try:
                return handler(event, context)
            finally:
                self.running = ""

        return call

    def call(self, module: str, event: dict[str, Any]) -> Any:
        return self.recorded(module, importlib.import_module(module).lambda_handler)(event)


@cache
def statements(function: str) -> list[tuple[set[str], list[str]]]:
    """(actions, resources as text) of a function's own policy."""
    for stack in ("pipeline", "api"):
        found = json.loads((ROOT / "tests" / "infra" / "golden" / f"dev-{stack}.json").read_text())["Resources"]
        for name, each in found.items():
            if each["Type"] == "AWS::IAM::Policy" and name.startswith(f"{function}RoleDefaultPolicy"):
                return [
                    (set(_listed(one["Action"])), [json.dumps(r) for r in _listed(one["Resource"])])
                    for one in each["Properties"]["PolicyDocument"]["Statement"]
                ]
    raise AssertionError(f"{function} has no policy")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(function: str, need: Need) -> bool:
    return any(
        need.action in actions and any(_is(need, each) for each in named) for actions, named in statements(function)
    )


def _is(need: Need, resource: str) -> bool:
    name, _, index = need.resource.partition("/index/")
    service = need.action.partition(":")[0]
    if service == "dynamodb":
        table = next(each for each in TABLES if name.startswith(each))
        mine = _title(table) in resource or f"{table}-*" in resource
        return mine and (f"/index/{index}" in resource if index else "/index/" not in resource)
    if service == "kinesis":
        return _title(name) in resource
    if service == "s3":
        prefix = need.resource.removeprefix("lake").strip("/")
        return "Lake" in resource and (f'"/{prefix}/*"' in resource if prefix else "/*" not in resource)
    return "Secret" in resource


def _title(name: str) -> str:
    return "".join(part.title() for part in name.split("-"))


# ---- running them ----------------------------------------------------------------------------------------------
@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Home]:
    clock = ManualClock(BASE_MS)
    settings = Settings(home="aws", lake_bucket="lake", data_dir=str(tmp_path))
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        for name, value in (to_env(settings) | {"CANDLEWICK_MODEL": "vader"}).items():
            monkeypatch.setenv(name, value)
        yield open_home(settings, clock)
        forget_homes()


def raw(number: int, now_ms: int) -> Entry:
    url, title = f"https://example.com/{number}", f"Apple shares plunge, lawsuit number {number}"
    article = {
        "schema": "raw-article/1", "article_id": article_id("test", url, title, now_ms), "source": "test",
        "publisher": "Test", "url": url, "title": title, "snippet": "A dreadful quarter.", "author": None,
        "language": "en", "published_at": iso_ms(now_ms - 60_000), "ingested_at": iso_ms(now_ms), "tickers": ["AAPL"],
        "tags": [], "raw_key": None,
    }  # fmt: skip
    return Entry(article["article_id"], json.dumps(article).encode())


def request(method: str, path: str, body: Any = None, token: str = "") -> dict[str, Any]:
    """An event of an HTTP API."""
    path, _, query = path.partition("?")
    headers = {"host": "api.example.com", "content-type": "application/json"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "203.0.113.9", "protocol": "HTTP/1.1"}},
        "body": json.dumps(body) if body is not None else None, "isBase64Encoded": False,
    }  # fmt: skip


def run_pipeline(recorder: Recorder, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now_ms = home.clock.now_ms()
    with fake_site() as site:
        feed = site.put("/one", page((PAGES / "rss_cnbc.xml").read_bytes()))
        opinions = page((PAGES / "alphavantage_news_sentiment.json").read_bytes(), "application/json")
        sources = tmp_path / "sources.json"
        rows = [
            {"name": "one", "kind": "rss", "url": feed},
            {
                "name": "two",
                "kind": "alphavantage",
                "url": site.put("/two", opinions),
                "options": {"symbols": ["AAPL"]},
            },
        ]
        sources.write_text(json.dumps(rows))
        boto3.client("secretsmanager").create_secret(
            Name="dev-candlewick", SecretString='{"ALPHAVANTAGE_API_KEY": "k"}'
        )
        monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(sources))
        monkeypatch.setenv("CANDLEWICK_PRIVATE_NETWORKS", "127.0.0.0/8")
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "producers")
        for name in ("one", "two"):
            assert recorder.call("producers.handler", {"source": name})["published"] > 0
    assert home.lake.keys("opinions/")
    home.log.put_records(RAW_STREAM, [raw(number, now_ms) for number in range(3)])
    home.log.put_records(RAW_STREAM, [raw(1, now_ms), Entry("a", b"no article")])
    late = scored(9, "AAPL", now_ms - 100_000_000, 0.5, now_ms)
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", json.dumps(late).encode()), Entry("AAPL", b"no event")])
    run_until_idle(line.drivers_of(home), home.clock, final=True)
    _, version = home.control.get(*POINTER)
    owed = {"generation": FIRST_GENERATION, "handover": {}, "settled": False}
    home.control.put(*POINTER, owed, expected_version=version)
    assert recorder.call("aggregation.finalizer", {})["repaired"] == 0
    assert home.control.get(*POINTER)[0]["settled"] is True


def run_api(recorder: Recorder, home: Home) -> None:
    def ask(method: str, path: str, body: Any = None, token: str = "", refused: int | None = None) -> dict[str, Any]:
        answer = recorder.call("api.handler", request(method, path, body, token))
        status = answer["statusCode"]
        assert status < 400 if refused is None else status == refused, (method, path, answer)
        return json.loads(answer["body"]) if answer.get("body") else {}

    token = ask("POST", "/api/v2/auth/anonymous")["token"]
    item = ask("GET", "/api/v2/items?ticker=AAPL")["items"][0]
    series = ask("GET", "/api/v2/timeseries/AAPL?resolution=1h")
    bucket = series["partial_bucket"] or series["buckets"][0]
    made = ask("POST", "/api/v2/configurations", {"name": "mine", "subjects": ["AAPL"]}, token)
    for path in (
        f"items/{item['id'] if 'id' in item else item['source_id']}", "items?sentiment=negative", "items",
        "records", "analytics", "metrics?hours=24", "sources", "generations", "runs", "status", "changes",
        "timeseries?tickers=AAPL&resolution=1h",
        f"timeseries/AAPL/1h/{bucket['timestamp' if 'timestamp' in bucket else 'start']}/articles",
    ):  # fmt: skip
        ask("GET", f"/api/v2/{path}")
    ask("GET", "/api/v2/generations/g1/compare/g2", refused=409)
    place = f"/api/v2/configurations/{made['id']}"
    ask("GET", place, token=token)
    ask("PATCH", place, {"subjects": ["AAPL", "MSFT"]}, token)
    ask("DELETE", place, token=token)
    ask("GET", "/ready")


def run_stream(recorder: Recorder, home: Home) -> None:
    """The same application, live: it follows the change log in threads of its own."""
    recorder.running = "Stream"
    with TestClient(stream_app.make_app()) as client:
        for path in ("/ready", "/api/v2/stream/status", "/api/v2/changes"):
            assert client.get(path).status_code == 200, path
        # While the read model is down too: nothing else is asked instead.
        services = client.app.state.services
        with pytest.MonkeyPatch.context() as down:
            down.setattr(type(home.items), "tally", refuse)
            down.setattr(type(home.items), "dashboard_day", refuse)
            with pytest.raises(Transient):
                metrics_now(services, 24)
    recorder.running = ""


def refuse(*_: object) -> None:
    raise Transient("items", "throttled")


def test_every_function_may_do_everything_it_does(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder(monkeypatch)
    run_pipeline(recorder, home, monkeypatch, tmp_path)
    run_api(recorder, home)
    run_stream(recorder, home)
    for function, done in recorder.done.items():
        assert done, f"{function} was seen doing nothing"
    refused = {name: [need for need in done if not allowed(name, need)] for name, done in recorder.done.items()}
    assert {name: sorted(needs) for name, needs in refused.items() if needs} == {}


def test_canary_what_nobody_granted_is_seen() -> None:
    assert allowed("Aggregator", Need("dynamodb:PutItem", "sentiment-timeseries-g1"))
    for need in (
        Need("dynamodb:DeleteItem", "sentiment-timeseries-g1"),
        Need("dynamodb:PutItem", "sentiment-items-primary"),
        Need("dynamodb:Query", "sentiment-timeseries-g1/index/by_word"),
        Need("s3:PutObject", "lake/raw"),
        Need("s3:GetObject", "lake/late"),
        Need("kinesis:PutRecords", "scored-articles"),
    ):
        assert not allowed("Aggregator", need), need
