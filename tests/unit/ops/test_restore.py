"""`restore`: from the lake alone the same buckets, verdicts and settings, whatever became of the databases."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from api.watch_lists import KIND as WATCH_KIND
from contracts.clock import SystemClock
from local.demo import DATA_FILE, read_day
from stores.files_lake import FilesLake
from stores.sqlite_control import SqliteControlStore
from tests.e2e.harness import answer, candlewick
from tests.events import lines, stream


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A data directory, what `drain` said of it, and its digest; afterwards its databases are damaged."""
    folder = tmp_path_factory.mktemp("old")
    data, file = folder / "data", folder / "events.jsonl"
    file.write_bytes(lines(stream(400, seed=7)) + b'{"source":"rss","subject":5}\n')
    answer("publish", str(file), "--as", "scored", "--data-dir", str(data), code=3)
    rows = [
        {"schema": "raw-article/1", "source": "test", "title": row["h"], "snippet": row["s"], "url": row["u"],
         "published_at": "2025-12-21T12:00:00Z", "ingested_at": "2025-12-21T12:00:01Z", "tickers": ["AAPL"]}
        for row in read_day(DATA_FILE)[:5]
    ]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer("publish", str(file), "--as", "raw", "--data-dir", str(data))
    counts = answer("drain", "--data-dir", str(data))
    control = SqliteControlStore(data / "control.db", SystemClock(), "normal")
    control.put(WATCH_KIND, "w1", {"name": "Chips", "subjects": ["NVDA"]})
    control.close()
    digest = json.loads(candlewick("verify", "--json", "--data-dir", str(data)).stdout)["digest"]
    for name in ("log.db", "buckets.db", "items.db"):
        (data / name).write_bytes(random.Random(1).randbytes(20_000))
    return data, counts, digest


def test_the_same_buckets_and_counts_from_the_lake_alone(old, tmp_path: Path) -> None:
    data, counts, digest = old
    new = str(tmp_path / "new")
    found = answer("restore", str(data), "--data-dir", new, "--json")
    assert (found["raw"], found["damaged"], found["settings"]) == (5, [], 1)
    again = answer("drain", "--data-dir", new)
    assert {k: again[k] for k in ("received", "counted", "too_late")} == {
        k: counts[k] for k in ("received", "counted", "too_late")
    }
    assert json.loads(candlewick("verify", "--json", "--data-dir", new).stdout)["digest"] == digest


def test_which_article_tells_a_story_is_not_decided_anew(tmp_path: Path) -> None:
    """The second source's name sorts first, so its object would be read first; and somebody watches a tag since."""
    data, file, new = str(tmp_path / "data"), tmp_path / "raw.jsonl", str(tmp_path / "new")
    for source, seconds, tickers in (("zulu", 1, ["AAPL"]), ("alpha", 2, ["AAPL", "MSFT"])):
        row = {
            "schema": "raw-article/1", "source": source, "title": "Chips rise on strong sales", "snippet": "",
            "url": f"https://{source}.example/1", "published_at": "2025-12-21T12:00:00Z",
            "ingested_at": f"2025-12-21T12:00:0{seconds}Z", "tickers": tickers, "tags": [],
        }  # fmt: skip
        file.write_text(json.dumps(row) + "\n")
        answer("publish", str(file), "--as", "raw", "--data-dir", data)
        answer("drain", "--data-dir", data)
    before = json.loads(candlewick("verify", "--json", "--data-dir", data).stdout)
    assert before["events"] == 2, "one story, two subjects"
    control = SqliteControlStore(Path(data) / "control.db", SystemClock(), "normal")
    control.put(WATCH_KIND, "w1", {"name": "Chips", "subjects": ["tag:chips"]})
    control.close()
    answer("restore", data, "--data-dir", new, "--json")
    answer("drain", "--data-dir", new)
    after = json.loads(candlewick("verify", "--json", "--data-dir", new).stdout)
    assert (after["events"], after["digest"]) == (2, before["digest"])


def test_a_damaged_object_is_named_and_the_rest_is_restored(old, tmp_path: Path) -> None:
    data, counts, _ = old
    lake = FilesLake(data / "lake")
    key = lake.keys("scored/")[0]
    path = data / "lake" / key
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        done = candlewick("restore", str(data), "--data-dir", str(tmp_path / "new"))
    finally:
        path.write_bytes(whole)
    assert done.returncode == 3
    assert key in done.stdout.decode()
    assert 0 < answer("drain", "--data-dir", str(tmp_path / "new"))["counted"] < counts["counted"] + 1


def test_a_folder_without_a_lake_and_the_same_folder_are_refused(old, tmp_path: Path) -> None:
    assert candlewick("restore", str(tmp_path), "--data-dir", str(tmp_path / "new")).returncode == 2
    assert candlewick("restore", str(old[0]), "--data-dir", str(old[0])).returncode != 0
