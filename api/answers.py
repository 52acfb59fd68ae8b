"""The shapes of answers, for the OpenAPI document and the types generated from it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

Label = Literal["positive", "neutral", "negative"]
ISO = "2025-12-21T10:35:00Z"
ISO_MS = "2025-12-21T10:35:12.345Z"


class LabelCounts(BaseModel):
    """How many articles had each label."""

    positive: int = Field(ge=0, examples=[8])
    neutral: int = Field(ge=0, examples=[3])
    negative: int = Field(ge=0, examples=[1])


class EventAt(BaseModel):
    """When and by which event open or close was made."""

    time: str = Field(examples=[ISO_MS])
    event_id: str = Field(examples=["finnhub#9f86d081884c7d65@AAPL"])


class Bucket(BaseModel):
    """The aggregate of one subject, one resolution, one window `[start, end)`; polarity in [−1, 1]."""

    start: str = Field(examples=[ISO])
    end: str = Field(examples=["2025-12-21T10:40:00Z"])
    open: float = Field(ge=-1, le=1, examples=[0.12])
    high: float = Field(ge=-1, le=1, examples=[0.89])
    low: float = Field(ge=-1, le=1, examples=[-0.45])
    close: float = Field(ge=-1, le=1, examples=[0.31])
    sum: float = Field(examples=[2.64])
    count: int = Field(ge=1, examples=[12])
    label_counts: LabelCounts
    sources: list[str] = Field(examples=[["finnhub", "rss"]])
    model_versions: list[str] = Field(examples=[["minilm-news-1"]])
    open_at: EventAt
    close_at: EventAt
    rev: int = Field(ge=1, examples=[3])
    is_partial: bool = Field(examples=[False])
    last_updated: str = Field(examples=[ISO_MS])


class PartialBucket(Bucket):
    """The bucket of the window that contains now."""

    progress_pct: float = Field(ge=0, le=100, examples=[42.5])
    next_update_at: str = Field(description="the window's end", examples=["2025-12-21T10:40:00Z"])


class Series(BaseModel):
    """A page of a series, ascending. `stream_cursor`: where the stream goes on without a gap."""

    ticker: str = Field(examples=["AAPL"])
    resolution: str = Field(examples=["5m"])
    buckets: list[Bucket]
    partial_bucket: PartialBucket | None
    cache_hit: bool
    query_time_ms: float = Field(ge=0, examples=[1.27])
    next_cursor: str | None = Field(examples=[None])
    stream_cursor: str = Field(examples=["0:5k"])
    generation: str = Field(examples=["g1"])


class SeriesList(BaseModel):
    """Several series at one resolution."""

    series: list[Series]


class Article(BaseModel):
    """A scored article behind a bucket; `roles`: which of the bucket's values it made."""

    event_id: str = Field(examples=["finnhub#9f86d081884c7d65@AAPL"])
    article_id: str = Field(examples=["finnhub#9f86d081884c7d65"])
    title: str | None = Field(examples=["Apple shares slip after supplier warning"])
    publisher: str | None = Field(examples=["Reuters"])
    source: str | None = Field(examples=["finnhub"])
    url: str | None = Field(examples=["https://example.com/apple"])
    published_at: str = Field(examples=[ISO_MS])
    ingested_at: str | None = Field(examples=[ISO_MS])
    scored_at: str | None = Field(examples=[ISO_MS])
    label: Label | None = Field(examples=["negative"])
    confidence: float | None = Field(ge=0, le=1, examples=[0.9312])
    polarity: float | None = Field(ge=-1, le=1, examples=[-0.8917])
    model_version: str | None = Field(examples=["minilm-news-1"])
    roles: list[Literal["open", "high", "low", "close"]]


class Articles(BaseModel):
    """The articles behind a bucket by (event time, event id). `count`: the bucket's own; when it is larger than the
    list, `missing` articles are gone from the item store, or the list was cut at its limit."""

    articles: list[Article]
    count: int = Field(ge=0)
    missing: int = Field(ge=0)
    bucket: Bucket


class SubjectRow(BaseModel):
    """A live subject."""

    subject: str = Field(examples=["AAPL"])
    name: str | None = Field(examples=["Apple Inc."])
    count_24h: int = Field(ge=0, examples=[37])
    last_event_at: str | None = Field(examples=[ISO_MS])


class Subjects(BaseModel):
    """The live subjects. `demo`: recorded news is playing."""

    subjects: list[SubjectRow]
    demo: bool
    demo_note: str | None


class Check(BaseModel):
    """One dependency."""

    name: str = Field(examples=["buckets"])
    status: Literal["up", "down"]
    detail: str | None = None


class Health(BaseModel):
    """This process and what it depends on."""

    status: Literal["ok", "degraded"]
    checks: list[Check]
    version: str


class Status(BaseModel):
    """The line as a whole; stages that run elsewhere add their own members."""

    model_config = {"extra": "allow"}

    sources: list[dict[str, Any]]
    counts: dict[str, Any]
    lag_ms: int | None
    watermarks: list[dict[str, Any]]
    demo: bool


class ChangeEvent(BaseModel):
    """One event of the stream, as polled."""

    event: str = Field(examples=["bucket_update"])
    id: str = Field(examples=["g1.0:5k"])
    data: dict[str, Any]


class Changes(BaseModel):
    """What happened since a cursor. `resumed` false: the first event is a snapshot and replaces what was known."""

    epoch: str = Field(examples=["g1"])
    cursor: str = Field(examples=["0:5k"])
    resumed: bool
    reason: Literal["ok", "first", "too_old", "epoch_changed"]
    events: list[ChangeEvent]
    more: bool
