"""A secret is where it is used and nowhere else: not in logs, errors, states, the log of events or the lake."""

import json
import logging
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from api.routes.sources import source_rows
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.settings import AggregatorSettings
from producers.fetch import Web
from producers.service import KIND, ProducerService
from producers.source_state import set_up
from producers.sources.registry import Source, read_sources
from stores.home import open_home
from tests.e2e.harness import ROOT, Up, candlewick, environment
from tests.fakes.stores import FakeControl, FakeSecrets
from tests.fakes.web import HERE, FakeSite, Reply, fake_site

KEY = "a-secret-nobody-may-see-4711"


@pytest.fixture
def site():
    with fake_site() as up:
        yield up


def everything_in(folder: Path) -> bytes:
    """Every byte of every file below a folder, archives opened."""
    import gzip

    found = b""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found += gzip.decompress(data) if path.suffix == ".gz" else data
    return found


#: A key that is written another way in an address.
ODD_KEY = "a+secret/nobody may=see;4711"
PAGING = {"by": "next", "next": "next"}


@pytest.mark.parametrize("paging", [None, PAGING])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, "application/json"), (401, "application/json"), (500, "application/json"), (401, "html"), (200, "html"),
     (200, "text")],
)  # fmt: skip
def test_a_source_that_tells_the_key_back_puts_it_nowhere(
    site: FakeSite,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: str,
    paging: dict[str, str] | None,
) -> None:
    """The worst site: its status line, its headers (one of them broken), its error, its records and the address of its
    next page repeat the key it was asked with."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.responses", {status: (f"{'x' * 60} {ODD_KEY}", "")})

    def reply(path: str, headers: dict[str, str]) -> Reply:
        site.asked.append((path, headers))
        itself = f"{site.address}{path}"
        rows = [
            {"title": "Apple rises", "id": len(site.asked), "self": itself, "text": f"Our key is {ODD_KEY}."},
            {"title": "", "id": ODD_KEY, "self": itself},
        ]
        told = {"results": rows, "error": f"bad key {ODD_KEY}", "message": ODD_KEY, "next": f"{itself}&page=2"}
        bodies = {"application/json": json.dumps(told), "html": f"<html>{ODD_KEY}", "text": f"Not with {ODD_KEY}!"}
        odd = {"ETag": f'"{ODD_KEY}"', "X-Echo": ODD_KEY, "X-Broken-Line": "no colon"}
        named = kind if kind == "application/json" else f"{kind}/{ODD_KEY}"
        return status, odd | {"Content-Type": named}, bodies[kind].encode()

    monkeypatch.setattr(site, "reply", reply)
    source = Source(
        name="desk", kind="json", url=site.address + "/news",
        options={"items": "results", "fields": {"id": "id", "title": "title", "url": "self", "text": "text"},
                 "params": {"q": "apple", "api_key": {"secret": "DESK_TOKEN"}},
                 "headers": {"Authorization": {"secret": "DESK_TOKEN", "before": "Bearer "}}} | {"paging": paging},
    )  # fmt: skip
    clock = ManualClock()
    home = open_home(AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), clock)  # type: ignore[call-arg]
    secrets = FakeSecrets(DESK_TOKEN=ODD_KEY)
    service = ProducerService(
        log=home.log, control=home.control, lake=home.lake, secrets=secrets, clock=clock,
        web=Web(clock, "test/1", HERE), sources=[source],
    )  # fmt: skip
    polled = service.poll()
    state = home.control.get(KIND, "desk").value or {}
    path, headers = site.asked[-1]
    assert (headers["Authorization"], parse_qs(urlsplit(path).query)["api_key"]) == (f"Bearer {ODD_KEY}", [ODD_KEY])
    if (status, kind) == (200, "application/json"):
        assert (polled.published, polled.rejected) == ((10, 10) if paging else (1, 1))
        assert ("q=apple&page=2" in state["cursor"].get("place", "")) == bool(paging)
    home.close()
    told = json.dumps(state) + caplog.text + repr((service, source)) + everything_in(tmp_path).decode("utf-8", "ignore")
    for form in (ODD_KEY, quote(ODD_KEY), quote_plus(ODD_KEY), quote(ODD_KEY, safe="")):
        assert form not in told


def test_the_key_in_the_address_of_a_private_feed_is_told_to_nobody() -> None:
    control = FakeControl()
    settings = json.dumps([{"name": "desk", "kind": "rss", "url": f"https://a.example/x.xml?k={KEY}"}])
    (desk,) = read_sources(settings, "f")
    control.put(KIND, "desk", set_up(None, desk, 300))
    (row,) = source_rows(control)
    assert row["url"] == "https://a.example/x.xml"
    assert KEY not in json.dumps(row)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    settings = json.dumps([{"name": "desk", "kind": "rss", "url": f"https://me:{KEY}@a.example/x.xml"}])
    with pytest.raises(Unusable, match="a user or a password") as refused:
        read_sources(settings, "f")
    assert KEY not in str(refused.value)


def test_keys_of_the_environment_and_of_the_env_file_are_in_no_output(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / ".env").write_text(f"FINNHUB_API_KEY={KEY}\n")
    signing = f"k1:{KEY}"
    with Up(
        data, settings={"CANDLEWICK_ADMIN_KEY": KEY, "CANDLEWICK_SIGNING_KEYS": signing, "CANDLEWICK_LOG": "debug"}
    ) as up:
        for path in ("/api/v2/status", "/health", "/api/v2/sources", "/api/v2/openapi.json"):
            assert KEY not in json.dumps(up.get(path))
        up.stop()
        written = up.log.read_text()
    for command in ("status", "doctor", "sources"):
        arguments = [command, "list"] if command == "sources" else [command]
        done = candlewick(*arguments, "--json", "--data-dir", str(data))
        written += (done.stdout + done.stderr).decode()
    assert KEY not in written
    (data / ".env").unlink()
    assert KEY.encode() not in everything_in(data)


def test_a_bad_setting_that_holds_a_secret_is_not_shown(tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "up", "--data-dir", str(tmp_path), "--port", "0", "--no-sources"],
        env=environment() | {"CANDLEWICK_SIGNING_KEYS": f"no colon {KEY}"},
        capture_output=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert KEY.encode() not in done.stdout + done.stderr
