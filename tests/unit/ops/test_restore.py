"""`restore`: from the lake alone the same buckets, verdicts and settings, whatever became of the databases."""

import json
import os
import random
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.auth import issue
from api.auth import verify as verify_token
from api.epoch import Epoch
from api.keyring import Keyring
from api.watch_lists import KIND as WATCH_KIND
from api.watch_lists import WatchLists
from contracts.aside import aside_of, digest_key, list_asides, put_asides
from contracts.clock import ManualClock, SystemClock
from contracts.errors import BadRequest, InUse, Transient
from contracts.events import RAW_STREAM, SCORED_STREAM, make_raw
from contracts.generation import POINTER, RUN_KIND
from contracts.instants import iso_ms
from contracts.kinesis import StreamRecord
from contracts.ports import Entry, Position
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings, load, to_env
from local.demo import DATA_FILE, read_day
from local.drain import drain_all
from local.driver import run_until_idle
from local.driver_failures import FailureDestination
from local.driver_source import KinesisSource
from local.line import drivers_of
from ops.accounting import account
from ops.restore import check_places, next_steps, print_restored, restore
from ops.verify import verify
from stores.data_dir import DataDir, UpLock, unused
from stores.files_lake import FilesLake
from stores.home import Home, forget_homes, open_home
from stores.sqlite_connection import Database
from stores.sqlite_control import SqliteControlStore
from tests.e2e.harness import answer, candlewick
from tests.events import BASE_MS, lines, scored, stream
from tests.unit.replay.kit import Live, put, settings_of


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
    assert found["next"] == [f"candlewick {command} --data-dir {new}" for command in ("drain", "verify")]
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


def test_a_damaged_control_store_is_said_and_the_rest_is_restored(old, tmp_path: Path) -> None:
    path = old[0] / "control.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + random.Random(2).randbytes(20_000))
    try:
        done = candlewick("restore", str(old[0]), "--data-dir", str(tmp_path / "new"))
    finally:
        path.write_bytes(whole)
    assert done.returncode == 3
    assert "control.db cannot be read" in done.stdout.decode()
    assert [each.name for each in (tmp_path / "new").glob("restore-*")] == []


def test_a_folder_without_a_lake_and_the_same_folder_are_refused(old, tmp_path: Path) -> None:
    assert candlewick("restore", str(tmp_path), "--data-dir", str(tmp_path / "new")).returncode == 2
    (tmp_path / "link").symlink_to(old[0])
    for same in (old[0], tmp_path / "link", old[0] / ".." / old[0].name):
        with pytest.raises(BadRequest, match="into another one"):
            check_places(same, str(old[0]))
    assert candlewick("restore", str(old[0]), "--data-dir", str(old[0])).returncode != 0


def test_a_folder_in_use_is_refused_before_anything_is_made(opened, tmp_path: Path) -> None:
    opened("used")
    home, settings = opened("new")
    used = tmp_path / "used"
    (used / "lake").mkdir(exist_ok=True)
    with UpLock(DataDir(used)):
        for refused in (lambda: check_places(used, str(tmp_path / "none")), lambda: restore(home, settings, used)):
            with pytest.raises(InUse, match=f"in use by process {os.getpid()}; stop that process first"):
                refused()
    check_places(used, str(tmp_path / "none"))
    with unused(used), pytest.raises(InUse):
        UpLock(DataDir(used))


# ---- without subprocesses ---------------------------------------------------------------------------------------
@pytest.fixture
def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[Home, AggregatorSettings]]]:
    """Opens the home of a folder; the handlers work on the last one that was opened."""
    for name in [name for name in os.environ if name.startswith("CANDLEWICK_")]:
        monkeypatch.delenv(name)

    def opener(name: str) -> tuple[Home, AggregatorSettings]:
        settings = AggregatorSettings(data_dir=str(tmp_path / name), synchronous="normal")
        for key, value in to_env(settings).items():
            monkeypatch.setenv(key, value)
        return open_home(settings), settings

    yield opener
    forget_homes()


