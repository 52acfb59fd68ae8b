"""HTTP with limits: what a source may do to us."""

import socket

import pytest

from contracts.clock import ManualClock
from contracts.resolution import DAY_MS
from producers.fetch import MAX_BODY_BYTES, MAX_TRIES, FetchFailed, Web
from tests.fakes.web import HERE, FakeSite, gzip_bomb, page


class Patience(ManualClock):
    """A clock that writes down how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_ms: list[float] = []

    def wait(self, wake: object, timeout_ms: float) -> bool:
        self.waits_ms.append(timeout_ms)
        return False


@pytest.fixture
def clock() -> Patience:
    return Patience()


@pytest.fixture
def web(clock: Patience) -> Web:
    return Web(clock, "test/1", HERE)


def test_an_answer_has_status_headers_and_body(site: FakeSite, web: Web) -> None:
    answer = web.get(site.put("/a", page(b"hello", ETag='"1"')), {"X-Key": "k"})
    assert (answer.status, answer.body, answer.headers["etag"], answer.moved_to) == (200, b"hello", '"1"', None)
    ((_, headers),) = site.asked
    assert (headers["User-Agent"], headers["X-Key"]) == ("test/1", "k")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(site: FakeSite, web: Web, clock: Patience, status: int) -> None:
    assert web.get(site.put("/a", (status, {}, b""), (status, {}, b""), page(b"ok"))).body == b"ok"
    assert len(clock.waits_ms) == MAX_TRIES - 1


def test_retry_after_is_honoured(site: FakeSite, web: Web, clock: Patience) -> None:
    assert web.get(site.put("/a", (429, {"Retry-After": "7"}, b""), page(b"ok"))).body == b"ok"
    assert clock.waits_ms == [7_000]


def test_a_long_retry_after_is_left_to_the_next_poll(site: FakeSite, web: Web, clock: Patience) -> None:
    with pytest.raises(FetchFailed) as caught:
        web.get(site.put("/a", (429, {"Retry-After": "3600"}, b"")))
    assert (caught.value.retry_after_ms, clock.waits_ms) == (3_600_000, [])


def test_retry_after_as_a_date(site: FakeSite, web: Web, clock: Patience) -> None:
    clock.instant_ms = 1_766_310_000_000
    with pytest.raises(FetchFailed) as caught:
        web.get(site.put("/a", (503, {"Retry-After": "Sun, 21 Dec 2025 10:40:00 GMT"}, b"")))
    assert caught.value.retry_after_ms == 3_600_000


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        ("²", None),
        ("-5", None),
        ("Mon, 99999999999999999999 Jan 2020 00:00:00 GMT", None),
        ("9" * 18, DAY_MS),
        ("9" * 40, DAY_MS),
        ("9" * 4_400, DAY_MS),
        ("Mon, 01 Jan 9999 00:00:00 GMT", DAY_MS),
    ],
)
def test_retry_after_a_day_at_most_and_nothing_odd(site: FakeSite, web: Web, value: str, wait_ms: int | None) -> None:
    with pytest.raises(FetchFailed, match="HTTP 503") as caught:
        web.get(site.put("/a", (503, {"Retry-After": value}, b"")))
    assert caught.value.retry_after_ms == wait_ms


@pytest.mark.parametrize("length", ["9" * 40, "9" * 4_400])
def test_a_length_out_of_all_bounds_is_a_failure(site: FakeSite, web: Web, length: str) -> None:
    with pytest.raises(FetchFailed, match="the connection broke"):
        web.get(site.put("/a", (200, {"X-Claimed-Length": length}, b"short")))


@pytest.mark.parametrize(
    "target", ["http://[bad/x", "http://[bad]/x", "http://a:b/", "http:///", "ftp://a/", "\x80://"]
)
def test_a_redirect_to_what_is_no_address_is_a_failure(site: FakeSite, web: Web, target: str) -> None:
    with pytest.raises(FetchFailed):
        web.get(site.put("/a", (302, {"Location": target}, b"")))


@pytest.mark.parametrize(
    ("target", "asked"),
    [("/caf\xc3\xa9", "/caf%C3%A9"), ("/caf%C3%A9", "/caf%C3%A9"), ("/caf\xe9", "/caf%C3%A9")],
)
def test_a_redirect_may_be_written_in_utf_8(site: FakeSite, web: Web, target: str, asked: str) -> None:
    site.put(asked, page(b"ok"))
    assert web.get(site.put("/a", (301, {"Location": target}, b""))).moved_to == site.address + asked


@pytest.mark.parametrize("status", [400, 401, 403, 404, 426])
def test_a_refusal_is_not_repeated(site: FakeSite, web: Web, status: int) -> None:
    with pytest.raises(FetchFailed, match=f"HTTP {status}") as caught:
        web.get(site.put("/a", (status, {}, b"")))
    assert len(site.asked) == 1
    assert not caught.value.again


def test_three_times_500_is_a_failure(site: FakeSite, web: Web) -> None:
    with pytest.raises(FetchFailed, match="HTTP 500"):
        web.get(site.put("/a", (500, {}, b"")))
    assert len(site.asked) == MAX_TRIES


def test_a_redirect_loop_ends(site: FakeSite, web: Web) -> None:
    with pytest.raises(FetchFailed, match="redirects"):
        web.get(site.put("/a", (302, {"Location": "/a"}, b"")))


def test_only_permanent_moves_are_remembered(site: FakeSite, web: Web) -> None:
    target = site.put("/new", page(b"ok"))
    assert web.get(site.put("/moved", (301, {"Location": "/new"}, b""))).moved_to == target
    site.put("/for-now", (302, {"Location": "/new"}, b""))
    assert web.get(site.put("/twice", (301, {"Location": "/for-now"}, b""))).moved_to is None


@pytest.mark.parametrize("reply", [page(b"x" * (MAX_BODY_BYTES + 1)), gzip_bomb(50 << 20)])
def test_an_answer_that_is_too_large_is_given_up(site: FakeSite, web: Web, reply: tuple) -> None:
    with pytest.raises(FetchFailed, match="over 10 MB"):
        web.get(site.put("/a", reply))
    assert len(site.asked) == 1


def test_a_cut_answer_is_a_failure(site: FakeSite, web: Web) -> None:
    with pytest.raises(FetchFailed):
        web.get(site.put("/a", (200, {"X-Claimed-Length": "1000"}, b"short")))


def test_a_hang_is_given_up(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.fetch.READ_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchFailed, match="in time"):
        web.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_a_hang_is_not_waited_for_three_times(monkeypatch: pytest.MonkeyPatch, web: Web, clock: Patience) -> None:
    monkeypatch.setattr("producers.fetch.READ_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchFailed) as caught:
        web.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert clock.waits_ms == []
    assert caught.value.again, "soon, by the service"


def test_an_unreachable_host_is_named_and_nothing_secret_is(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(FetchFailed, match="unreachable") as caught:
        web.get(f"http://127.0.0.1:{port}/?token=secret", {"X-Key": "secret"}, {"apikey": "secret"})
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_the_body_of_a_redirect_is_never_read(site: FakeSite, web: Web) -> None:
    _, headers, bomb = gzip_bomb(50 << 20)
    site.put("/new", page(b"ok"))
    assert web.get(site.put("/bomb", (302, {**headers, "Location": "/new"}, bomb))).body == b"ok"
    endless = (302, {"Location": "/new", "X-Dribble": "1"}, b" " * 1_000_000)
    assert web.get(site.put("/endless", endless)).body == b"ok"


def test_another_site_is_not_told_what_the_first_was(site: FakeSite, web: Web) -> None:
    elsewhere = site.put("/new", page(b"ok")).replace("127.0.0.1", "localhost")
    told = {"Authorization": "Basic x", "X-Team": "desk", "If-None-Match": '"1"', "Accept": "text/xml"}
    web.get(site.put("/a", (302, {"Location": elsewhere}, b"")), told, {"q": "x"})
    (_, first), (path, second) = site.asked
    assert {name: first.get(name) for name in told} == told
    assert {name: second.get(name) for name in told} == told | {"Authorization": None, "X-Team": None}
    assert path == "/new"


def test_what_a_status_line_says_is_one_short_line(site: FakeSite, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "\x1b]0;owned\x07 " + "long " * 100
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.responses", {418: (reason, "")})
    with pytest.raises(FetchFailed, match="HTTP 418") as caught:
        web.get(site.put("/a", (418, {}, b"")))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


def test_waits_between_tries_are_drawn_from_the_whole_of_a_growing_span(site: FakeSite) -> None:
    site.put("/a", (500, {}, b""))
    waits: list[list[float]] = []
    for _ in range(40):
        clock = Patience()
        with pytest.raises(FetchFailed):
            Web(clock, "test/1", HERE).get(site.address + "/a")
        waits.append(clock.waits_ms)
    for number, limit_ms in ((0, 1_000), (1, 2_000)):
        drawn = [each[number] for each in waits]
        assert 0 <= min(drawn) < limit_ms / 2 < max(drawn) <= limit_ms


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_may_tell_the_length_of_one(site: FakeSite, web: Web, status: int) -> None:
    url = site.put("/a", (status, {"X-Claimed-Length": "12345", "ETag": '"1"'}, b""), page(b"ok"))
    answer = web.get(url, {"If-None-Match": '"1"'})
    assert (answer.status, answer.body, len(site.asked)) == (status, b"", 1)
    assert web.get(url).body == b"ok"


def test_a_header_that_cannot_be_sent_is_a_failure(site: FakeSite, web: Web) -> None:
    with pytest.raises(FetchFailed, match="a character that no header may carry") as caught:
        web.get(site.put("/a", page(b"ok")), {"X-Team": "“desk”"})
    assert not caught.value.again
    assert site.asked == []
