"""The newest record of a shard, for whoever waits for a stream to be read to its end or plans to read it that far."""

from typing import Final

from contracts.ports import EventLog, Page, Position

_HALVINGS: Final = 20


def newest(log: EventLog, stream: str, shard_id: str, after: str | None = None) -> str | None:
    """The newest record's sequence number without reading the whole shard: jumps towards the tip by arrival time, ever
    shorter. None when there is none, or none after a number. Raises `BadRequest` when the shard never gave that out."""
    found = None
    start = Position("TRIM_HORIZON") if after is None else Position("AFTER_SEQUENCE_NUMBER", after)
    iterator: str | None = log.iterator(stream, shard_id, start)
    while iterator:
        page = log.get_records(iterator)
        if page.records:
            found = page.records[-1].sequence_number
        if page.behind_ms == 0:
            break
        iterator = _jump(log, stream, shard_id, page) or page.next_iterator
    return found


def _jump(log: EventLog, stream: str, shard_id: str, page: Page) -> str | None:
    """An iterator as far ahead of a page as there still are records, or None."""
    if not page.records:
        return None
    for halving in range(1, _HALVINGS):
        step_ms = page.behind_ms >> halving
        if step_ms == 0:
            return None
        ahead = log.iterator(stream, shard_id, Position("AT_TIMESTAMP", str(page.records[-1].arrival_ms + step_ms)))
        if log.get_records(ahead, 1).records:
            return ahead
    return None
