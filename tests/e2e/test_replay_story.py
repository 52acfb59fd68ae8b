"""The whole story on the real program and on both homes: a day of news, another model, a kill, a promote under live
traffic with somebody watching, and back again. Every figure is checked against an oracle that shares no code with the
engine. `CANDLEWICK_TEST_ENDPOINT` names another AWS-compatible endpoint than the one the tests start."""

import json
import math
import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from consumers.classifier.models import registry
from consumers.classifier.text import model_text
from contracts.clock import SystemClock
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.instants import iso_ms
from contracts.ports import Entry, Position
from contracts.resolution import HOUR_MS
from contracts.settings import AggregatorSettings, load
from local.demo import DATA_FILE, read_day
from local.driver_checkpoint import Checkpoints
from ops.replay.stitch import heads
from stores.home import forget_homes, open_home
from tests import oracle
from tests.aws.moto_aws import CREDENTIALS
from tests.aws.moto_endpoint import moto_endpoint
from tests.bench.sse_client import SseClient
from tests.e2e.chromium import find
from tests.e2e.harness import CANDLEWICK, ROOT, Up, answer, candlewick, environment

DAY_MS = 1_766_275_200_000
#: Articles that may come while it is promoted: more than it takes.
DURING = 200


class Place(NamedTuple):
    """A home, empty: the environment that says so, what `up` is told besides, when its news begins, how many articles
    come before the plan, how long after one another the others (an emulator takes some milliseconds a write), and how
    many records a second a run reads that is to be killed before it has read them all."""

    settings: dict[str, str]
    up: tuple[str, ...]
    begins_ms: int
    before: int
    pause_s: float
    rate: int


@contextmanager
def _embedded() -> Iterator[Place]:
    yield Place({}, (), DAY_MS, 120, 0.03, 40)


