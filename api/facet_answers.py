"""The shapes of the answers behind the record and analytics pages: the candles an article fed, and facets."""

from typing import Literal

from pydantic import BaseModel, Field

from api.answers import ISO, ISO_MS, Bucket, LabelCounts


class FedCandle(BaseModel):
    """A candle of an article's minute; `bucket` is null when it is not stored. `roles`: which of its values the article
    made (articles with the same high or low all did)."""

    resolution: str = Field(examples=["5m"])
    start: str = Field(examples=[ISO])
    bucket: Bucket | None
    roles: list[Literal["open", "high", "low", "close"]]


class FedSubject(BaseModel):
    """An article's candles of one subject, finest first. `counted`: null when nobody can tell, any more or yet.
    `stored_at`: when its event was first written into them; null once the change log has forgotten (a day)."""

    subject: str = Field(examples=["AAPL"])
    event_id: str = Field(examples=["finnhub#9f86d081884c7d65@AAPL"])
    counted: bool | None
    stored_at: str | None = Field(examples=[ISO_MS])
    candles: list[FedCandle]


class ItemCandles(BaseModel):
    """The candles an article fed, in the live generation."""

    article_id: str = Field(examples=["finnhub#9f86d081884c7d65"])
    generation: str = Field(examples=["g1"])
    subjects: list[FedSubject]


class NamedCount(BaseModel):
    """How many articles of a name."""

    name: str = Field(examples=["finnhub"])
    count: int = Field(ge=0)


class FacetWindow(BaseModel):
    """Articles ingested in one window, by label."""

    start: str = Field(examples=[ISO])
    end: str = Field(examples=["2025-12-21T10:40:00Z"])
    positive: int = Field(ge=0)
    neutral: int = Field(ge=0)
    negative: int = Field(ge=0)


class Delays(BaseModel):
    """Articles by delay: `counts[i]` up to and with `edges_ms[i]`, the last one longer than all edges. Percentiles are
    the upper edge of their bin; null when longer than all edges, or when `count` is 0."""

    edges_ms: list[int]
    counts: list[int]
    count: int = Field(ge=0)
    p50_ms: int | None
    p95_ms: int | None


class Coverage(BaseModel):
    """Articles of one subject by window, in the order of `windows`."""

    subject: str = Field(examples=["AAPL"])
    counts: list[int]


class Facets(BaseModel):
    """Articles along every dimension, each under the filters on the others. `scores[i]`: polarity in the tenth that
    begins at −1 + i/10. `arrival`: from publication to ingestion; `scoring`: from there to the score."""

    hours: int = Field(ge=1, le=168)
    resolution: str = Field(description="width of the windows", examples=["1h"])
    start: str = Field(examples=[ISO])
    end: str = Field(examples=[ISO])
    total: int = Field(ge=0)
    whole_from: str | None
    windows: list[FacetWindow]
    labels: LabelCounts
    sources: list[NamedCount]
    models: list[NamedCount]
    tags: list[NamedCount]
    tickers: list[NamedCount]
    scores: list[int]
    arrival: Delays
    scoring: Delays
    coverage: list[Coverage]