def put_articles(home: Home, *articles: tuple[str, str, list[str]], published_at: str | None = None) -> None:
    """Articles of (source, title, tickers), published one minute after the other unless `published_at` says when."""
    entries = []
    for minute, (source, title, tickers) in enumerate(articles):
        article = {
            "schema": "raw-article/1", "article_id": f"{source}#{title[:9]}", "source": source, "title": title,
            "snippet": "", "url": f"https://{source}.example/{title[:5]}",
            "published_at": published_at or f"2025-12-21T12:0{minute}:00.000Z",
            "ingested_at": f"2025-12-21T12:0{minute}:01.000Z",
            "tickers": tickers, "tags": [],
        }  # fmt: skip
        entries.append(Entry(article["article_id"], json.dumps(article).encode()))
    home.log.put_records(RAW_STREAM, entries)


def run_only(home: Home, *names: str) -> None:
    drivers = [driver for driver in drivers_of(home) if driver.mapping.name in names]
    run_until_idle(drivers, home.clock, final=True)


def drained(home: Home, settings: AggregatorSettings) -> tuple[dict[str, int], str]:
    drain_all(home, settings, lambda line: None)
    counts = account(home, settings.allowed_lateness_ms)
    assert counts.balanced
    told = {name: getattr(counts, name) for name in ("received", "counted", "too_late", "quarantined")}
    return told, verify(home, settings).digest


@pytest.mark.parametrize("ran", [("archiver-raw", "archiver-scored"), ("archiver-raw", "classifier")])
def test_what_has_no_saved_events_is_left_to_the_classifier(opened, ran: tuple[str, ...]) -> None:
    """The classifier stopped and the archivers went on; or it went on and its events were not saved. Among the articles
    are another source's copies of a story that is told already, one of them about one more company."""
    old, settings = opened("old")
    story = "Chips rise on strong sales"
    put_articles(old, ("zulu", story, ["AAPL"]), ("zulu", "Banks fall after weak earnings", ["JPM"]))
    drain_all(old, settings, lambda line: None)
    put_articles(
        old, ("beta", story, ["AAPL"]), ("alpha", story, ["AAPL", "MSFT"]), ("beta", "Oil prices surge", ["XOM"]),
        ("beta", "Nothing happened anywhere", []),
    )  # fmt: skip
    run_only(old, *ran)
    new, settings_of_new = opened("new")
    restore(new, settings_of_new, Path(settings.data_dir))
    restored = drained(new, settings_of_new)
    old, settings = opened("old")
    assert restored == drained(old, settings)
    assert restored[0]["counted"] == 4


def test_who_came_too_late_has_its_item_again_whatever_order_the_lake_has(opened) -> None:
    """It had lost its subject to one that came in time: claimed in the other order it would be that one's copy."""
    old, settings = opened("old")
    for source, published_at in (("zulu", "2025-12-20T11:00:00.000Z"), ("beta", "2025-12-20T13:00:00.000Z")):
        put_articles(old, (source, "Chips rise on strong sales", ["AAPL"]), published_at=published_at)
        drain_all(old, settings, lambda line: None)
    first, second = (next(iter(old.lake.keys(f"raw/source={source}/"))) for source in ("zulu", "beta"))
    assert first.rpartition("/")[2] < second.rpartition("/")[2]
    later = Path(settings.data_dir, "lake", first)
    later.rename(later.with_name("shardId-000000000009" + later.name[len("shardId-000000000000") :]))
    new, settings_of_new = opened("new")
    restore(new, settings_of_new, Path(settings.data_dir))
    restored = drained(new, settings_of_new)
    assert (restored[0]["counted"], restored[0]["too_late"]) == (1, 1)
    assert {item["source_type"] for item in new.items.scan_primary()} == {"zulu", "beta"}


def test_scored_records_that_nobody_could_read_are_set_aside_anew(opened) -> None:
    old, settings = opened("old")
    old.log.put_records(SCORED_STREAM, [Entry("NVDA", b"no event")])
    before = drained(old, settings)
    new, settings_of_new = opened("new")
    restore(new, settings_of_new, Path(settings.data_dir))
    assert drained(new, settings_of_new) == before
    assert before[0]["quarantined"] == 1


