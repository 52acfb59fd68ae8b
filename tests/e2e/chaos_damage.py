"""Faults that destroy something: a page of a database, an object of the lake, the address of a source."""

import json
import random
import sqlite3
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.chaos_row import Row
from tests.e2e.chaos_scene import Scene
from tests.e2e.harness import answer, candlewick

ARCHIVED_WITHIN_S = 7.0
SOURCE_DOWN_S = 40.0


def page_damaged(folder: Path) -> Row:
    """The root page of the buckets' table is overwritten while the program is down: a torn write, a bad sector."""
    with Scene(folder / "data") as scene:
        scene.up.kill()
        damage_table(scene.data / "buckets.db", "buckets")
        scene.start_again()
        time.sleep(3)
        health = scene.up.get("/health")
        told = {row["name"]: row["detail"] for row in health["checks"]}["line"]
        assert health["status"] == "degraded", health
        assert "buckets.db is damaged" in told, told
        scene.up.kill()
        refused = candlewick("verify", "--data-dir", str(scene.data))
        assert refused.returncode == 1, refused.stdout
        assert "is damaged" in refused.stderr.decode()
        aside = folder / "aside"
        aside.mkdir()
        for file in scene.data.glob("buckets.db*"):
            file.rename(aside / file.name)
        missing = candlewick("verify", "--data-dir", str(scene.data))
        assert missing.returncode == 6, (missing.returncode, missing.stdout[-1500:], missing.stderr)
        run = built(scene)
        promoted = candlewick(
            "replay", "promote", run, "--force", "--reason", "buckets.db was damaged",
            "--data-dir", str(scene.data),
        )  # fmt: skip
        assert promoted.returncode == 0, promoted.stderr
        scene.start_again()
        healed_s = scene.wait_healed()
        seen = scene.watcher.seen(scene.began_s)
        return Row(
            "a page of `buckets.db` is overwritten", f"`/health`: degraded, “{_short(told, scene)}”; `verify`: exit 1, "
            "the same words; with the file moved away: exit 6, every bucket missing", seen,
            "moved away, `replay run` and `promote --force`: every bucket once more from the log", healed_s,
            scene.accounted(),
        )  # fmt: skip


def log_damaged(folder: Path) -> Row:
    """The log itself is damaged: nothing on the machine but the lake has the events."""
    with Scene(folder / "data") as scene:
        scene.feed.paused.set()
        time.sleep(ARCHIVED_WITHIN_S)
        scene.up.kill()
        scene.feed.stop()
        scene.close_home()
        damage_table(scene.data / "log.db", "records")
        scene.start_again()
        time.sleep(3)
        health = scene.up.get("/health")
        told = {row["name"]: row["detail"] for row in health["checks"]}["line"]
        assert "log.db is damaged" in told, told
        began = time.monotonic()
        scene.up.kill()
        new = folder / "new"
        restored = answer("restore", str(scene.data), "--data-dir", str(new), "--json")
        scene.data = new
        scene.start_again()
        scene.wait_healed()
        healed_s = round(time.monotonic() - began, 1)
        seen = scene.watcher.seen(scene.began_s)
        return Row(
            "a page of `log.db` is overwritten", f"`/health`: degraded, “{_short(told, scene)}”; candles stand still, "
            "what is there is still served", seen,
            f"`candlewick restore` made a new directory of {restored['scored']} events in the lake (what the archiver "
            "had not yet saved, at most five seconds, would be gone)", healed_s, scene.accounted(),
        )  # fmt: skip


def built(scene: Scene) -> str:
    """A run that rebuilds everything; its name."""
    done = candlewick("replay", "run", "--json", "--source", "auto", "--data-dir", str(scene.data))
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout.splitlines()[-1])["id"])


