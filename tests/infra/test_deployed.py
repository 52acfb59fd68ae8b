"""A real deployment: `candlewick deploy`, that is the synthesised templates and the stock CDK CLI, to an emulator; a
real article through the deployed functions; read from the deployed HTTP API. Twice, each time from clean.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ROOT

#: Exactly this one; `ops/deploy_cmd.py` says why, and `tests/unit/test_cost_and_deploy.py` keeps the two equal.
CDK = "aws-cdk@2.1148.1"
ACCOUNT = "000000000000"
PYTHON = str(ROOT / ".venv" / "bin" / "python")
LIBRARIES = sorted((ROOT / ".venv" / "lib").glob("python*/site-packages"))


class Emulator:
    """ministack in a process of its own, on this machine's own address only, its data in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"
        program = shutil.which("ministack", path=str(Path(sys.executable).parent))
        assert program, "ministack is not in this venv"
        environment = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "PYTHONPATH": str(LIBRARIES[-1]),  # the zips hold our code only
        }
        self._process = subprocess.Popen(
            [program], cwd=folder, env=environment, stdout=self.log.open("wb"), stderr=subprocess.STDOUT
        )

    def await_ready(self) -> None:
        """Until it answers."""
        for _ in range(300):
            assert self._process.poll() is None, self.log.read_text()[-2_000:]
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("the emulator does not answer")

    def stop(self) -> None:
        """It does not always end when asked."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    started = Emulator(tmp_path)
    try:
        started.await_ready()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def cdk() -> str:
    """The stock CLI, from npm, kept in build/."""
    folder = ROOT / "build" / "cdk-cli"
    program = folder / "node_modules" / ".bin" / "cdk"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", CDK]
        subprocess.run(npm, check=True, env=with_our_node())
    return str(program)


def with_our_node() -> dict[str, str]:
    """The environment, in which Node is the one that this venv carries."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def environment(emulator: Emulator) -> dict[str, str]:
    return {
        **with_our_node(),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ENDPOINT_URL_S3": emulator.url,
        "CDK_DISABLE_CLI_TELEMETRY": "1",
    }


def run(command: list[str], emulator: Emulator, **more: str) -> str:
    """Its output; AssertionError with the end of both logs when it fails."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(emulator), **more},
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    log = emulator.log.read_text(errors="replace")[-3_000:]
    assert ended.returncode == 0, f"{command}: {ended.stdout[-2_000:]}\n{ended.stderr[-3_000:]}\n{log}"
    return ended.stdout


@pytest.mark.skipif(not LIBRARIES, reason="functions run on the ordinary venv's libraries")
@pytest.mark.parametrize("time_around", ["first", "again"])
def test_a_real_article_goes_through_the_deployed_functions_to_the_deployed_api(
    tmp_path: Path, emulator: Emulator, cdk: str, time_around: str
):
    run([cdk, "bootstrap", f"aws://{ACCOUNT}/us-east-1", "--app", "", "--output", str(tmp_path / "boot")], emulator)
    given = ["bundle=source", "guardrail=off", "windows=driver", f"account={ACCOUNT}"]
    told = run(
        [PYTHON, "-m", "tests.infra.deploying", str(tmp_path / "checkout"), *given], emulator, CANDLEWICK_CDK=cdk
    )
    deployed = json.loads(told.splitlines()[-1])
    api = deployed["outputs"]
    assert set(deployed["differences"]) == {"missing", "extra", "different"}
    assert not any(deployed["differences"].values()), "the dashboard is the repository's"
    lake = f"dev-candlewick-lake-{ACCOUNT}-us-east-1"
    found = json.loads(run([PYTHON, "-m", "tests.infra.article", lake, api["HttpApiUrl"]], emulator))
    assert found["item"] == {"sentiment": "negative", "tickers": ["AAPL"]}
    assert found["candle"]["count"] == 1
    assert found["candle"]["close"] < 0, "negative news is negative"
    assert all(windowed for windowed, _ in found["windows"])
    assert found["windows"][-1][1], "the window was closed"
    assert found["sent"] in found["listed"]
    assert found["lake"] >= 1


def scored_event(number: int) -> dict[str, Any]:
    """A `scored-article/1` of some hours ago, told by its number."""
    at = datetime.fromtimestamp(time.time() // 3600 * 3600 - 7200 + number * 17, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "schema": "scored-article/1", "event_id": f"test#{number:016x}@AAPL", "article_id": f"test#{number:016x}",
        "subject": "AAPL", "source": "test", "event_time": at, "ingested_at": at, "scored_at": at, "label": "neutral",
        "confidence": 0.5, "polarity": round(number / 200 - 0.4, 4), "model_version": "m1",
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def counted(port: int) -> int:
    """Events in the hours that a running line shows; 0 while it does not answer yet."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/v2/timeseries/AAPL?resolution=1h", timeout=5
        ) as answer:
            series = json.loads(answer.read())
    except OSError:
        return 0
    return sum(bucket["count"] for bucket in [*series["buckets"], series["partial_bucket"]] if bucket)


@pytest.mark.skipif(not LIBRARIES, reason="the command line lives in the ordinary venv")
def test_the_one_process_line_runs_on_an_endpoint_and_agrees_with_a_rebuild(tmp_path: Path, emulator: Emulator):
    """publish, up, drain and verify on an emulator that has nothing yet: the home makes what is missing."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(scored_event(number % 150)) + "\n" for number in range(200)))
    program, folder = str(ROOT / ".venv" / "bin" / "candlewick"), ["--data-dir", str(tmp_path / "data")]
    plain = {name: value for name, value in environment(emulator).items() if not name.startswith("AWS_ENDPOINT_URL")}
    given = {**plain, "CANDLEWICK_HOME": "aws", "CANDLEWICK_ENDPOINT_URL": emulator.url}

    def answer(*command: str) -> dict[str, Any]:
        ended = subprocess.run(
            [program, *command, *folder], env=given, capture_output=True, text=True, timeout=200, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}\n{ended.stderr}"
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    assert answer("publish", str(file), "--as", "scored") == {"read": 200, "published": 200, "rejected": 0}
    port, log = free_port(), tmp_path / "up.log"
    up = [program, "up", "--no-demo", "--no-sources", "--port", str(port), "--endpoint-url", emulator.url, *folder]
    with log.open("wb") as out:
        running = subprocess.Popen(up, env=plain, stdout=out, stderr=out)
    try:
        for _ in range(600):
            if counted(port) == 150:
                break
            assert running.poll() is None, log.read_text()[-3_000:]
            time.sleep(0.2)
        assert counted(port) == 150, log.read_text()[-3_000:]
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)
    drained = answer("drain")
    assert (drained["received"], drained["counted"], drained["duplicates"]) == (150, 150, 50)
    assert answer("verify", "--json")["total_differences"] == 0
