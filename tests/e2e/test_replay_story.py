"""The whole story on the real program: a day of news, another model, a kill, a promote under live traffic with somebody
watching, and back again. Every figure is checked against an oracle that shares no code with the engine."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumers.classifier.models import registry
from consumers.classifier.text import model_text
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.instants import iso_ms
from contracts.ports import Entry, Position
from contracts.settings import AggregatorSettings
from local.demo import DATA_FILE, read_day
from local.driver_checkpoint import Checkpoints
from ops.replay.stitch import heads
from stores.home import forget_homes, open_home
from tests import oracle
from tests.bench.sse_client import SseClient
from tests.e2e.chromium import find
from tests.e2e.harness import CANDLEWICK, ROOT, Up, answer, candlewick, environment

DAY_MS = 1_766_275_200_000
FIRST, SECOND = 120, 160


def articles(first: int, last: int) -> list[dict[str, Any]]:
    """Real headlines of the demo's day, as raw articles."""
    made = []
    for number, row in enumerate(read_day(DATA_FILE)[first:last], first):
        at = iso_ms(DAY_MS + row["o"])
        made.append(
            {
                "schema": "raw-article/1", "article_id": f"story#{number:016x}", "source": "story", "title": row["h"],
                "snippet": row["s"], "tickers": row["t"], "published_at": at, "ingested_at": at,
            }
        )  # fmt: skip
    return made


def other_model() -> tuple[str, Any]:
    """A model that is not the one the line scores with."""
    name = "vader" if registry.DEFAULT != "vader" else "finvader"
    try:
        return name, registry.load(name)
    except registry.ModelUnavailable as error:
        pytest.skip(f"no second model here: {error}")


