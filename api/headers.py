"""Headers that guard every answer, and those that open it to pages of other origins."""

from collections.abc import Sequence

CSP = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def headers_of(behind_tls: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a process, by whether it is reached through TLS."""
    return [*SECURITY_HEADERS, HSTS] if behind_tls else SECURITY_HEADERS


#: What a page of an allowed origin may send and read, besides what every page may.
MAY_SEND = ["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-Admin-Key", "X-Request-ID"]
MAY_READ = ["ETag", "Location", "Retry-After", "X-Request-ID"]


def for_page(origin: str | None, origins: Sequence[str]) -> dict[str, str]:
    """The headers with which a page of another origin may read an answer that is made outside all middleware."""
    if origin is None or origin not in origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": ", ".join(MAY_READ),
        "Vary": "Origin",
    }
