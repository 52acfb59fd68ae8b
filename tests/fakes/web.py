"""A web server on 127.0.0.1 that answers, or misbehaves, as it is told."""

import gzip
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

from producers.reach import Reach

Reply = tuple[int, dict[str, str], bytes]
#: What a test permits its sources: this machine, which without it is out of reach.
HERE = Reach((ip_network("127.0.0.0/8"),))


class FakeSite:
    """`pages`: path (with or without its query) → replies in turn (the last one stays). `asked`: what was asked, with
    the headers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()

    def put(self, path: str, *replies: Reply) -> str:
        self.pages[path] = list(replies)
        return self.address + path

    def dribble(self, out: Any, body: bytes) -> None:
        """A byte now and then, until whoever asked has gone or the site closes."""
        with suppress(OSError):
            for at in range(len(body)):
                out.write(body[at : at + 1])
                out.flush()
                if self.closing.wait(0.01):
                    return

    def reply(self, path: str, headers: dict[str, str]) -> Reply:
        self.asked.append((path, headers))
        replies = self.pages.get(path) or self.pages.get(path.partition("?")[0], [(404, {}, b"nothing here")])
        return replies.pop(0) if len(replies) > 1 else replies[0]


def page(body: bytes, content_type: str = "application/rss+xml", **headers: str) -> Reply:
    return 200, {"Content-Type": content_type} | {name.replace("_", "-"): text for name, text in headers.items()}, body


def gzip_bomb(size: int) -> Reply:
    return 200, {"Content-Type": "text/xml", "Content-Encoding": "gzip"}, gzip.compress(b" " * size)


@contextmanager
def fake_site(encrypted: ssl.SSLContext | None = None) -> Iterator[FakeSite]:
    """A site that is gone afterwards; over TLS when it is given a context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, told, body = site.reply(self.path, dict(self.headers))
            headers = dict(told)
            self.send_response(status)
            length = headers.pop("X-Claimed-Length", str(len(body)))
            dribbling = headers.pop("X-Dribble", None)
            broken = headers.pop("X-Broken-Line", None)
            for name, value in {"Content-Length": length, **headers}.items():
                self.send_header(name, value)
            if broken is not None:
                self._headers_buffer.append(broken.encode() + b"\r\n")  # type: ignore[attr-defined]
            self.end_headers()
            if dribbling:
                site.dribble(self.wfile, body)
                return
            self.wfile.write(body)
            if length != str(len(body)):
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if encrypted is not None:
        server.socket = encrypted.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # handshakes that fail on purpose
    site = FakeSite(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
