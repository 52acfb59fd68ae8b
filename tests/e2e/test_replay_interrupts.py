"""Ctrl-C, SIGKILL of the command and SIGKILL of a worker, on the real program with worker processes: nothing is lost,
the same digest comes out, and no process is left behind."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import oracle
from tests.e2e.harness import CANDLEWICK, answer, candlewick, environment, stored_fields
from tests.events import SUBJECTS, lines, stream


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests that are run in the background of a shell ignore Ctrl-C, and so would what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def caught(folder: Path, plan: str, strike: Callable[[int], None]) -> tuple[int, str, dict[str, Any]]:
    """Start a run, strike it in the middle; how it ended, its stderr, and its document."""
    command = [*CANDLEWICK, "replay", "run", plan, "--concurrency", "2", "--rate", "1000", "--json"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "building":
            break
    strike(process.pid)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.decode(), answer("runs", "list", "--json", "--data-dir", str(folder))["runs"][0]


def first_worker(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


@pytest.mark.usefixtures("interruptible")
def test_struck_in_three_ways_and_resumed(tmp_path: Path) -> None:
    events = stream(6_000, seed=5, hours=400, duplicates=0.05)
    file, folder = tmp_path / "events.jsonl", tmp_path / "data"
    file.write_bytes(lines(events))
    answer("publish", str(file), "--as", "scored", "--data-dir", str(folder))
    plan = answer("replay", "plan", "--json", "--data-dir", str(folder))["plan"]
    code, errors, interrupted = caught(folder, plan, lambda process: os.killpg(process, signal.SIGINT))
    assert (code, interrupted["state"]) == (130, "interrupted")
    assert f"resume {interrupted['id']}" in errors
    code, _, killed = caught(folder, plan, lambda process: os.kill(process, signal.SIGKILL))
    assert (code, killed["state"]) == (-9, "running")
    code, errors, failed = caught(folder, plan, lambda process: os.kill(first_worker(process), signal.SIGKILL))
    assert (code, failed["state"]) == (1, "failed")
    assert "a worker process ended" in errors
    digests = set()
    for run in (interrupted, killed, failed):
        done = candlewick("replay", "resume", run["id"], "--json", "--data-dir", str(folder))
        assert done.returncode == 0, done.stderr.decode()
        digests.add(json.loads(done.stdout.splitlines()[-1])["digest"])
    assert len(digests) == 1
    shown = candlewick("replay", "promote", killed["id"], "--force", "--reason", "to look", "--data-dir", str(folder))
    assert shown.returncode == 0, shown.stderr.decode()
    day = {key: row for key, row in stored_fields(folder, list(SUBJECTS[:1])).items() if key[1] == "24h"}
    assert day == {key: row for key, row in oracle.buckets(events).items() if key[:2] == (SUBJECTS[0], "24h")}
