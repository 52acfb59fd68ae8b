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
    stream_cursor: str = Field(examples=["g1.0:5k"])
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
    count: int = Field(ge=0, examples=[12])
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
    version: str = Field(examples=["1.0.0"])


class Status(BaseModel):
    """The line as a whole; stages that run elsewhere add their own members."""

    model_config = {"extra": "allow"}

    sources: list[dict[str, Any]]
    counts: dict[str, Any]
    lag_ms: int | None
    newest_ingest_at: str | None = Field(examples=[ISO_MS])
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
    cursor: str = Field(examples=["g1.0:5k"])
    resumed: bool
    reason: Literal["ok", "first", "too_old", "epoch_changed"]
    events: list[ChangeEvent]
    more: bool


class Token(BaseModel):
    """A signed anonymous token."""

    token: str = Field(examples=["cw1.4f2a91c0.eyJ1Ijoi….c2ln…"])
    user: str = Field(examples=["kJ3v0S9qUe1nTz2b"])
    expires_at: str = Field(examples=[ISO_MS])


class Configuration(BaseModel):
    """A watch list."""

    id: str = Field(examples=["0f1e2d3c4b5a6978"])
    name: str = Field(examples=["Chips"])
    subjects: list[str] = Field(examples=[["NVDA", "AMD"]])
    created_at: str = Field(examples=[ISO_MS])
    updated_at: str = Field(examples=[ISO_MS])
    stream: str = Field(examples=["/api/v2/configurations/0f1e2d3c4b5a6978/stream"])


class Configurations(BaseModel):
    """A user's watch lists."""

    configurations: list[Configuration]


class ItemMetadata(BaseModel):
    """What the source said of the article."""

    model_config = {"extra": "allow"}

    author: str | None = None
    title: str | None = Field(None, examples=["Apple shares slip after supplier warning"])
    published_at: str | None = Field(None, examples=[ISO_MS])
    source_name: str | None = Field(None, examples=["Reuters"])


class Item(BaseModel):
    """A scored article, with the attribute names of the store. `score`: confidence in the label; `polarity`: what
    candles are made of."""

    source_id: str = Field(examples=["finnhub#9f86d081884c7d65"])
    ingested_at: str = Field(examples=[ISO_MS])
    source_type: str | None = Field(examples=["finnhub"])
    source_url: str | None = Field(examples=["https://example.com/apple"])
    text_snippet: str | None = Field(examples=["Shares of Apple fell …"])
    sentiment: Label | None = Field(examples=["negative"])
    score: float | None = Field(ge=0, le=1, examples=[0.93])
    polarity: float | None = Field(ge=-1, le=1, examples=[-0.89])
    model_version: str | None = Field(examples=["minilm-news-1"])
    scored_at: str | None = Field(examples=[ISO_MS])
    raw_key: str | None = Field(description="where the lake holds the raw record; only of one article", examples=[None])
    metadata: ItemMetadata | None
    matched_tags: list[str] = Field(examples=[["ai-regulation"]])
    matched_tickers: list[str] = Field(examples=[["AAPL"]])
    sources: list[dict[str, Any]]


class Items(BaseModel):
    """A page of articles, newest first."""

    items: list[Item]
    count: int = Field(ge=0, examples=[1])
    next_cursor: str | None


class Record(BaseModel):
    """An article under the names of the curated-records API."""

    id: str = Field(examples=["finnhub#9f86d081884c7d65"])
    source: str | None = Field(examples=["finnhub"])
    captured_at: str | None = Field(examples=[ISO_MS])
    fingerprint: str = Field(examples=["9f86d081884c7d65"])
    raw_s3_key: str | None = Field(examples=["raw/source=finnhub/date=2025-12-21/part.jsonl.gz"])
    title: str | None = Field(examples=["Apple shares slip after supplier warning"])
    body: str | None = Field(examples=["Shares of Apple fell …"])
    processed_at: str | None = Field(examples=[ISO_MS])


class Records(BaseModel):
    """A page of records, newest first."""

    records: list[Record]
    count: int = Field(ge=0, examples=[1])
    lastKey: str | None


class DayCount(BaseModel):
    """Records of one day."""

    date: str = Field(examples=["2025-12-21"])
    count: int = Field(ge=0, examples=[12])


class Summary(BaseModel):
    """All records."""

    total_records: int = Field(ge=0, examples=[12])
    total_sources: int = Field(ge=0, examples=[2])
    oldest_record: str | None = Field(examples=["2025-12-21T10:35:40.120Z"])
    newest_record: str | None = Field(examples=[ISO_MS])


class Analytics(BaseModel):
    """Counts of records."""

    summary: Summary
    by_source: dict[str, int] = Field(examples=[{"finnhub": 9, "rss": 3}])
    by_date: dict[str, int] = Field(examples=[{"2025-12-21": 12}])
    timeline: list[DayCount]


class Metrics(BaseModel):
    """Articles of the last hours."""

    hours: int = Field(ge=1, le=168, examples=[24])
    total: int = Field(ge=0, examples=[12])
    distribution: LabelCounts
    by_tag: dict[str, int] = Field(examples=[{"ai-regulation": 4}])
    by_ticker: dict[str, int] = Field(examples=[{"AAPL": 7, "MSFT": 3}])
    by_source: dict[str, int] = Field(examples=[{"finnhub": 9, "rss": 3}])
    rate_last_hour: float = Field(ge=0, description="articles in the last hour", examples=[2])
    rate_last_24h: float = Field(ge=0, description="articles an hour over the last day", examples=[0.5])
    newest_ingested_at: str | None = Field(examples=[ISO_MS])


class Source(BaseModel):
    """A news source and how it is doing."""

    name: str = Field(examples=["rss-cnbc-top"])
    kind: str | None = Field(examples=["rss"])
    url: str | None = Field(examples=["https://example.com/feed.xml"])
    state: str = Field(examples=["healthy"])
    enabled: bool
    every_s: int | None = Field(examples=[300])
    last_attempt_at: str | None = Field(examples=[ISO_MS])
    last_success_at: str | None = Field(examples=[ISO_MS])
    cursor_at: str | None = Field(description="publication of the newest article seen there")
    next_due_at: str | None = Field(examples=[ISO_MS])
    error: str | None
    note: str | None = Field(description="what to know although nothing is wrong", examples=["set X to use it"])
    published: int = Field(ge=0, examples=[137])
    articles_per_hour: float | None


class Sources(BaseModel):
    """The news sources."""

    sources: list[Source]


class StreamProcess(BaseModel):
    """The streams of one process."""

    process: str = Field(examples=["4f2a91c07d3e"])
    connections: int = Field(ge=0, examples=[3])
    max_connections: int = Field(ge=1, examples=[1000])
    refused: int = Field(ge=0)
    draining: bool
    started_at: str = Field(examples=[ISO_MS])
    reported_at: str = Field(examples=[ISO_MS])


class StreamStatus(BaseModel):
    """The streams of all processes; other processes' numbers are at most five seconds old."""

    connections: int = Field(ge=0, examples=[3])
    max_connections: int = Field(ge=0, examples=[1000])
    refused: int = Field(ge=0)
    processes: list[StreamProcess]