def test_what_never_was_on_a_stream_or_was_given_up_on_is_not_lost(opened, tmp_path: Path) -> None:
    old, settings = opened("old")
    for stream_name in ("publish", "sources"):
        record = StreamRecord(stream_name, "x", "1", 0, "", b"no line", BASE_MS)
        put_asides(old.lake, [aside_of("quarantined", record, "unparseable", "line 1", digest_key(b"no line"))])
    put_articles(old, ("zulu", "Chips rise on strong sales", ["AAPL"]))
    event = json.dumps(scored(1, "NVDA", BASE_MS, 0.1)).encode()
    old.log.put_records(SCORED_STREAM, [Entry("NVDA", event), Entry("NVDA", b"no event")])
    for stream_name in (RAW_STREAM, SCORED_STREAM):
        give_up(old, stream_name)
    new, settings_of_new = opened("new")
    for _ in range(2):  # twice is as good as once
        found = restore(new, settings_of_new, Path(settings.data_dir))
        assert (found.scored, found.raw, found.damaged) == (2, 1, [])
    restored = drained(new, settings_of_new)
    assert restored[0] == {"received": 3, "counted": 2, "too_late": 0, "quarantined": 1}
    assert {line["stream"] for line in list_asides(new.lake, "quarantined")} == {"publish", "sources", SCORED_STREAM}


def give_up(home: Home, stream_name: str) -> None:
    """Everything on a stream becomes a batch that its archiver gave up on."""
    source = KinesisSource(home.log, stream_name)
    destination = FailureDestination(home.lake, "failed", "archiver")
    for shard in home.log.shards(stream_name):
        place = home.log.iterator(stream_name, shard.shard_id, Position("TRIM_HORIZON"))
        if records := home.log.get_records(place, 10).records:
            event = {"Records": [source.event_record(shard.shard_id, record) for record in records]}
            condition = "RetryAttemptsExhausted"
            destination.put(source, shard.shard_id, records, event, condition, 101, "r", "x", home.clock.now_ms())


def test_a_damaged_batch_or_opinion_is_named_and_stops_nothing(opened, tmp_path: Path) -> None:
    old, settings = opened("old")
    old.lake.put("failed/archiver-raw/shard/1-2.jsonl.gz", [b"{}"])
    old.lake.put("opinions/source=x/date=2025-12-21/1.jsonl.gz", [b"{}"])
    path = tmp_path / "old" / "lake" / "opinions/source=x/date=2025-12-21/1.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    new, settings_of_new = opened("new")
    found = restore(new, settings_of_new, Path(settings.data_dir))
    assert [key.partition("/")[0] for key in found.damaged] == ["failed", "opinions"]


def test_users_come_back_to_their_watch_lists_and_what_nobody_uses_expires(opened, tmp_path: Path) -> None:
    old, settings = opened("old")
    now_ms = old.clock.now_ms()
    token, user = issue(Keyring(old.control, old.secrets, old.clock, 30), now_ms, 30)
    WatchLists(old.control, old.clock, 10).create(user.user, "Chips", ["NVDA"])
    old.control.put(WATCH_KIND, "gone", {"subjects": ["GONE"]}, expires_ms=now_ms - 1)
    old.control.put(*POINTER, {"generation": "better"})
    old.control.put(RUN_KIND, "r1", {"id": "r1", "generation": "better", "model": "vader-1"})
    (tmp_path / "old" / ".env").write_text("FINNHUB_API_KEY=abc\n")
    (tmp_path / "old" / "lake").mkdir(exist_ok=True)
    new, settings_of_new = opened("new")
    found = restore(new, settings_of_new, Path(settings.data_dir))
    assert (found.settings, found.live_run, found.live_model) == (1, "r1", "vader-1")
    before, after = (Epoch(each.control, each.clock).refresh() for each in (old, new))
    assert after not in ("g1", before), "the change log is another"
    assert (tmp_path / "new" / ".env").read_text() == "FINNHUB_API_KEY=abc\n"
    again = verify_token(Keyring(new.control, new.secrets, new.clock, 30), token, now_ms)
    lists = WatchLists(new.control, new.clock, 10)
    (carried,) = lists.all_of(again.user).values()
    lists.delete(again.user, carried["id"])
    said: list[str] = []
    print_restored(restore(new, settings_of_new, Path(settings.data_dir)), settings_of_new, said.append)
    assert "r1 was live" in said[-1]
    assert lists.all_of(again.user) == {}, "what is there by now stays"
    later = SqliteControlStore(tmp_path / "new" / "control.db", ManualClock(now_ms + 40 * DAY_MS), "normal")
    assert later.list(WATCH_KIND) == {}
    later.close()


