"""The shapes of the stream's events, one row each: `EVENTS` is what the OpenAPI document, docs/formats.md and the tests
are held against."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.answers import ISO_MS, Bucket, Label, Metrics, PartialBucket


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Filters(_Event):
    """What a connection hears; `tickers` null: all live subjects."""

    tickers: list[str] | None = Field(examples=[["AAPL", "MSFT"]])
    resolutions: list[str] = Field(examples=[["1m", "5m"]])


class Hello(_Event):
    """The first event, always. `resumed` false: a snapshot follows and replaces what was known."""

    epoch: str = Field(description="the live generation", examples=["g1"])
    resumed: bool = Field(examples=[False])
    reason: Literal["ok", "first", "too_old", "epoch_changed"] = Field(examples=["first"])
    server_time: str = Field(examples=[ISO_MS])
    heartbeat_s: float = Field(gt=0, examples=[10.0])
    max_lifetime_s: float = Field(gt=0, examples=[900.0])
    filters: Filters


class Heartbeat(_Event):
    """After hello and what follows it at once, and every `heartbeat_s`. `cursor`: where a client goes on that has all
    that came before. `lag_ms`: from the newest article's acceptance to its change."""

    server_time: str = Field(examples=[ISO_MS])
    newest_ingest_at: str | None = Field(examples=["2025-12-21T10:35:11.900Z"])
    lag_ms: int | None = Field(ge=0, examples=[180])
    cursor: str = Field(examples=["g1.0:5k"])
    connections: int = Field(ge=0, description="streams of this process", examples=[3])
    store: Literal["up", "down"] = Field(examples=["up"])


class SnapshotRow(_Event):
    """The state of one series: its newest ended window, and the one that contains now."""

    ticker: str = Field(examples=["AAPL"])
    resolution: str = Field(examples=["5m"])
    final: Bucket | None
    partial: PartialBucket | None


class Snapshot(_Event):
    """The state of every subscribed series that has a bucket."""

    series: list[SnapshotRow]


class BucketUpdate(_Event):
    """A window that has ended, new or revised, in full."""

    ticker: str = Field(examples=["AAPL"])
    resolution: str = Field(examples=["5m"])
    bucket: Bucket
    origin_timestamp: str | None = Field(
        description="when the newest article in it was accepted; null for a change that only repeats", examples=[ISO_MS]
    )


class PartialUpdate(_Event):
    """A window that has not ended, in full; at most ten a second of one window, and once more when it begins if it was
    written before."""

    ticker: str = Field(examples=["AAPL"])
    resolution: str = Field(examples=["5m"])
    bucket: PartialBucket
    progress_pct: float = Field(ge=0, le=100, examples=[42.5])
    origin_timestamp: str | None = Field(examples=[ISO_MS])


class NewItem(_Event):
    """A newly scored article of a subscribed subject."""

    ticker: str = Field(examples=["AAPL"])
    event_id: str = Field(examples=["finnhub#9f86d081884c7d65@AAPL"])
    article_id: str = Field(examples=["finnhub#9f86d081884c7d65"])
    title: str | None = Field(examples=["Apple shares slip after supplier warning"])
    event_time: str = Field(examples=[ISO_MS])
    source: str = Field(examples=["finnhub"])
    label: Label = Field(examples=["negative"])
    polarity: float = Field(ge=-1, le=1, examples=[-0.8917])
    origin_timestamp: str | None = Field(examples=[ISO_MS])


class SentimentUpdate(NewItem):
    """The newest article of a change, and how many the change brought."""

    count: int = Field(ge=1, examples=[2])


class Bye(_Event):
    """Before every planned end; a `retry:` line comes with it."""

    reason: Literal[
        "lifetime", "shutdown", "until", "epoch_changed", "too_slow", "configuration_deleted", "too_many_series"
    ] = Field(examples=["lifetime"])
    reconnect_in_ms: int = Field(ge=0, examples=[612])


#: Every event of the stream by name.
EVENTS: Final[dict[str, type[BaseModel]]] = {
    "hello": Hello,
    "heartbeat": Heartbeat,
    "snapshot": Snapshot,
    "bucket_update": BucketUpdate,
    "partial_bucket": PartialUpdate,
    "new_item": NewItem,
    "sentiment_update": SentimentUpdate,
    "metrics": Metrics,
    "bye": Bye,
}
