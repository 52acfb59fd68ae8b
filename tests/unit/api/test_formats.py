"""docs/formats.md tells the truth: every `curl` line works against a live server, every list is complete."""

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from aggregation.changes import MAX_CHANGE_EVENTS
from api.app import NOUNS
from api.sse.stream import RECONNECT_MS
from api.stream_answers import EVENTS, Bye
from contracts.errors import QUARANTINE_REASONS
from ops.admin_actions import ACTIONS
from ops.replay.runs import create_run
from stores.home import close_home, open_home
from tests.clocks import SteadyClock
from tests.events import scored
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, options, serving_in_thread
from tests.unit.replay.kit import planned, put, settings_of

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
ADMIN = "the-admin-key-of-the-tests"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A live server with the data the page speaks of, as the variables of its lines; it acts for administrators, as
    `candlewick up` does."""
    settings = settings_of(tmp_path_factory.mktemp("formats"))
    home = open_home(settings, SteadyClock(NOW_MS), env={"CANDLEWICK_ADMIN_KEY": ADMIN})
    home.control.put("source", "rss-one", {"state": "healthy", "kind": "rss", "url": "https://x.example"})
    put(home, [scored(1, "AAPL", NOW_MS - 40_000, 0.05, NOW_MS)])
    create_run(home, planned(home, settings))  # r1, which builds g2
    line = Line(cast(TestHome, home))
    for number in range(1, 4):
        event = Told("AAPL", NOW_MS - number * 40_000, 500, article(number))
        line.tell(event)
        line.item(event)
    Line(cast(TestHome, home), "g2", "replay").tell(event)
    actions = {name: functools.partial(action, home, settings) for name, action in ACTIONS.items()}
    with serving_in_thread(home, options(), actions) as base:
        token = httpx.post(f"{base}/api/v2/auth/anonymous").json()["token"]
        made = httpx.post(
            f"{base}/api/v2/configurations",
            headers={"Authorization": f"Bearer {token}"},
            json={"name": "mine", "subjects": ["AAPL"]},
        )
        yield {"BASE": base, "TOKEN": token, "ID": made.json()["id"], "ADMIN": ADMIN}
    close_home(settings)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine; the lines of the page are not run")
def test_every_line_of_the_page_works(variables: dict[str, str]) -> None:
    assert len(LINES) > 40
    for line in LINES:
        command, _, expected = line.partition("  # ")
        written = f"{command} --max-time 20 -w '\\n%{{http_code}}'"
        done = subprocess.run(["sh", "-c", written], env=variables | {"PATH": "/usr/bin:/bin"}, capture_output=True)
        body, _, status = done.stdout.decode().rpartition("\n")
        assert (status, done.returncode) == (expected or "200", 0), (line, body, done.stderr)
        if "/stream?" in line and not expected:
            assert body.startswith("event: hello\n"), line
            assert "event: bye\n" in body, line
        elif body:
            assert isinstance(json.loads(body), dict), line


def test_every_endpoint_has_a_line() -> None:
    for noun in NOUNS:
        for route in noun.router.routes:
            pattern = re.sub(r"\{[^}]*\}", '[^/?" ]+', "/api/v2" + route.path)  # type: ignore[attr-defined]
            methods = route.methods - {"HEAD"}  # type: ignore[attr-defined]
            for method in methods:
                wanted = re.compile(re.escape("$BASE") + pattern + r"[?\"]")
                found = [line for line in LINES if wanted.search(line)]
                found = [line for line in found if (f"-X {method}" in line) or (method == "GET" and "-X" not in line)]
                assert found, f"{method} {pattern} has no curl line in docs/formats.md"


def test_every_reason_event_and_farewell_is_in_the_page() -> None:
    for reason, text in QUARANTINE_REASONS.items():
        assert f"| `{reason}` | {text} |" in PAGE, reason
    for name in EVENTS:
        assert f"| `{name}` |" in PAGE, name
    assert f"the newest {MAX_CHANGE_EVENTS} of a change |" in PAGE
    assert f"with their `count`, at most {MAX_CHANGE_EVENTS} |" in PAGE
    for reason in RECONNECT_MS:
        assert f"`{reason}`" in PAGE, reason
    assert set(Bye.model_fields["reason"].annotation.__args__) == set(RECONNECT_MS)  # type: ignore[union-attr]


def test_every_event_is_shown_as_it_is() -> None:
    """What the stream really sends is held against the same shapes in `kit.events_of`."""
    block = re.search(r"resume:\n\n```json\n(.*?)```", PAGE, re.S)
    assert block is not None
    shown = [json.loads(each) for each in block[1].split("\n\n")]
    assert [each["event"] for each in shown] == list(EVENTS)
    for each in shown:
        EVENTS[each["event"]].model_validate(each["data"])
