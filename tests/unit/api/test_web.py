"""The dashboard's files: the page under every path that is one of its own, and nothing sent that the browser has."""

import os
from pathlib import Path

import pytest

from api.app import create_app
from tests.unit.api.kit import TestHome, calling, live, options


@live
async def test_the_dashboard_is_served_and_so_is_a_word_when_it_is_not_built(home: TestHome, tmp_path: Path) -> None:
    built = tmp_path / "dist"
    async with calling(create_app(home, options(web_dir=str(built)))) as client:
        assert "make web" in (await client.get("/")).text
        (built / "assets").mkdir(parents=True)
        (built / "index.html").write_text("<!doctype html><p>page</p>")
        (built / "assets" / "index-abc123.js").write_text("export {}")
        (tmp_path / "secret.txt").write_text("not for you")
        for path in ("/", "/records/x", "/grid", "/apix"):
            page = await client.get(path)
            assert (page.status_code, "page" in page.text, page.headers["cache-control"]) == (200, True, "no-cache")
        script = await client.get("/assets/index-abc123.js")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"].startswith("text/javascript")
        for path in ("/assets/gone.js", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/a%00.txt", "/" + "x" * 300 + ".js"):
            missing = await client.get(path)
            assert missing.status_code == 404, path
            assert "not for you" not in missing.text
        for path in ("/api", "/api/v2/none", "/api/v3/timeseries/AAPL"):
            missing = await client.get(path)
            assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert (await client.post("/")).status_code == 405
        assert (await client.delete("/api/v2/subjects")).status_code == 405


@live
async def test_the_page_is_served_under_whatever_id_a_record_or_a_run_has(home: TestHome, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><p>page</p>")
    (tmp_path / "notes.txt").write_text("a file")
    async with calling(create_app(home, options(web_dir=str(tmp_path)))) as client:
        for identity in ("desk%23report.html", "desk%2Fa.js", "notes.txt", "%00", "x" * 300 + ".y", "..%2Fnotes.txt"):
            for page in ("records", "runs"):
                answer = await client.get(f"/{page}/{identity}")
                assert (answer.status_code, "page" in answer.text) == (200, True), identity
        assert (await client.get("/records.html")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/records/x", "/assets/index-abc123.js"])
@live
async def test_what_a_browser_has_is_not_sent_again(home: TestHome, tmp_path: Path, path: str) -> None:
    (tmp_path / "assets").mkdir()
    page, script = tmp_path / "index.html", tmp_path / "assets" / "index-abc123.js"
    page.write_text(f"<!doctype html><p>{'page ' * 1_000}</p>")
    script.write_text("export {};" * 1_000)
    async with calling(create_app(home, options(web_dir=str(tmp_path)))) as client:
        first, plain = await client.get(path), await client.get(path, headers={"Accept-Encoding": "identity"})
        etag = first.headers["etag"]
        assert first.headers["content-encoding"] == "gzip"
        assert etag == plain.headers["etag"]
        assert etag.startswith('W/"'), "what is compressed is not the same bytes"
        for method in ("GET", "HEAD"):
            again = await client.request(method, path, headers={"If-None-Match": f'"other", {etag}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert again.headers["cache-control"] == first.headers["cache-control"]
            assert (await client.request(method, path, headers={"If-None-Match": '"other"'})).status_code == 200
        # A build of the same size at the same time, say in an image whose times are all alike, is another one.
        for file in (page, script):
            stat = file.stat()
            file.write_text(file.read_text().swapcase())
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (await client.get(path, headers={"If-None-Match": etag})).status_code == 200
