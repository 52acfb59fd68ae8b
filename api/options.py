"""Settings of the API beyond those every home shares: limits, allow-lists, paces. One row each.

`CANDLEWICK_` + the upper-case name is the variable, as in `contracts.settings`.
"""

from pydantic import Field, field_validator

from contracts.settings import ApiSettings


class ApiOptions(ApiSettings):
    """Limits and paces of one API process."""

    poll_ms: int | None = Field(None, ge=5, le=900, description="pause between two reads of the change log; empty: "
                                "20 on the embedded home, 500 on AWS (a read costs money there)")  # fmt: skip
    request_timeout_s: float = Field(10.0, gt=0, le=60, description="longest a store may take before 503")
    streams_per_address: int | None = Field(None, ge=1, description="event streams one address may hold open before "
                                            "429; empty: as many as there are places")  # fmt: skip
    max_body_bytes: int = Field(65_536, ge=1_024, description="largest request body before 413")
    rate_per_s: float = Field(100.0, gt=0, description="requests a second one token or address may make")
    rate_burst: int = Field(1_000, ge=1, description="requests one token or address may make at once")
    max_configurations: int = Field(5, ge=1, le=100, description="watch lists one token may keep")
    token_days: int = Field(30, ge=1, le=365, description="life of an anonymous token")
    cors_origins: str = Field("", description="comma-separated origins that may call from a browser; empty: none")
    trusted_hops: int = Field(0, ge=0, le=8, description="proxies in front, each of which appends to X-Forwarded-For: "
                              "so many from its end is the caller's address; 0: whoever connects")  # fmt: skip
    behind_tls: bool = Field(False, description="served over https: cookies are Secure, HSTS is sent")
    stall_s: float = Field(45.0, gt=0, le=55, description="a stream client that reads nothing for so long is closed")

    @field_validator("cors_origins")
    @classmethod
    def _named_origins(cls, value: str) -> str:
        """Cookies are accepted from these origins, so `*` would let any page act for its visitor."""
        if "*" in value:
            raise ValueError(
                "`*` would let any page act for its visitor; list the origins: https://a.example,https://b.example"
            )
        return value

    @property
    def poll_every_ms(self) -> int:
        """Pause between two reads of the change log."""
        return self.poll_ms or (20 if self.home == "embedded" else 500)

    @property
    def origins(self) -> tuple[str, ...]:
        """The CORS allow-list."""
        return tuple(part.strip().rstrip("/") for part in self.cors_origins.split(",") if part.strip())


def options_of(settings: ApiSettings) -> ApiOptions:
    """The same settings with the API's own rows at their defaults."""
    if isinstance(settings, ApiOptions):
        return settings
    known = {name: value for name, value in settings.model_dump().items() if name in ApiOptions.model_fields}
    return ApiOptions.model_validate(known)
