"""A secret is where it is used and nowhere else: not in logs, errors, states, the log of events or the lake."""

import json
import logging
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.settings import AggregatorSettings
from producers.fetch import Web
from producers.service import KIND, ProducerService
from producers.sources.registry import Source
from stores.home import open_home
from tests.e2e.harness import ROOT, Up, candlewick, environment
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import HERE, FakeSite, fake_site

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


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_source_that_tells_the_key_back_puts_it_nowhere(
    site: FakeSite, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """The worst site: its error, its headers and its records repeat the key it was asked with."""
    caplog.set_level(logging.DEBUG)
    record = {"results": [{"title": "Apple rises", "id": 1}], "error": f"bad key {KEY}", "message": KEY}
    body = json.dumps(record).encode()
    site.put("/news", (status, {"Content-Type": "application/json", "X-Echo": KEY}, body))
    source = Source(
        name="desk", kind="json", url=site.address + "/news",
        options={"items": "results", "fields": {"id": "id", "title": "title"},
                 "headers": {"Authorization": {"secret": "DESK_TOKEN", "before": "Bearer "}}},
    )  # fmt: skip
    clock = ManualClock()
    home = open_home(AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), clock)  # type: ignore[call-arg]
    secrets = FakeSecrets(DESK_TOKEN=KEY)
    service = ProducerService(
        log=home.log, control=home.control, lake=home.lake, secrets=secrets, clock=clock,
        web=Web(clock, "test/1", HERE), sources=[source],
    )  # fmt: skip
    polled = service.poll()
    told = json.dumps(home.control.get(KIND, "desk").value)
    assert site.asked[-1][1]["Authorization"] == f"Bearer {KEY}", "the key was not used: this test shows nothing"
    assert (polled.published == 1) == (status == 200)
    home.close()
    assert KEY not in told + caplog.text + repr((service, source))
    assert KEY.encode() not in everything_in(tmp_path)


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
