"""Log lines of deployed functions."""

import json
import logging
from types import SimpleNamespace

import pytest

from contracts import logs
from contracts.metrics import NAMESPACE


@pytest.fixture
def deployed(monkeypatch, capsys):
    """As on Lambda; afterwards the process logs as before."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.deploy.cache_clear()
    logs.deploy(NAMESPACE)
    streams = [handler for handler in root.handlers if isinstance(handler, logging.StreamHandler)]
    lines: list[str] = []
    for handler in streams:
        monkeypatch.setattr(handler, "emit", lambda line, handler=handler: lines.append(handler.format(line)))
    yield lines
    logs.deploy.cache_clear()
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_one_json_object_with_the_batch_it_is_about(deployed):
    event = {"Records": [{"eventID": "shardId-000000000000:495"}, {"eventID": "shardId-000000000000:496"}]}
    logs.invoked(event, SimpleNamespace(aws_request_id="r-1"))
    logging.getLogger("aggregation.handler").info(json.dumps({"message": "batch", "counted": 3}))
    (line,) = [json.loads(line) for line in deployed]
    assert line["level"] == "INFO"
    assert line["service"] == NAMESPACE
    assert line["correlation_id"] == "shardId-000000000000:495"
    assert line["function_request_id"] == "r-1"
    assert line["message"] == {"message": "batch", "counted": 3}


def test_an_error_is_one_line_too(deployed):
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("stores.dynamo").exception("gone")
    (line,) = deployed
    assert "\n" not in line
    assert json.loads(line)["exception_name"] == "ValueError"


@pytest.mark.parametrize(
    ("event", "identity"),
    [
        ({"requestContext": {"requestId": "http-1"}}, "http-1"),
        ({"id": "schedule-1", "detail-type": "Scheduled Event"}, "schedule-1"),
        ({"Records": [], "isFinalInvokeForWindow": True}, ""),
    ],
)
def test_what_stays_the_same_over_tries_is_the_correlation_id(event, identity):
    assert logs.correlation_of(event) == identity


def test_on_one_machine_nothing_is_set_up():
    logs.deploy.cache_clear()
    logs.invoked({"id": "x"}, None)
    assert logs.deploy.cache_info().currsize == 0
