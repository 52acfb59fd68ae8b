"""The shapes of answers about generations and the replay runs that build them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.answers import ISO_MS, Bucket


class Generation(BaseModel):
    """A complete set of buckets; `detail`: what the replay that built it recorded."""

    name: str = Field(examples=["g1"])
    live: bool
    detail: dict[str, Any]


class Swap(BaseModel):
    """Another generation went live."""

    at: str = Field(examples=[ISO_MS])
    action: Literal["promote", "rollback"]
    generation: str = Field(examples=["g2"])
    previous: str = Field(examples=["g1"])
    reason: str = Field(examples=["better on headlines"])


class Generations(BaseModel):
    """The generations; `swaps`: when another one went live, oldest first."""

    generations: list[Generation]
    swaps: list[Swap]


class Run(BaseModel):
    """A replay run: what it builds and how far it came. More members come with its state."""

    model_config = {"extra": "allow"}

    id: str = Field(examples=["r1"])
    generation: str = Field(examples=["g2"])
    state: str = Field(examples=["completed"])
    model: str | None = Field(None, examples=["minilm-news-2"])
    plan: str = Field(description="digest of the plan", examples=["3f9a0c12d4e5b678"])
    planned_at: str = Field(examples=[ISO_MS])
    created_at: str = Field(examples=[ISO_MS])
    finished_at: str | None = None
    units_done: int = Field(ge=0)
    units_total: int = Field(ge=0)
    seconds: float | None = None
    digest: str | None = None
    error: str | None = None


class Runs(BaseModel):
    """The replay runs, newest first, and which generation is live."""

    live: str = Field(examples=["g1"])
    runs: list[Run]


class AuditRecord(BaseModel):
    """Who did what, when and why."""

    model_config = {"extra": "allow"}

    at: str = Field(examples=[ISO_MS])
    action: str = Field(examples=["promote"])
    generation: str = Field(examples=["g2"])
    reason: str | None = None


class RunDetail(Run):
    """A run with its last compare (null: none yet) and what was done with its generation, oldest first."""

    live: str = Field(examples=["g1"])
    compare: dict[str, Any] | None
    audit: list[AuditRecord]


class CompareReport(BaseModel):
    """The full comparison of a run with the live generation; `breaches`: what stands between it and a promote."""

    model_config = {"extra": "allow"}

    a: str = Field(examples=["g1"])
    b: str = Field(examples=["g2"])
    at: str = Field(examples=[ISO_MS])
    complete: bool
    counts: dict[str, int]
    by_resolution: dict[str, dict[str, Any]]
    by_subject: dict[str, dict[str, Any]]
    mean_abs_close_change: float
    label_flips: dict[str, Any]
    psi: dict[str, Any]
    worst: list[dict[str, Any]]
    breaches: list[str] = Field(examples=[["mean change of the close is 0.31, at most 0.25"]])


class Promoted(BaseModel):
    """What was made live, instead of what; the whole audit record is with the run."""

    generation: str = Field(examples=["g2"])
    previous: str = Field(examples=["g1"])
    at: str = Field(examples=[ISO_MS])
    forced: bool
    reason: str = Field(examples=["better on headlines"])


class Verdicts(BaseModel):
    """Counts of buckets."""

    equal: int = Field(ge=0)
    changed: int = Field(ge=0)
    only_here: int = Field(ge=0)
    only_there: int = Field(ge=0)


class Difference(BaseModel):
    """A bucket that differs; `difference`: the largest of open, high, low, close."""

    ticker: str = Field(examples=["AAPL"])
    resolution: str = Field(examples=["5m"])
    difference: float = Field(ge=0)
    a: Bucket
    b: Bucket


class Comparison(BaseModel):
    """How two generations differ."""

    a: str = Field(examples=["g1"])
    b: str = Field(examples=["g2"])
    counts: Verdicts
    by_resolution: dict[str, Verdicts]
    worst: list[Difference]
    complete: bool
