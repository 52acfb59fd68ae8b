"""The error tree. Every class answers one question: what should the caller do?

    CandlewickError
    ├── BadEvent      set it aside (quarantine) and go on with the rest
    ├── Transient     try again later; nothing is known to be wrong with the input
    ├── Conflict      somebody else wrote first: re-read, merge, write again
    ├── BadRequest    the asker must change the question (usage, HTTP 4xx, exit 2)
    └── Unusable      this installation cannot run as it stands (exit 1); the text names the remedy
        ├── InUse     another process has it
        └── Damaged   a file cannot be read; the others can
    AssertionError    our own bug: stop the shard, wake someone

Never `except Exception` to carry on.
"""


class CandlewickError(Exception):
    """Base of every error that is the world's fault and not ours."""


class BadEvent(CandlewickError):
    """An event that can never be counted. `reason` is a stable word, `detail` names the place."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Transient(CandlewickError):
    """A dependency failed now and may work later; `dependency` names it."""

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency}: {detail}")
        self.dependency = dependency


class Conflict(CandlewickError):
    """A guarded write lost against another writer."""


class BadRequest(CandlewickError):
    """A question that cannot be answered as asked; `allowed` lists what would be."""

    def __init__(self, detail: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(detail + (f" (allowed: {', '.join(allowed)})" if allowed else ""))
        self.detail = detail
        self.allowed = allowed


class Unusable(CandlewickError):
    """The installation, data directory or configuration is unusable; the text names cause and remedy."""


class InUse(Unusable):
    """Another process has the right that is needed here; the text names it."""


class Damaged(Unusable):
    """A file of the data directory is damaged; the text names it and the remedy."""


#: Why an event was quarantined. A row here is a row in docs/formats.md.
QUARANTINE_REASONS: dict[str, str] = {
    "unparseable": "not JSON, not JSON of the expected shape, or nested more than 512 levels deep",
    "unknown_schema": "the `schema` field names no version this program knows",
    "missing_field": "a required field is absent or empty",
    "bad_value": "a field has a value outside its range (NaN, label, polarity, identifier)",
    "bad_time": "a time is not an ISO-8601 instant with a zone, or is in 2100 or later",
    "bad_subject": "the subject is neither a ticker nor a tag",
    "oversized": "the record is larger than 256 KiB",
    "future": "published more than five minutes after it was ingested",
    "before_2000": "published before 2000-01-01",
    "corrupt_aggregate": "a KPL aggregate whose digest does not match its content",
}


def cause_of(error: Exception) -> str:
    """What to say of an error: the text of one of ours, which is written for people; of any other its class too."""
    return str(error) if isinstance(error, CandlewickError) else f"{type(error).__name__}: {error}"


def bug_of(error: Exception) -> Exception | None:
    """The error, unless it is one of ours: its traceback belongs in the log."""
    return None if isinstance(error, CandlewickError) else error