def test_an_article_fetched_again_under_another_headline_takes_no_story(opened) -> None:
    """It is known, so its second headline told nothing: the article that did keeps its subjects, and its item."""
    old, settings = opened("old")

    def tell(source: str, title: str, url: str, minute: int) -> None:
        row = {"title": title, "url": url, "published_at": iso_ms(BASE_MS), "tickers": ["AAPL"]}
        article = make_raw(source, row | {"ingested_at": iso_ms(BASE_MS + 60_000 * minute)})
        old.log.put_records(RAW_STREAM, [Entry(article.article_id, article.encode())])
        drain_all(old, settings, lambda line: None)

    tell("finnhub", "Apple sinks on lawsuit", "https://a.example/1", 1)
    tell("finnhub", "Apple sued over App Store fees", "https://a.example/1", 10)
    tell("rss", "Apple sued over App Store fees", "https://b.example/9", 15)
    before = {item["source_id"]: item["matched_tickers"] for item in old.items.scan_primary()}
    new, settings_of_new = opened("new")
    restore(new, settings_of_new, Path(settings.data_dir))
    drain_all(new, settings_of_new, lambda line: None)
    assert len(before) == 2
    assert {item["source_id"]: item["matched_tickers"] for item in new.items.scan_primary()} == before


@pytest.mark.parametrize("full", ["old", "new"])
def test_a_full_disk_loses_no_watch_list(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    """Nothing can be opened in the old folder, which is full or read-only; or there is no space for a copy in the new
    one, which is no reason to do without."""
    old, settings = opened("old")
    old.control.put(WATCH_KIND, "w1", {"name": "Chips", "subjects": ["NVDA"]})
    (tmp_path / "old" / "lake").mkdir(exist_ok=True)
    new, settings_of_new = opened("new")
    plain = Database.__init__

    def refusing(self: Database, path: Path, *rest: Any) -> None:
        if path.is_relative_to(tmp_path / full):
            raise Transient(path.name, f"no space left for {path}")
        plain(self, path, *rest)

    monkeypatch.setattr(Database, "__init__", refusing)
    if full == "new":
        with pytest.raises(Transient, match="no space"):
            restore(new, settings_of_new, Path(settings.data_dir))
    else:
        assert restore(new, settings_of_new, Path(settings.data_dir)).settings == 1
        assert new.control.list(WATCH_KIND).keys() == {"w1"}


def test_what_is_past_its_time_to_live_counts_again_by_the_drain_that_is_named(tmp_path: Path) -> None:
    """The aggregator judges by the clock what a restored stream brings: all of it would be `expired`."""
    clock = ManualClock()
    of_old, of_new = (settings_of(tmp_path / name, expire=True) for name in ("old", "new folder"))
    old, new = (open_home(settings, clock) for settings in (of_old, of_new))
    put(old, [scored(n, "AAPL", clock.now_ms() - n * 60_000, 0.5, clock.now_ms()) for n in range(100)])
    Live(old, of_old).all()
    clock.advance(3 * DAY_MS)
    said: list[str] = []
    print_restored(restore(new, of_new, tmp_path / "old"), of_new, said.append)
    steps = next_steps(of_new)
    assert f"next, before `up`: {'; '.join(steps)}\n" in said
    setting, *command = shlex.split(steps[0])
    assert command == ["candlewick", "drain", "--data-dir", of_new.data_dir]
    name, _, value = setting.partition("=")
    Live(new, load(AggregatorSettings, to_env(of_new) | {name: value})).all()
    assert days_of(new) == days_of(old)
    assert sum(days_of(new).values()) == 100
    assert new.lake.keys("late/") == []
    assert account(new, of_new.allowed_lateness_ms, expire=True).balanced
    assert verify(new, of_new).total_differences == 0
    forget_homes()


def days_of(home: Home) -> dict[int, int]:
    """How many events count in every day."""
    return {bucket.start_ms: bucket.summary.count for bucket in home.buckets.range("g1", "AAPL", "24h")}
