"""Reading a whole stream, parents before children, as every rebuild from the log must."""

from collections.abc import Iterator

from contracts.ports import EventLog, Page, Position, Record

PAGE_RECORDS = 10_000


def pages(log: EventLog, stream: str, limit: int = PAGE_RECORDS) -> Iterator[tuple[str, list[Record]]]:
    """(shard id, records) from the oldest kept record to the newest at the time of the call."""
    for shard in log.shards(stream):
        iterator: str | None = log.iterator(stream, shard.shard_id, Position("TRIM_HORIZON"))
        while iterator:
            page: Page = log.get_records(iterator, limit)
            if page.records:
                yield shard.shard_id, page.records
            if page.behind_ms == 0 and not page.records:
                break
            iterator = page.next_iterator