@contextmanager
def _aws() -> Iterator[Place]:
    name = f"t{uuid.uuid4().hex[:10]}"
    named = {"CANDLEWICK_HOME": "aws", "CANDLEWICK_ENVIRONMENT": name, "CANDLEWICK_LAKE_BUCKET": f"{name}-lake"}
    given = os.environ.get("CANDLEWICK_TEST_ENDPOINT")
    with moto_endpoint() if given is None else nullcontext(given) as url, pytest.MonkeyPatch.context() as patch:
        for variable, value in CREDENTIALS.items():
            patch.setenv(variable, value)
        # Of this morning: what is older than 48 hours has left the 1m buckets of this home.
        begins_ms = (SystemClock().now_ms() // HOUR_MS - 6) * HOUR_MS
        settings = CREDENTIALS | named | {"CANDLEWICK_ENDPOINT_URL": url}
        yield Place(settings, ("--endpoint-url", url), begins_ms, 12, 0.5, 10)


PLACES: dict[str, Callable[[], AbstractContextManager[Place]]] = {"embedded": _embedded, "aws": _aws}


def articles(place: Place, first: int, last: int) -> list[dict[str, Any]]:
    """Real headlines of the demo's day, as raw articles."""
    made = []
    for number, row in enumerate(read_day(DATA_FILE)[first:last], first):
        at = iso_ms(place.begins_ms + row["o"])
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
    """The home seen from outside: what is in the log, and what must be in a generation."""

    def __init__(self, place: Place, folder: Path, model: Any) -> None:
        self.place = place
        self.folder = folder
        made = articles(place, 0, place.before + DURING)
        self._texts = {each["article_id"]: model_text(each["title"], each["snippet"]) for each in made}
        self._scores = dict(zip(self._texts, model.score(list(self._texts.values())), strict=True))
        self._version = model.version

    def home(self) -> Any:
        return open_home(load(AggregatorSettings, self.place.settings | {"CANDLEWICK_DATA_DIR": str(self.folder)}))

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
        """A command's JSON answer."""
        place = ("--json", "--data-dir", str(self.folder))
        return answer(*arguments, *place, code=code, settings=self.place.settings)

    def replay(self, *arguments: str) -> Any:
        return self.call("replay", *arguments)


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def killed_run(story: Story, plan: str) -> str:
    """A run caught by SIGKILL in the middle; its id."""
    command = [
        *CANDLEWICK,
        "replay",
        "run",
        plan,
        "--rate",
        f"{story.place.rate}",
        "--json",
        "--data-dir",
        str(story.folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment() | story.place.settings)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "building":
            break
    process.kill()
    process.wait()
    process.stdout.close()
    (run,) = story.call("runs", "list")["runs"]
    assert run["state"] == "running", "killed, so it could not say so"
    return str(run["id"])


@contextmanager
def watching(up: Up, seen: list[tuple[str, float]]) -> Iterator[None]:
    """A client that follows the stream as the dashboard does: when it ends, open it again."""
    stop, farewell = threading.Event(), threading.Event()

    def note(name: str, data: dict[str, Any], at: float) -> None:
        if name == "hello":
            seen.append((data.get("epoch") or data.get("generation"), at))
        elif name == "bye":
            farewell.set()

    def follow() -> None:
        while not stop.is_set():
            farewell.clear()
            client = SseClient(up.url, "/api/v2/stream", note)
            client.start()
            while client.is_alive() and not farewell.wait(0.1):
                pass  # it ends with a farewell, with its connection, or when it is refused

    threading.Thread(target=follow, daemon=True).start()
    wait_until(lambda: seen)
    try:
        yield
    finally:
        stop.set()


@pytest.mark.parametrize("home", sorted(PLACES))
def test_a_day_another_model_a_kill_a_promote_under_traffic_and_back(home: str, tmp_path: Path) -> None:
    """The steps assert, each what it did."""
    name, model = other_model()
    with PLACES[home]() as place:
        story = Story(place, tmp_path / "data", model)
        try:
            _tell(story, name)
        finally:
            forget_homes()


def _tell(story: Story, model: str) -> None:
    story.publish(articles(story.place, 0, story.place.before))
    with Up(story.folder, *story.place.up, settings=story.place.settings) as up:
        story.settle()
        before = story.expected()
        assert story.stored("g1") == before
        plan = story.replay("plan", "--model", model)
        _check_plan(story, plan)
        run = killed_run(story, plan["plan"])
        assert 0 < len(story.stored("g2")) < len(before), "it was killed in the middle"
        resumed = candlewick(
            "replay", "resume", run, "--json", "--data-dir", str(story.folder), settings=story.place.settings
        )
        done = json.loads(resumed.stdout.splitlines()[-1])
        assert done["state"] == "completed", resumed.stderr.decode()
        everything = {shard.shard_id: "9" * 99 for shard in story.home().log.shards(SCORED_STREAM)}
        after = story.expected(everything)
        assert story.stored("g2") == after
        assert story.stored("g1") == before, "nothing live was touched"
        assert (done["counts"]["counted"], done["counts"]["buckets"]) == (plan["events"], len(after))
        verified = story.replay("verify", run)
        # Where buckets expire, what is stored may be less by now.
        stored = None if "CANDLEWICK_HOME" in story.place.settings else done["digest"]
        assert (verified["ok"], verified["rebuilt"], verified["stored"]) == (True, done["digest"], stored)
        _check_compare(story, run, before, after)
        _promote_and_back(story, up, run)
        assert story.replay("verify", run)["ok"]


def _check_plan(story: Story, plan: dict[str, Any]) -> None:
    expected = story.expected()
    events = {event["event_id"]: event for _, _, event in story.logged()}.values()
    by_resolution = Counter(key[1] for key in expected)
    assert plan["events"] == sum(row["count"] for key, row in expected.items() if key[1] == "24h")
    assert plan["articles"] == len({event["article_id"] for event in events})
    assert plan["subjects"] == len({key[0] for key in expected})
    assert plan["buckets"] == {"total": len(expected), **by_resolution}
    assert plan["units"] == by_resolution["1h"], "a work unit is a subject and an hour"
    assert plan["records"] == {"total": len(story.logged()), "log": len(story.logged())}


def _check_compare(story: Story, run: str, before: dict, after: dict) -> None:
    report = story.replay("compare", run, "--max-flips", "1", "--max-close-change", "2", "--max-psi", "99")
    parts = [("all", report["counts"] | {"mean_abs_close_change": report["mean_abs_close_change"]}, lambda key: True)]
    parts += [(name, row, lambda key, name=name: key[1] == name) for name, row in report["by_resolution"].items()]
    parts += [(name, row, lambda key, name=name: key[0] == name) for name, row in report["by_subject"].items()]
    assert len(parts) == 1 + 8 + len({key[0] for key in before})
    for name, row, belongs in parts:
        keys = [key for key in before if belongs(key)]
        changes = [abs(before[key]["close"] - after[key]["close"]) / 10_000 for key in keys]
        equal = sum(before[key] == after[key] for key in keys)
        assert (row["equal"], row["changed"]) == (equal, len(keys) - equal), name
        assert (row["only_a"], row["only_b"], row["newer"]) == (0, 0, 0), name
        assert row["mean_abs_close_change"] == pytest.approx(sum(changes) / len(changes), abs=1e-6), name
    events = list({event["event_id"]: event for _, _, event in story.logged()}.values())
    again = [story.again(event) for event in events]
    flips = sum(one["label"] != two["label"] for one, two in zip(events, again, strict=True))
    assert report["label_flips"] == report["label_flips"] | {"events": flips, "exact": True}
    assert report["psi"] == {"value": pytest.approx(_stability(events, again), abs=1e-6), "over": "events"}
    worst = max(
        abs(before[key][name] - after[key][name]) for key in before for name in ("open", "high", "low", "close")
    )
    assert report["worst"][0]["difference"] == worst / 10_000
    assert report["worst"][0]["articles"][0]["title"]
    assert (story.folder / "replay" / "compare-g1-g2.html").read_text().startswith("<!doctype html>")


def _stability(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> float:
    """Population stability index of polarities over ten equal bins of [−1, 1]; an empty bin counts as 0.0001."""
    shares = []
    for events in (before, after):
        bins = Counter(min(9, int((event["polarity"] + 1) * 5)) for event in events)
        shares.append([max(bins[number] / len(events), 1e-4) for number in range(10)])
    return sum((there - here) * math.log(there / here) for here, there in zip(*shares, strict=True))


def _promote_and_back(story: Story, up: Up, run: str) -> None:
    """With news arriving all the time and a watcher on the stream."""
    seen: list[tuple[str, float]] = []
    late = articles(story.place, story.place.before, story.place.before + DURING)
    sent: list[str] = []
    enough = threading.Event()

    def traffic() -> None:
        for each in late:
            story.publish([each])
            sent.append(each["article_id"])
            if enough.wait(story.place.pause_s):
                return

    with watching(up, seen):
        sender = threading.Thread(target=traffic)
        sender.start()
        record = story.replay("promote", run)
        wait_until(lambda: seen[-1][0] == "g2")
        after_swap = len(sent) + 2
        wait_until(lambda: len(sent) >= min(after_swap, DURING))
        enough.set()
        sender.join()
        story.settle()
        wait_until(lambda: story.stored("g2") == story.expected(record["handover"]))
        assert up.get("/api/v2/timeseries/AAPL?resolution=24h")["generation"] == "g2"
        back = story.replay("rollback", "--reason", "drill")
        assert back["generation"] == "g1"
        wait_until(lambda: seen[-1][0] == "g1")
    assert story.stored("g1") == story.expected()
    assert story.call("verify")["total_differences"] == 0


@pytest.mark.browser
def test_every_open_dashboard_follows_a_promote(tmp_path: Path) -> None:
    if find() is None or not (ROOT / "web" / "dist" / "index.html").exists():
        pytest.skip("needs a Chromium (make browser) and the built dashboard (make web)")
    from tests.e2e.chromium import browser

    folder = tmp_path / "data"
    with Up(folder, "--demo") as up, browser() as chromium:
        wait_until(lambda: up.get("/api/v2/timeseries/AAPL?resolution=1m")["buckets"])
        pages = [chromium.new_page() for _ in range(2)]
        asked: list[list[Any]] = [[] for _ in pages]
        for page, found in zip(pages, asked, strict=True):
            page.on("requestfinished", lambda one, found=found: "/timeseries/AAPL?" in one.url and found.append(one))
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
            end, shown = time.monotonic() + 20, ""
            while shown != record["generation"] and time.monotonic() < end:
                page.wait_for_timeout(50)
                while found:
                    shown = found.pop(0).response().json()["generation"]
            assert shown == record["generation"], "the page went on with the generation before"
            page.get_by_text("Live", exact=True).first.wait_for()


def _run(folder: Path) -> dict[str, Any]:
    done = candlewick("replay", "run", "--json", "--data-dir", str(folder))
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])
