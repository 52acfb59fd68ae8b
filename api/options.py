"""Settings of the API beyond those every home shares: limits, allow-lists, paces. One row each.

`CANDLEWICK_` + the upper-case name is the variable, as in `contracts.settings`.
"""

from pydantic import Field

from contracts.settings import ApiSettings


class ApiOptions(ApiSettings):
    """Limits and paces of one API process."""

    poll_ms: int | None = Field(None, ge=5, le=900, description="pause between two reads of the change log; empty: "
                                "20 on the embedded home, 500 on AWS (a read costs money there)")  # fmt: skip
    request_timeout_s: float = Field(10.0, gt=0, le=60, description="longest a store may take before 503")
    max_body_bytes: int = Field(65_536, ge=1_024, description="largest request body before 413")
    rate_per_s: float = Field(100.0, gt=0, description="requests a second one token or address may make")
    rate_burst: int = Field(1_000, ge=1, description="requests one token or address may make at once")
    max_configurations: int = Field(5, ge=1, le=100, description="watch lists one token may keep")
    token_days: int = Field(30, ge=1, le=365, description="life of an anonymous token")
    cors_origins: str = Field("", description="comma-separated origins that may call from a browser; empty: none")
    behind_tls: bool = Field(False, description="served over https: cookies are Secure, HSTS is sent")
    stall_s: float = Field(45.0, gt=0, le=60, description="a stream client that reads nothing for so long is closed")

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
