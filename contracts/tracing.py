"""Traces: the OpenTelemetry API behind one name. Without the library, or without an SDK that a distribution (such as
ADOT's Lambda layer) sets up, a span costs next to nothing and goes nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

INSTRUMENTATION: Final = "candlewick"


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """Time what happens inside; an exception that leaves it marks the span as failed. Never a text of a person in an
    attribute."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(name, attributes=attributes):
        yield


@cache
def _tracer() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer(INSTRUMENTATION)
