"""Bad input on the command line: one clear line naming cause and remedy, nothing lost, never a traceback."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from contracts.instants import iso_ms
from tests.e2e.harness import CANDLEWICK, Up, answer, candlewick, environment
from tests.events import BASE_MS, lines, scored, stream


def refused(*arguments: str, code: int) -> str:
    """A command's one line of complaint."""
    done = candlewick(*arguments, timeout=60)
    text = done.stderr.decode()
    assert done.returncode == code, f"ended with {done.returncode}: {text}"
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text
    return text


def test_every_bad_line_is_named_and_the_good_ones_count(tmp_path: Path) -> None:
    good = scored(1, "AAPL", BASE_MS, 0.5)
    bad = [
        b"{not json\n",
        b'{"schema":"scored-article/1","polarity":NaN}\n',
        json.dumps(good | {"polarity": 2}).encode() + b"\n",
        json.dumps({k: v for k, v in good.items() if k != "label"}).encode() + b"\n",
        json.dumps(good | {"subject": "AA#PL"}).encode() + b"\n",
        json.dumps(good | {"source": "x" * 300_000}).encode() + b"\n",
        json.dumps(good | {"event_time": "yesterday"}).encode() + b"\n",
    ]
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(b"".join(bad) + lines([good]))
    data = str(tmp_path / "data")
    done = candlewick("publish", str(file), "--as", "scored", "--data-dir", data)
    assert json.loads(done.stdout) == {"read": 8, "published": 1, "rejected": 7}
    assert done.returncode == 3
    made, *complaints = done.stderr.decode().splitlines()
    assert made == f"{data} is a new data directory"
    assert [line.split(":")[1] for line in complaints] == [str(n) for n in range(1, 8)]
    assert answer("drain", "--data-dir", data)["counted"] == 1
    listed = candlewick("quarantine", "list", "--json", "--data-dir", data).stdout.splitlines()
    assert len(listed) == 7


def test_raw_articles_of_every_kind(tmp_path: Path) -> None:
    def raw(number: int, **more: object) -> dict:
        at = iso_ms(BASE_MS)
        return {
            "schema": "raw-article/1", "source": "test", "title": f"Apple shares rise {number}", "snippet": "",
            "url": f"https://example.com/{number}", "published_at": at, "ingested_at": at, "tickers": ["AAPL"],
        } | more  # fmt: skip

    rows = [
        raw(1),
        raw(2, title="<b>Apple</b> <script>alert(1)</script> falls"),
        raw(3, title="أبل ترتفع 🚀📈 Apple"),
        raw(4, snippet="x" * 300_000),
        raw(5, published_at="1970-01-01T00:00:00Z"),
        raw(6, published_at=iso_ms(BASE_MS + 86_400_000)),
        raw(7, tickers=["#AAPL"]),
        raw(8, title=None),
    ]
    file = tmp_path / "raw.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = str(tmp_path / "data")
    done = candlewick("publish", str(file), "--data-dir", data)
    counts = json.loads(done.stdout)
    assert "Traceback" not in done.stderr.decode()
    assert counts["read"] == 8
    found = answer("drain", "--data-dir", data)
    assert found["received"] == found["counted"] + found["too_late"] + found["quarantined"]
    assert counts["rejected"] + found["quarantined"] + found["counted"] >= 8
    assert found["counted"] >= 3


def test_files_that_are_not_what_they_claim(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    done = candlewick("publish", str(empty), "--data-dir", data)
    assert json.loads(done.stdout) == {"read": 0, "published": 0, "rejected": 0}
    assert b"empty" in done.stderr
    binary = tmp_path / "news.jsonl"
    binary.write_bytes(os.urandom(5_000))
    assert "binary" in refused("publish", str(binary), "--data-dir", data, code=2)
    assert "No such file" in refused("publish", str(tmp_path / "nothing"), "--data-dir", data, code=2)


def test_a_port_in_use_names_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "--port" in refused("up", "--data-dir", str(tmp_path / "d"), "--port", port, "--no-sources", code=1)


def test_a_data_directory_of_another_version(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "candlewick.json").write_text('{"format": 99, "program": "candlewick"}')
    assert "99" in refused("up", "--data-dir", str(data), "--port", "0", "--no-sources", code=1)
    assert "99" in refused("buckets", "AAPL", "--data-dir", str(data), code=1)


def test_two_ups_on_one_directory_and_drain_beside_up(tmp_path: Path) -> None:
    data = tmp_path / "data"
    events = stream(400, seed=3)
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(events))
    with Up(data) as up:
        text = refused("up", "--data-dir", str(data), "--port", "0", "--no-sources", code=1)
        assert str(up.process.pid) in text
        answer("publish", str(file), "--as", "scored", "--data-dir", str(data))
        found = answer("drain", "--data-dir", str(data))
        assert found["received"] == len({(e["subject"], e["event_id"]) for e in events})
        up.kill()
    # The killed process left nothing behind that would be in the way.
    with Up(data) as up:
        assert up.stop() == 0


@pytest.mark.parametrize("command", ["publish", "drain"])
def test_a_full_disk_is_said_and_loses_nothing_acknowledged(tmp_path: Path, command: str) -> None:
    """A file-size limit is the full disk here: the kernel refuses to let the database grow."""
    data = tmp_path / "data"
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.write_bytes(lines(stream(300, seed=1)))
    second.write_bytes(lines(stream(20_000, seed=2)))
    answer("publish", str(first), "--as", "scored", "--data-dir", str(data))
    if command == "drain":
        answer("publish", str(second), "--as", "scored", "--data-dir", str(data))
        arguments = ["drain"]
    else:
        arguments = ["publish", str(second), "--as", "scored"]
    limit = (data / "log.db").stat().st_size // 1024 + 400 if command == "publish" else 300
    script = f"ulimit -f {limit}; trap '' XFSZ; exec " + " ".join([*CANDLEWICK, *arguments, "--data-dir", str(data)])
    with (tmp_path / "said").open("w+b") as said:
        running = subprocess.Popen(["bash", "-c", script], stdout=said, stderr=said, env=environment())
        text = _complaint(running, said.name)
        running.kill()  # drain goes on trying until there is room; what it is killed in is safe
        running.wait()
    assert "Traceback" not in text
    before = len(first.read_bytes().splitlines())
    found = answer("drain", "--data-dir", str(data))
    assert found["received"] + found["duplicates"] >= before
    assert candlewick("verify", "--data-dir", str(data)).returncode == 0


def _complaint(running: subprocess.Popen[bytes], said: str) -> str:
    """What a command has said of a full disk; waits for it a minute at most."""
    for _ in range(600):
        text = Path(said).read_text()
        if any(word in text for word in ("full", "I/O", "disk")):
            return text
        assert running.poll() in (None, 1), f"ended with {running.returncode} and no word of the disk: {text}"
        time.sleep(0.1)
    raise AssertionError(f"not a word of the disk in a minute: {Path(said).read_text()}")
