"""What every reader of the event log needs besides its port."""

from contracts.ports import EventLog, Position, Record


def first_record(log: EventLog, stream: str, shard_id: str, position: Position) -> Record | None:
    """The first record of a shard from a position on; None: up to the tip there is none. An empty page is no end:
    Kinesis crosses stretches without records, and then says that it is behind. Raises `BadRequest`."""
    iterator: str | None = log.iterator(stream, shard_id, position)
    while iterator:
        page = log.get_records(iterator, 1)
        if page.records or page.behind_ms == 0:
            return next(iter(page.records), None)
        iterator = page.next_iterator
    return None