def lake_object_lost(folder: Path) -> Row:
    with Scene(folder / "data") as scene:
        time.sleep(ARCHIVED_WITHIN_S)
        plan = answer("replay", "plan", "--json", "--source", "lake", "--data-dir", str(scene.data))
        key = scene.home.lake.keys("scored/")[0]
        (scene.data / "lake" / key).unlink()
        refused = candlewick("replay", "run", plan["plan"], "--data-dir", str(scene.data))
        assert refused.returncode != 0
        said = refused.stderr.decode()
        assert key in said, said
        run = built(scene)
        compared = candlewick("replay", "compare", run, "--data-dir", str(scene.data))
        assert compared.returncode == 0, compared.stdout + compared.stderr
        healed_s = scene.wait_healed()
        seen = scene.watcher.seen(scene.began_s)
        return Row(
            "an object of the lake is lost", "a replay planned from the lake stopped and named the object", seen,
            "`--source auto` takes from the log what the log still has: the rebuilt generation compares equal",
            healed_s, scene.accounted(),
        )  # fmt: skip


class Site:
    """A news site on 127.0.0.1 with one more article a second; it can go down."""

    def __init__(self) -> None:
        self.down = False
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"" if site.down else site.feed()
                self.send_response(503 if site.down else 200)
                self.send_header("Content-Type", "application/rss+xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.began_s = time.time()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/feed.xml"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def published(self) -> int:
        return int(time.time() - self.began_s)

    def feed(self) -> bytes:
        items = "".join(
            f"<item><title>Apple number {n} rises on strong sales</title><link>http://news.example/{n}</link>"
            f"<pubDate>{formatdate(self.began_s + n, usegmt=True)}</pubDate></item>"
            for n in range(self.published())
        )
        return f'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>{items}</channel></rss>'.encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def source_down(folder: Path) -> Row:
    """One of two sources answers 503 for a while; the other is not to notice."""
    well, ill = Site(), Site()
    try:
        sources = folder / "sources.json"
        sources.write_text(
            json.dumps(
                [
                    {"name": name, "kind": "rss", "url": site.url, "every_s": 1, "tickers": ["AAPL"]}
                    for name, site in (("well", well), ("ill", ill))
                ]
            )
        )
        settings = {"CANDLEWICK_SOURCES_FILE": str(sources), "CANDLEWICK_PRIVATE_NETWORKS": "127.0.0.0/8"}
        with Scene(folder / "data", "--sources", **settings) as scene:
            ill.down = True
            before = _published(scene, "well")
            time.sleep(SOURCE_DOWN_S)
            rows = {row["name"]: row for row in scene.up.get("/api/v2/sources")["sources"]}
            told = f"{rows['ill']['state']}, {rows['ill']['error']}"
            assert rows["ill"]["state"] in ("unreachable", "circuit open"), rows
            meanwhile = _published(scene, "well") - before
            assert meanwhile >= SOURCE_DOWN_S / 2, meanwhile
            ill.down = False
            wanted, began = ill.published(), time.monotonic()
            while _published(scene, "ill") < wanted:
                assert time.monotonic() - began < 120, scene.up.get("/api/v2/sources")
                time.sleep(0.2)
            healed_s = round(time.monotonic() - began, 1)
            scene.wait_healed()
            seen = scene.watcher.seen(scene.began_s)
            return Row(
                "a source answers 503", f"for {SOURCE_DOWN_S:.0f} s; `sources list`: “{told}”; the other source "
                f"brought {meanwhile} articles meanwhile", seen,
                "after five failures it is probed once a minute; what it had published meanwhile came with the first "
                "good answer", healed_s, scene.accounted(extra_sources=True),
            )  # fmt: skip
    finally:
        well.close()
        ill.close()


def _published(scene: Scene, name: str) -> int:
    return int((scene.home.control.get("source", name).value or {}).get("published", 0))


def damage_table(file: Path, table: str) -> None:
    """Random bytes over the root page of a table, with nothing left in the WAL that would mend it."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    with file.open("r+b") as pages:
        pages.seek(size * (root - 1))
        pages.write(random.Random(1).randbytes(size))


def _short(text: str, scene: Scene) -> str:
    return text.replace(f"{scene.data}/", "").replace(str(scene.data.parent), "…").partition(";")[0]
