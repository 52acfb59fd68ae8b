"""moto as an endpoint of its own: `python -m tests.aws.moto_endpoint` prints its address, serves until its input ends.

For the real program, which knows an address and nothing of moto. moto's own server would want Flask; what it does is
little: tell the service from the request's signature, and hand the request to the code that answers in process.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import BotocoreStubber

from contracts.clock import SystemClock
from tests.aws.moto_aws import moto_aws

ROOT = Path(__file__).resolve().parents[2]
#: `Credential=<key>/<date>/<region>/<service>/aws4_request` of a signature.
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")


class _Handler(BaseHTTPRequestHandler):
    """Answers what botocore sends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        """One request, as if it had gone to AWS' own address."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        assert scope, f"no signature: {self.command} {self.path}"
        service = scope["service"]
        if self.headers.get("X-Amz-Target", "").startswith("DynamoDBStreams"):
            service = "streams.dynamodb"  # signed as DynamoDB, at home elsewhere
        url = f"https://{service}.{scope['region']}.amazonaws.com{self.path}"
        answered = BotocoreStubber().process_request(AWSPreparedRequest(self.command, url, headers, body, False))
        assert answered is not None, f"moto has no answer: {self.command} {url}"
        status, found, content = answered
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in found.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, str(value))
        self.send_header(
            "Content-Length", found.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, as some are here, is no fault of the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> None:
    """Serve on a free port of this machine's own address until standard input ends, so it outlives no test."""
    with moto_aws(SystemClock()):
        server = _Server(("127.0.0.1", 0), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def moto_endpoint() -> Iterator[str]:
    """An empty AWS in a process of its own; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.aws.moto_endpoint"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().decode().strip()
        assert url, "it did not start"
        yield url
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
