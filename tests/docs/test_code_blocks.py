"""Every block of code in the README and the tutorial runs, in order, as a reader would run it.

Blocks are shell. `<!-- terminal -->` before one: it is a server in a terminal of its own, until the next such block or
the end. `<!-- run: for three seconds -->`: it never ends by itself. `<!-- not run: … -->`: named here, with a reason.
What changes: port 8000 becomes a free one, the tutorial's feed is served here, the demo fills in two hours instead
of a day, and archivers gather for half a second (`short_day`).
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks_of
from tests.e2e.harness import ROOT, environment
from tests.fakes.web import fake_site, page

#: What may stay unrun: installing takes minutes and a network; CI does it before these tests.
NOT_RUN = {"make run", "make test", "make setup", "source .venv/bin/activate"}
FEED = b"""<rss version="2.0"><channel><title>t</title><item><title>Chip demand soars at Nvidia</title>
<link>http://news.example/1</link><pubDate>Sun, 21 Dec 2025 10:35:12 GMT</pubDate></item></channel></rss>"""
SHELL = {"sh", "bash"}


class Reader:
    """Somebody at a shell in an empty folder, with the program on the path."""

    def __init__(self, folder: Path, port: int, feed: str) -> None:
        self.folder = folder
        self._port, self._feed = port, feed
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        program = bin_folder / "candlewick"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.docs.short_day "$@"\n')
        program.chmod(0o755)
        (bin_folder / "python").symlink_to(sys.executable)
        self.environment = environment() | {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "CANDLEWICK_PRIVATE_NETWORKS": "127.0.0.0/8",
        }
        self._server: subprocess.Popen[bytes] | None = None

    def here(self, code: str) -> str:
        code = code.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")
        code = code.replace("https://news.example/feed.xml", self._feed)
        return re.sub(r"(candlewick up)\b", rf"\1 --port {self._port} --no-sources", code)

    def run(self, block: Block) -> str:
        """Its output. Every line must succeed."""
        seconds = 3 if block.note == "run: for three seconds" else 120
        # With a trap the shell stays until the program it runs has ended, as a reader at a terminal does.
        script = "set -eo pipefail\ntrap : TERM\n" + self.here(block.code)
        command = ["timeout", str(seconds), "bash", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        ends = (0, 124) if seconds == 3 else (0,)
        assert done.returncode in ends, f"{block.code}\nended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def open_terminal(self, block: Block) -> None:
        self.close_terminal()
        with (self.folder / "terminal.log").open("ab") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", "exec env " + self.here(block.code.strip())],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self._server.poll() is None, (self.folder / "terminal.log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "terminal.log").read_text())

    def close_terminal(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            assert self._server.wait(timeout=20) == 0, "Ctrl-C did not end it well"
            self._server = None


@pytest.fixture
def reader(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with fake_site() as site:
        made = Reader(tmp_path, port, site.put("/feed.xml", page(FEED)))
        yield made
        made.close_terminal()


def follow(name: str, reader: Reader) -> list[str]:
    """Run a page's blocks in order; what each printed."""
    printed = []
    for block in blocks_of(Path(name)):
        if block.language not in SHELL:
            continue
        if block.note.startswith("not run:"):
            commands = {line.partition("#")[0].strip() for line in block.code.splitlines()}
            assert commands <= NOT_RUN, f"{name}: {commands - NOT_RUN} is not run and has no reason"
        elif block.note == "terminal":
            reader.open_terminal(block)
        else:
            printed.append(reader.run(block))
    return printed


def test_the_readme_runs(reader: Reader) -> None:
    printed = "\n".join(follow("README.md", reader))
    assert "2025-12-21T10:00:00Z" in printed, "the published article has no candle"
    assert "event: hello" in printed
    assert re.search(r"ok: \d+ buckets equal a rebuild", printed)


def test_the_tutorial_runs(reader: Reader) -> None:
    printed = follow("docs/tutorial.md", reader)
    everything = "\n".join(printed)
    assert "Chip demand soars at Nvidia" in everything, "the own feed brought nothing"
    assert re.search(r"ok: \d+ buckets equal a rebuild", everything)
    assert json.loads(printed[-2].strip().splitlines()[-1])["subjects"] == ["NVDA", "tag:chips"]
    assert "g2 is live" in printed[-1]
    tag = next(text for text in printed if text.startswith("start") and "2025-12-21T10:00:00Z" in text)
    assert len(tag.splitlines()) == 2, "one hour, one candle"


def test_pages_of_the_first_hour_have_no_other_language_that_is_not_run() -> None:
    for name in ("README.md", "docs/tutorial.md", "CONTRIBUTING.md"):
        assert {block.language for block in blocks_of(Path(name))} <= SHELL | {"", "json"}
    assert (ROOT / "README.md").read_text().count("```") % 2 == 0