class Story:
    """The data directory seen from outside: what is in the log, and what must be in a generation."""

    def __init__(self, folder: Path, model: Any) -> None:
        self.folder = folder
        self._texts = {each["article_id"]: model_text(each["title"], each["snippet"]) for each in articles(0, SECOND)}
        self._scores = dict(zip(self._texts, model.score(list(self._texts.values())), strict=True))
        self._version = model.version

    def home(self) -> Any:
        return open_home(AggregatorSettings(data_dir=str(self.folder)))

    def logged(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(shard, sequence number, event) of the whole log."""
        log, found = self.home().log, []
        for shard in log.shards(SCORED_STREAM):
            page = log.get_records(log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON")))
            found += [(shard.shard_id, each.sequence_number, json.loads(each.data)) for each in page.records]
        return found

    def again(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event as the other model scores it."""
        score = self._scores[event["article_id"]]
        return event | {
            "label": score.label, "polarity": score.polarity_e4 / 10_000, "model_version": self._version,
        }  # fmt: skip

    def expected(self, handover: dict[str, str] | None = None) -> dict:
        """As logged; or up to the handover's position with the other model's scores and as logged beyond it."""
        events = []
        for shard, sequence, event in self.logged():
            again = handover is not None and int(sequence) <= int(handover.get(shard, 0))
            events.append(self.again(event) if again else event)
        return oracle.buckets(events)

    def stored(self, generation: str) -> dict:
        return {tuple(each.key): oracle.fields_of(each) for each in self.home().buckets.scan(generation)}

    def publish(self, made: list[dict[str, Any]]) -> None:
        entries = [Entry(each["article_id"], json.dumps(each).encode()) for each in made]
        self.home().log.put_records(RAW_STREAM, entries)

    def settle(self) -> None:
        """Until the running line has counted everything that was published."""
        wait_until(lambda: self._done("classifier", RAW_STREAM) and self._done("aggregator", SCORED_STREAM))

    def _done(self, mapping: str, stream: str) -> bool:
        home = self.home()
        checkpoints = Checkpoints(home.control, mapping)
        return all(
            checkpoints.load(shard).sequence_number == newest for shard, newest in heads(home.log, stream).items()
        )

    def call(self, *arguments: str, code: int = 0) -> Any:
        return answer("replay", *arguments, "--json", "--data-dir", str(self.folder), code=code)


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def killed_run(story: Story, plan: str) -> str:
    """A run caught by SIGKILL in the middle; its id."""
    command = [*CANDLEWICK, "replay", "run", plan, "--rate", "150", "--json", "--data-dir", str(story.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "building":
            break
    process.kill()
    process.wait()
    process.stdout.close()
    runs = answer("runs", "list", "--json", "--data-dir", str(story.folder))["runs"]
    assert runs[0]["state"] == "running", "killed, so it could not say so"
    return str(runs[0]["id"])


@contextmanager
def watching(up: Up, seen: list[tuple[str, float]]) -> Iterator[None]:
    """A client that follows the stream as the dashboard does: when it ends, open it again."""
    stop = threading.Event()

    def note(name: str, data: dict[str, Any], at: float) -> None:
        if name == "hello":
            seen.append((data.get("epoch") or data.get("generation"), at))
        elif name == "bye" and not stop.is_set():
            open_stream()

    def open_stream() -> None:
        SseClient(up.url, "/api/v2/stream", note).start()

    open_stream()
    wait_until(lambda: seen)
    try:
        yield
    finally:
        stop.set()


def test_a_day_another_model_a_kill_a_promote_under_traffic_and_back(tmp_path: Path) -> None:
    name, model = other_model()
    story = Story(tmp_path / "data", model)
    story.publish(articles(0, FIRST))
    with Up(tmp_path / "data") as up:
        story.settle()
        assert story.stored("g1") == story.expected()
        plan = story.call("plan", "--model", name)
        counted = sum(row["count"] for key, row in story.expected().items() if key[1] == "24h")
        assert plan["events"] == counted
        assert plan["buckets"]["total"] == len(story.expected())
        run = killed_run(story, plan["plan"])
        resumed = candlewick("replay", "resume", run, "--json", "--data-dir", str(story.folder))
        done = json.loads(resumed.stdout.splitlines()[-1])
        everything = dict.fromkeys(("shardId-000000000000", "shardId-000000000001"), "9" * 57)
        assert story.stored("g2") == story.expected(everything)
        assert story.stored("g1") == story.expected(), "nothing live was touched"
        _check_compare(story, run)
        _promote_and_back(story, up, run)
        assert story.call("verify", run)["ok"]
        assert done["digest"]
    forget_homes()


def _check_compare(story: Story, run: str) -> None:
    report = story.call("compare", run, "--max-flips", "1", "--max-close-change", "2", "--max-psi", "99")
    before, after = story.stored("g1"), story.stored("g2")
    assert report["counts"]["equal"] == sum(before[key] == after[key] for key in before)
    assert report["counts"]["changed"] == sum(before[key] != after[key] for key in before)
    events = {event["event_id"]: event for _, _, event in story.logged()}.values()
    flips = sum(event["label"] != story.again(event)["label"] for event in events)
    assert report["label_flips"] == report["label_flips"] | {"events": flips, "exact": True}
    assert report["worst"][0]["articles"][0]["title"]
    assert (story.folder / "replay" / "compare-g1-g2.html").read_text().startswith("<!doctype html>")


def _promote_and_back(story: Story, up: Up, run: str) -> None:
    """With news arriving all the time and a watcher on the stream."""
    seen: list[tuple[str, float]] = []
    late = articles(FIRST, SECOND)

    def traffic() -> None:
        for each in late:
            story.publish([each])
            time.sleep(0.02)

    with watching(up, seen):
        sender = threading.Thread(target=traffic)
        sender.start()
        record = story.call("promote", run)
        wait_until(lambda: seen[-1][0] == "g2")
        sender.join()
        story.settle()
        wait_until(lambda: story.stored("g2") == story.expected(record["handover"]))
        assert up.get("/api/v2/timeseries/AAPL?resolution=24h")["generation"] == "g2"
        back = story.call("rollback", "--reason", "drill")
        assert back["generation"] == "g1"
        wait_until(lambda: seen[-1][0] == "g1")
    assert story.stored("g1") == story.expected()
    assert answer("verify", "--json", "--data-dir", str(story.folder))["total_differences"] == 0


@pytest.mark.browser
def test_every_open_dashboard_follows_a_promote(tmp_path: Path) -> None:
    if find() is None or not (ROOT / "web" / "dist" / "index.html").exists():
        pytest.skip("needs a Chromium (make browser) and the built dashboard (make web)")
    from tests.e2e.chromium import browser

    folder = tmp_path / "data"
    with Up(folder, "--demo") as up, browser() as chromium:
        wait_until(lambda: up.get("/api/v2/timeseries/AAPL?resolution=1m")["buckets"])
        pages = [chromium.new_page() for _ in range(2)]
        asked: list[list[str]] = [[] for _ in pages]
        for page, found in zip(pages, asked, strict=True):
            page.on("response", lambda reply, found=found: found.append(reply.url))
            page.goto(up.url + "/?s=AAPL")
            page.get_by_text("Live", exact=True).first.wait_for()
        run = _run(folder)
        candlewick("replay", "compare", run["id"], "--data-dir", str(folder))
        for found in asked:
            found.clear()
        record = answer(
            "replay", "promote", run["id"], "--force", "--reason", "test", "--json", "--data-dir", str(folder)
        )
        for page, found in zip(pages, asked, strict=True):
            end = time.monotonic() + 20
            while not any("/timeseries" in url for url in found) and time.monotonic() < end:
                page.wait_for_timeout(50)
            assert any("/timeseries" in url for url in found), f"the page asked for nothing new: {found}"
            page.get_by_text("Live", exact=True).first.wait_for()
        assert up.get("/api/v2/timeseries/AAPL?resolution=1m")["generation"] == record["generation"]


def _run(folder: Path) -> dict[str, Any]:
    done = candlewick("replay", "run", "--json", "--data-dir", str(folder))
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])
