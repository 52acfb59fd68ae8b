"""Driving the real program as a user would: subprocesses, signals, HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from ops.cli import app
from stores.home import forget_homes
from tests import oracle

ROOT = Path(__file__).resolve().parents[2]
CANDLEWICK = [sys.executable, "-m", "ops.cli"]
START_TIMEOUT_S = 60


def environment() -> dict[str, str]:
    """The tests' environment without settings of the person who runs them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CANDLEWICK_", "AWS_"))}
    return kept | {"PYTHONPATH": str(ROOT)}


def candlewick(
    *arguments: str, stdin: bytes | None = None, timeout: float = 300, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    env = environment() | (settings or {})
    return subprocess.run(
        [*CANDLEWICK, *arguments], input=stdin, capture_output=True, timeout=timeout, env=env, check=False
    )


def answer(*arguments: str, code: int = 0, settings: dict[str, str] | None = None) -> Any:
    """A command's JSON answer; fails unless it ends with `code`."""
    done = candlewick(*arguments, settings=settings)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stderr.decode()[-2000:]}"
    return json.loads(done.stdout)


class Up:
    """A running `candlewick up` on a free port; `program` may be another that takes its arguments."""

    def __init__(
        self, data_dir: Path, *more: str, program: list[str] = CANDLEWICK, settings: dict[str, str] | None = None
    ) -> None:
        self.log = data_dir.parent / f"{data_dir.name}.up.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "up", "--data-dir", str(data_dir), "--port", "0", "--no-sources", "--json", *more],
                stdout=subprocess.PIPE, stderr=log, env=environment() | (settings or {}),
            )  # fmt: skip
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first, f"up did not start: {self.log.read_text()[-3000:]}"
        self.url: str = json.loads(first)["url"]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return json.load(reply)

    def wait_ready(self) -> "Up":
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            try:
                self.get("/ready")
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"not ready after {START_TIMEOUT_S} s: {self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def __enter__(self) -> "Up":
        return self.wait_ready()

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.kill()


def output_here(*arguments: str) -> bytes:
    """What a command prints, run to its end in this process: for the many whose process is not what is tested. Every
    home is opened anew, as a new process would find it. Not for `drain` and `up`, whose handlers keep their home."""
    forget_homes()
    try:
        with mock.patch.dict(os.environ, environment(), clear=True):
            done = CliRunner().invoke(app, list(arguments))
    finally:
        forget_homes()
    assert done.exit_code == 0, f"{arguments} ended with {done.exit_code}: {done.stderr[-2000:]} {done.exception!r}"
    return done.stdout_bytes


def stored_fields(data_dir: Path, subjects: list[str]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Every stored bucket at every resolution, as the command line prints it, in the oracle's fields."""
    found = {}
    for subject in subjects:
        for resolution in oracle.WIDTHS_S:
            printed = output_here(
                "buckets", subject, "--resolution", resolution, "--format", "jsonl", "--data-dir", str(data_dir)
            )
            for line in printed.splitlines():
                document = json.loads(line)
                key = (document["ticker"], document["resolution"], oracle.to_ms(document["start"]))
                found[key] = oracle.fields_of_document(document)
    return found
