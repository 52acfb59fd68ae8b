"""The documents' acceptance: five tags given, the count rises and items match them; the same page again adds nothing; a
page changed in one record adds exactly one; a kill in the middle loses nothing; status shows how the sources are.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import SystemClock
from contracts.instants import iso_ms
from tests.e2e import harness
from tests.e2e.harness import Up, answer
from tests.fakes.web import FakeSite, fake_site

TAGS = ("ai", "chips", "climate", "ev-battery", "interest-rates")
TITLES = (
    "AI start-up raises a new round",
    "Chips are scarce again, makers say",
    "Climate talks end with a pact",
    "A better EV battery leaves the lab",
    "Interest rates stay where they are",
    "A quiet day on the sea",
)
WAIT_S = 30


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with fake_site() as up:
        yield up


@pytest.fixture
def up(tmp_path: Path, site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Up]]:
    sources = [
        {"name": "wire", "kind": "json", "url": site.address + "/wire", "every_s": 1,
         "options": {"fields": {"id": "id", "title": "title", "url": "url", "time": "at"}}},
        {"name": "gone-away", "kind": "rss", "url": "http://127.0.0.1:9/feed"},
        {"name": "newsapi", "kind": "newsapi"},
    ]  # fmt: skip
    settings = tmp_path / "sources.json"
    settings.write_text(json.dumps(sources))
    clean = harness.environment
    more = {
        "CANDLEWICK_SOURCES_FILE": str(settings),
        "CANDLEWICK_MODEL": "vader",
        "CANDLEWICK_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    monkeypatch.setattr(harness, "environment", lambda: clean() | more)
    running: list[Up] = []

    def start() -> Up:
        running.append(Up(tmp_path / "data", "--sources").wait_ready())
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.kill()


def wire(count: int, changed: str | None = None) -> tuple[int, dict[str, str], bytes]:
    now_ms = SystemClock().now_ms()
    rows = [
        {
            "id": number,
            "title": f"{TITLES[number % len(TITLES)]} ({number})",
            "url": f"https://wire.example/{number}",
            "at": iso_ms(now_ms - now_ms % 3_600_000 - number * 1_000),
        }
        for number in range(count)
    ]
    if changed:
        rows[1]["title"] = changed
    return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()


def until(what: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What there is as soon as it is as wanted; fails with what there was after half a minute."""
    end = time.monotonic() + WAIT_S
    while not wanted(found := what()):
        assert time.monotonic() < end, f"still {found!r}"
        time.sleep(0.1)
    return found


def watch(url: str, *tags: str) -> None:
    """Give tags, as a visitor does."""
    token = json.load(urllib.request.urlopen(urllib.request.Request(f"{url}/api/v2/auth/anonymous", method="POST")))
    body = json.dumps({"name": "mine", "subjects": [f"tag:{tag}" for tag in tags]}).encode()
    headers = {"Authorization": f"Bearer {token['token']}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/v2/configurations", body, headers)) as reply:
        assert reply.status == 201


def test_five_tags_the_same_page_again_and_one_changed_record(
    up: Callable[[], Up], site: FakeSite, tmp_path: Path
) -> None:
    site.put("/wire", (200, {"Content-Type": "application/json"}, b"[]"))
    running = up()
    watch(running.url, *TAGS)
    page = wire(12)
    site.put("/wire", page)
    place = running.get("/api/v2/changes")["cursor"]
    assert len(place.split(".")) == 3, f"{place} does not say in which log"
    metrics = until(lambda: running.get("/api/v2/metrics"), lambda found: found["total"] == 12)
    assert metrics["by_tag"] == dict.fromkeys(TAGS, 2)
    for tag in TAGS:
        items = running.get(f"/api/v2/items?tag={tag}")["items"]
        words = tag.split("-")
        assert len(items) == 2
        assert all(word in item["metadata"]["title"].lower().split() for item in items for word in words)
    asked = len(site.asked)
    until(lambda: len(site.asked), lambda count: count >= asked + 2)
    assert running.get("/api/v2/metrics")["total"] == 12, "the same page adds nothing"
    site.put(
        "/wire", (page[0], page[1], page[2].replace(b"scarce again, makers say (1)", b"plenty again, makers say (1)"))
    )
    assert until(lambda: running.get("/api/v2/metrics")["total"], lambda total: total != 12) == 13
    asked = len(site.asked)
    until(lambda: len(site.asked), lambda count: count >= asked + 1)
    assert running.get("/api/v2/analytics")["summary"]["total_records"] == 13, "a changed record adds exactly one"
    rows = {row["name"]: row for row in answer("status", "--json", "--data-dir", str(tmp_path / "data"))["sources"]}
    assert (rows["wire"]["state"], rows["wire"]["articles_per_hour"], rows["wire"]["error"]) == ("healthy", 13, None)
    assert rows["wire"]["cursor_age_s"] > 0
    assert rows["gone-away"]["state"] in ("unreachable", "circuit open")
    assert rows["newsapi"]["state"] == "no key"
    shown = harness.candlewick("status", "--data-dir", str(tmp_path / "data")).stdout.decode()
    assert all(sum(name in line for line in shown.splitlines()) == 1 for name in rows)


def test_kills_in_the_middle_lose_nothing_and_count_nothing_twice(
    up: Callable[[], Up], site: FakeSite, tmp_path: Path
) -> None:
    site.put("/wire", wire(600))
    for many in (0, 1, 250):
        running = up()
        until(lambda run=running: run.get("/api/v2/status")["counts"]["articles"], lambda count, m=many: count >= m)
        running.kill()
    running = up()
    assert until(lambda: running.get("/api/v2/metrics")["total"], lambda total: total >= 600) == 600
    assert running.get("/api/v2/metrics")["by_source"] == {"wire": 600}
    assert running.stop() == 0
    data = str(tmp_path / "data")
    drained = answer("drain", "--data-dir", data)
    assert drained["received"] == drained["counted"] + drained["too_late"] + drained["quarantined"]
    assert harness.candlewick("verify", "--data-dir", data).returncode == 0
