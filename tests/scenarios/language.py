"""The scenario language: plain text in, statements out. What a statement does is in `runner`.

    setup resolution 1m  out_of_order 10s  allowed_lateness 30s  lanes 4  idle 60s  expire on
    day 2024-02-29                      # the date of times without one
    10:00:05 AAPL +0.40 #a              # an event; ingested at its event time, or at @TIME; alone it is a batch
    10:00:20 @10:00:51 AAPL +0.90 #c shard=s1 model=m2 source=rss label=negative
    again #a shard=s2 @10:05            # the same event once more (with @: ingested again)
    bytes {"no": "event"}               # a record that is no event
    batch … deliver                     # the events between are one batch
    batch … meanwhile … deliver         # those after `meanwhile` are another process' batch, committed between this
                                        # one's reads and its writes
    deliver crash before writes | crash after 3 writes | crash after commit | reply lost | throttled after 3 writes
    crash after commit | crash          # of the last batch: it is done, but the process dies before it is acknowledged
    redeliver                           # the last batch again, byte for byte
    lose window state; final invoke; end window early
    now 10:30 | later 25h               # the processing clock (it follows the newest ingestion by itself)
    gone AAPL 1m 10:00                  # TTL has deleted the bucket
    finalise                            # the finaliser runs
    expect …                            # see runner

Times are `[YYYY-MM-DDT]HH:MM[:SS[.mmm]]`, durations `30s 10m 25h 3d 250ms`; ` # ` begins a comment, `;` separates.
"""

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)\Z")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TIME: Final = re.compile(r"(?:(\d{4}-\d{2}-\d{2})T)?(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{3}))?)?\Z")
_COMMENT: Final = re.compile(r"(?:^|\s)#(?:\s.*|\Z)")
_EPOCH: Final = datetime.date(1970, 1, 1)
DEFAULT_DAY: Final = "2025-12-21"


class ScenarioError(AssertionError):
    """A scenario that does not hold, or does not parse. The text begins with file:line."""


@dataclass(frozen=True)
class Statement:
    """One statement with its place: the verb, the words after it, and the day its times belong to."""

    path: Path
    line: int
    verb: str
    words: tuple[str, ...]
    day: str

    def fail(self, why: str) -> ScenarioError:
        return ScenarioError(f"{self.path}:{self.line}: {why}")

    def time_ms(self, text: str) -> int:
        """Milliseconds UTC of a time; one without a date is on the scenario's day."""
        found = _TIME.match(text)
        if not found:
            raise self.fail(f"{text!r} is not a time ([YYYY-MM-DDT]HH:MM[:SS[.mmm]])")
        day, hour, minute, second, millis = found.groups()
        days = (datetime.date.fromisoformat(day or self.day) - _EPOCH).days
        return ((days * 24 + int(hour)) * 60 + int(minute)) * 60_000 + int(second or 0) * 1_000 + int(millis or 0)

    def duration_ms(self, text: str) -> int:
        found = _DURATION.match(text)
        if not found:
            raise self.fail(f"{text!r} is not a duration (250ms, 30s, 10m, 25h, 3d)")
        return int(found[1]) * _UNIT_MS[found[2]]


@dataclass
class Scenario:
    """A parsed file."""

    path: Path
    statements: list[Statement] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.stem


VERBS: Final = frozenset(
    {
        "setup", "event", "again", "bytes", "batch", "meanwhile", "deliver", "crash", "redeliver", "lose", "final",
        "end", "now", "later", "gone", "finalise", "expect",
    }
)  # fmt: skip


def is_time(text: str) -> bool:
    return _TIME.match(text) is not None


def parse(path: Path, text: str | None = None) -> Scenario:
    """Read a scenario; raises `ScenarioError` for a word it does not know."""
    scenario = Scenario(path)
    day = DEFAULT_DAY
    for number, whole in enumerate((path.read_text() if text is None else text).splitlines(), 1):
        for part in _parts(whole):
            words = tuple(part.split()) if not part.startswith("bytes ") else ("bytes", part[6:].strip())
            if words[0] == "day":
                day = words[1]
                continue
            verb, rest = ("event", words) if is_time(words[0]) else (words[0], words[1:])
            statement = Statement(path, number, verb, rest, day)
            if verb not in VERBS:
                raise statement.fail(f"no such statement: {verb!r}")
            scenario.statements.append(statement)
    return scenario


def _parts(line: str) -> list[str]:
    bare = line if line.lstrip().startswith("bytes ") else _COMMENT.sub("", line)
    parts = [bare] if bare.lstrip().startswith("bytes ") else bare.split(";")
    return [part.strip() for part in parts if part.strip()]
