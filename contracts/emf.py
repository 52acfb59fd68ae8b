"""Metrics as CloudWatch's embedded format: one JSON line on stdout, which CloudWatch Logs turns into metrics; the lines
are Powertools'.

The stage is the only dimension: every value of one is a metric that costs 0.30 a month, so a ticker never is.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Final

from contracts.clock import Clock
from contracts.metrics import METRICS, NAMESPACE

STAGE: Final = "stage"


def emf_line(values: Mapping[str, float], stage: str, now_ms: int) -> str:
    """The line of some values at an instant; empty when there are none."""
    if not values:
        return ""
    from aws_lambda_powertools.metrics import EphemeralMetrics

    metrics = EphemeralMetrics(namespace=NAMESPACE)
    metrics.set_timestamp(now_ms)
    metrics.add_dimension(STAGE, stage)
    for name, value in values.items():
        metrics.add_metric(name, METRICS[name].unit, value)
    return json.dumps(metrics.serialize_metric_set(), separators=(",", ":")) + "\n"


def writer(stage: str, clock: Clock) -> Callable[[Mapping[str, float]], None]:
    """For `telemetry.emit_to`. A line is one write, so lines of threads do not mix."""

    def write(values: Mapping[str, float]) -> None:
        sys.stdout.write(emf_line(values, stage, clock.now_ms()))

    return write
