"""Settings: one typed model per handler, read from the environment in composition roots only.

`load` checks everything at once and raises one `Unusable` that lists every fault with its variable name.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.errors import Unusable
from contracts.resolution import DAY_MS, FINEST, MINUTE_MS

PREFIX = "CANDLEWICK_"
#: The variable that permits sources on private networks; named where one is refused.
PRIVATE_NETWORKS = f"{PREFIX}PRIVATE_NETWORKS"


class Settings(BaseModel):
    """What every service needs to find its stores. The variable of a field is `CANDLEWICK_` + its upper-case name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Literal["embedded", "aws"] = Field("embedded", description="which implementation of the ports to use")
    data_dir: str = Field(".candlewick", description="folder of the embedded home")
    environment: str = Field("dev", pattern=r"^[a-z][a-z0-9]{0,15}$", description="prefix of AWS resource names")
    endpoint_url: str | None = Field(None, description="endpoint of an AWS-compatible service; empty: AWS itself")
    lake_bucket: str | None = Field(
        None, description="S3 bucket of the lake; empty: `{environment}-candlewick-lake-{account}-{region}`"
    )
    metrics: Literal["process", "emf"] = Field(
        "process", description="`emf`: hand counts on to CloudWatch, as JSON lines on stdout"
    )
    synchronous: Literal["full", "normal"] = Field(
        "full", description="embedded durability: `full` survives a power cut, `normal` a killed process"
    )


class AggregatorSettings(Settings):
    """Settings of the aggregator and the finaliser."""

    allowed_lateness_ms: int = Field(DAY_MS, ge=0, le=7 * DAY_MS, description="how late an event may come")
    out_of_orderness_ms: int = Field(2 * MINUTE_MS, ge=0, description="how far the watermark trails the newest event")
    idle_after_ms: int = Field(MINUTE_MS, ge=1_000, description="a shard without records for so long holds nobody back")
    lanes: int = Field(1, ge=1, le=64, description="partition keys a subject is spread over")
    expire: bool = Field(False, description="apply each resolution's TTL (the AWS home does unless told not to)")

    @model_validator(mode="before")
    @classmethod
    def _expire_on_aws(cls, given: Any) -> Any:
        """DynamoDB deletes by TTL whether we say so or not; who does not reckon with it takes expired for empty."""
        if isinstance(given, dict) and given.get("home") == "aws":
            return {"expire": True} | given
        return given

    @model_validator(mode="after")
    def _lateness_within_ttl(self) -> "AggregatorSettings":
        """Where its minute is gone, nothing can count, however late it may come."""
        if self.expire and self.allowed_lateness_ms > FINEST.ttl_ms:
            raise ValueError(f"{PREFIX}ALLOWED_LATENESS_MS may be at most {FINEST.ttl_ms}: a minute is kept no longer")
        return self


class ClassifierSettings(Settings):
    """Settings of the classifier."""

    model: str = Field("", description="model of the registry; empty: the registry's default")
    symbols_file: str | None = Field(
        None, description="CSV of companies; empty: symbols.csv of the data directory, else the shipped one"
    )
    model_threads: int = Field(
        0, ge=0, le=16, description="texts that are scored side by side; 0: as many as there are cores, 4 at most"
    )
    lanes: int = Field(1, ge=1, le=64, description="partition keys a subject is spread over")
    allowed_lateness_ms: int = Field(DAY_MS, ge=0, le=7 * DAY_MS, description="how late an event may come")


class ProducerSettings(Settings):
    """Settings of the producers."""

    sources_file: str | None = Field(None, description="JSON file of source settings; empty: the shipped feed list")
    user_agent: str = Field("candlewick/0.1 (+news sentiment; contact the operator)", description="User-Agent sent")
    private_networks: str = Field(
        "", description="networks a source may be on although they are not public: `10.1.0.0/16,127.0.0.0/8`"
    )

    @field_validator("private_networks")
    @classmethod
    def _known_networks(cls, value: str) -> str:
        for each in filter(None, value.replace(" ", "").split(",")):
            ip_network(each)
        return value

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`private_networks`, read."""
        return tuple(ip_network(each) for each in self.private_networks.replace(" ", "").split(",") if each)


class ApiSettings(Settings):
    """Settings of the API and the event stream."""

    max_connections: int = Field(1_000, ge=1, description="event-stream connections per process before 503")
    heartbeat_s: float = Field(10.0, gt=0, le=20, description="seconds between heartbeats")
    max_lifetime_s: float = Field(900.0, gt=1, description="planned lifetime of a stream, ±20 % jitter")
    web_dir: str | None = Field(None, description="folder of the built dashboard; empty: the packaged one")
    demo_note: str | None = Field(None, description="set while recorded news is playing; shown on the page")


Model = TypeVar("Model", bound=Settings)


def load(model: type[Model], env: Mapping[str, str]) -> Model:
    """Settings from environment variables; unknown variables are ignored, empty ones count as unset. Raises `Unusable`
    naming every fault."""
    given = {
        name: env[PREFIX + name.upper()] for name in model.model_fields if env.get(PREFIX + name.upper(), "") != ""
    }
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(_told(fault["loc"], given) + fault["msg"] for fault in error.errors())
        raise Unusable(f"bad settings: {faults}") from None


def _told(place: tuple[int | str, ...], given: Mapping[str, str]) -> str:
    """The variable a fault is in; of what does not go together the message names it."""
    if not place:
        return ""
    name = str(place[0])
    return f"{PREFIX}{name.upper()}={given.get(name)!r}: "


def to_env(settings: Settings) -> dict[str, str]:
    """The environment variables that `load` turns back into these settings."""
    return {
        PREFIX + name.upper(): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.model_dump().items()
        if value is not None
    }
