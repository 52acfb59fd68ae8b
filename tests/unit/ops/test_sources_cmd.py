"""`candlewick sources list|test`: what an operator sees, and that asking changes nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.events import RAW_STREAM
from contracts.ports import Position
from contracts.settings import Settings
from ops.cli import app
from producers.service import KIND, PACE_KIND, WATCH_KIND
from stores.home import Home, forget_homes, open_home
from tests.fakes.web import FakeSite, fake_site, page
from tests.ports.conftest import HOMES
from tests.unit.producers.asking import KEY, golden, told
from tests.unit.producers.test_service import FEED

Run = Callable[..., Result]


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with fake_site() as up:
        yield up


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    forget_homes()


@pytest.fixture
def run(data: Path, site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    news = site.put("/news", told(golden("newsapi_everything.json")))
    sources = [
        {"name": "wire", "kind": "rss", "url": site.put("/wire", page(FEED, ETag='"1"'), (304, {}, b""))},
        {"name": "newsapi", "kind": "newsapi", "url": news},
        {"name": "closed", "kind": "rss", "url": site.put("/closed", (403, {}, b""))},
    ]
    settings = tmp_path / "sources.json"
    settings.write_text(json.dumps(sources))
    monkeypatch.delenv("NEWSAPI_API_KEY", raising=False)
    monkeypatch.setenv("CANDLEWICK_PRIVATE_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("CANDLEWICK_SOURCES_FILE", str(settings))

    def go(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, ["sources", *arguments, "--data-dir", str(data)])
        assert done.exit_code == code, done.output
        return done

    return go


def home_at(data: Path) -> Home:
    return open_home(Settings(data_dir=str(data)))


def remembered(site: FakeSite) -> dict[str, Any]:
    return {"state": "healthy", "url": f"{site.address}/wire", "cursor": {"etag": '"1"'}}


def brought(done: Result) -> dict[str, Any]:
    return json.loads(done.stdout)


def test_it_shows_what_a_source_would_bring_and_changes_nothing(run: Run, data: Path) -> None:
    home = home_at(data)
    shown = run("test", "wire")
    assert "Apple’s suppliers see a strong start" in shown.stdout
    assert "rejected" in shown.stdout
    assert "2 articles, 1 rejected; nothing was published" in shown.stderr
    assert home.control.list(KIND) == {}
    for shard in home.log.shards(RAW_STREAM):
        start = home.log.iterator(RAW_STREAM, shard.shard_id, Position("TRIM_HORIZON"))
        assert home.log.get_records(start).records == []
    assert not list(home.lake.keys(""))


def test_it_goes_on_where_the_last_fetch_left_off_or_begins_anew(run: Run, data: Path, site: FakeSite) -> None:
    home_at(data).control.put(KIND, "wire", remembered(site))
    assert len(brought(run("test", "wire", "--json"))["articles"]) == 2
    assert site.asked[-1][1]["If-None-Match"] == '"1"'
    run("test", "wire", "--anew")
    assert "If-None-Match" not in site.asked[-1][1]


def test_what_the_line_asks_by_another_list_is_shown_and_told_of(run: Run, data: Path) -> None:
    home = home_at(data)
    asked = {"state": "unreachable", "last_attempt_ms": home.clock.now_ms()}
    home.control.put(KIND, "mine", asked)
    home.control.put(KIND, "long gone", asked | {"last_attempt_ms": 1})
    shown = run("list", "--json")
    assert sorted(row["name"] for row in brought(shown)) == ["closed", "mine", "newsapi", "wire"]
    assert "1 of them are of another list" in shown.stderr
    refused = run("test", "mine", code=2).stderr
    assert "no source 'mine' in this list; where the line has another, `--sources FILE`" in refused


def test_on_a_stage_it_asks_with_what_is_remembered_there(
    run: Run, data: Path, site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a machine that has no data directory of its own."""
    monkeypatch.setenv("CANDLEWICK_HOME", "aws")
    monkeypatch.setenv("CANDLEWICK_LAKE_BUCKET", "lake")
    with HOMES["aws"](tmp_path) as stage:
        stage.home.control.put(KIND, "wire", remembered(site))
        assert next(row["state"] for row in brought(run("list", "--json")) if row["name"] == "wire") == "healthy"
        run("test", "wire")
        assert site.asked[-1][1]["If-None-Match"] == '"1"'
        forget_homes()
    assert not data.exists()


def test_a_key_comes_from_the_data_directory_is_paced_and_never_shown(run: Run, data: Path, site: FakeSite) -> None:
    assert "set NEWSAPI_API_KEY" in run("test", "newsapi", code=1).stderr
    home = home_at(data)
    (data / ".env").write_text(f"NEWSAPI_API_KEY={KEY}\n")
    home.control.put(WATCH_KIND, "me", {"subjects": ["tag:chips"]})
    done = run("test", "newsapi", "--json")
    assert len(brought(done)["articles"]) == 8
    assert "%28chips%29" in site.asked[-1][0]
    assert KEY not in done.output
    (spent,) = home.control.list(PACE_KIND).values()
    assert len(spent["calls"]) == 1


def test_what_goes_wrong_is_one_line(run: Run, site: FakeSite) -> None:
    assert "HTTP 403" in run("test", "closed", code=1).stderr
    unknown = run("test", "nowhere", code=2).stderr
    assert "wire" in unknown
    assert len(unknown.splitlines()) == 1
    site.put("/wire", page(b"<html></html>", "text/html"))
    assert "not a feed" in run("test", "wire", code=1).stderr


def test_the_list_shows_settings_and_what_is_remembered(run: Run, data: Path) -> None:
    assert run("list").stdout.count("never") == 6
    home_at(data).control.put(KIND, "wire", {"state": "circuit open", "error": "HTTP 500", "articles_per_hour": 7})
    first, *_ = json.loads(run("list", "--json").stdout)
    assert (first["name"], first["state"], first["articles_per_hour"]) == ("wire", "circuit open", 7)
    assert "HTTP 500" in run("list").stdout
