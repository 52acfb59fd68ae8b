"""Spans go where OpenTelemetry is told to send them, and nowhere when it is not there."""

import sys

import pytest

from contracts import tracing


@pytest.fixture(autouse=True)
def fresh():
    tracing._tracer.cache_clear()
    yield
    tracing._tracer.cache_clear()


def test_without_the_library_a_span_is_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with tracing.span("store", table="a"):
        pass
    with pytest.raises(ZeroDivisionError), tracing.span("store"):
        raise ZeroDivisionError


def test_with_it_a_span_has_its_name_and_attributes(monkeypatch):
    trace = pytest.importorskip("opentelemetry.trace")
    seen = []

    class Tracer(trace.NoOpTracer):
        def start_as_current_span(self, name, attributes=None, **more):
            seen.append((name, dict(attributes)))
            return super().start_as_current_span(name, **more)

    monkeypatch.setattr(trace, "get_tracer", lambda name: Tracer())
    with tracing.span("dynamodb put_item", attempt=1):
        pass
    assert seen == [("dynamodb put_item", {"attempt": 1})]
