"""Who is asking: signed anonymous tokens, and the admin key. A bare `X-User-ID` proves nothing and is ignored.

A token is `cw1.<key id>.<payload>.<signature>`: the payload names a random user and an end, the signature is
HMAC-SHA256 over everything before it.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import msgspec
from fastapi import Depends, Header, Request

from api.context import Services, services_of
from api.keyring import Keyring
from api.problems import HttpProblem
from contracts.resolution import DAY_MS

VERSION = "cw1"
COOKIE = "candlewick_token"
ADMIN_SECRET = "CANDLEWICK_ADMIN_KEY"
MAX_TOKEN_CHARACTERS = 400
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Caller(NamedTuple):
    """An authenticated caller."""

    user: str
    expires_ms: int


class _Payload(msgspec.Struct):
    u: str
    e: int


class BadToken(Exception):
    """Why a token is not accepted."""


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sign(key: bytes, text: str) -> str:
    return _b64(hmac.digest(key, text.encode(), hashlib.sha256))


def issue(keyring: Keyring, now_ms: int, days: int) -> tuple[str, Caller]:
    """A token for a new anonymous user. Raises `Transient`."""
    key_id, key = next(iter(keyring.keys().items()))
    caller = Caller(secrets.token_urlsafe(12), now_ms + days * DAY_MS)
    body = f"{VERSION}.{key_id}.{_b64(msgspec.json.encode(_Payload(*caller)))}"
    return f"{body}.{_sign(key, body)}", caller


def verify(keyring: Keyring, token: str, now_ms: int) -> Caller:
    """Who a token stands for. Raises `BadToken` naming the reason, `Transient`."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(parts) != 4 or parts[0] != VERSION or not token.isascii():
        raise BadToken("not a token of this API")
    key = keyring.keys(parts[1]).get(parts[1])
    if key is None:
        raise BadToken("signed with a key that is no longer in use")
    if not hmac.compare_digest(_sign(key, ".".join(parts[:3])), parts[3]):
        raise BadToken("the signature does not match")
    try:
        payload = msgspec.json.decode(base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4)), type=_Payload)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadToken("not a token of this API") from None
    if payload.e <= now_ms:
        raise BadToken("the token has expired")
    return Caller(payload.u, payload.e)


def token_of(request: Request) -> tuple[str | None, bool]:
    """The caller's token, and whether it came in the cookie (which a browser sends by itself)."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip(), False
    return request.cookies.get(COOKIE), True


def _unauthorised(detail: str) -> HttpProblem:
    return HttpProblem(401, detail, {"WWW-Authenticate": "Bearer"})


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def check_origin(request: Request, services: Services) -> None:
    """A browser sends the cookie along, and takes one, whoever made it ask; a change must come from our own page or an
    allowed one. Raises `HttpProblem` 403.

    A proxy may put a host of its own in place of the page's; what a browser says of itself then tells (Fetch Metadata,
    `Sec-Fetch-Site`): no script can set that header."""
    origin = request.headers.get("origin")
    if request.method in _SAFE_METHODS or origin is None or request.headers.get("sec-fetch-site") == "same-origin":
        return
    if _host_of(origin) != request.headers.get("host") and origin not in services.options.origins:
        raise HttpProblem(403, f"requests that bring or get the cookie are not accepted from {origin[:100]}")


async def caller_of(request: Request) -> Caller:
    """The caller behind a valid token. Raises `HttpProblem` 401 with the reason."""
    services = services_of(request)
    token, in_cookie = token_of(request)
    if token is None:
        raise _unauthorised("a token is needed; POST /api/v2/auth/anonymous gives one")
    if in_cookie:
        check_origin(request, services)
    try:
        return await services.run("control", verify, services.keyring, token, services.clock.now_ms())
    except BadToken as error:
        raise _unauthorised(f"{error}; POST /api/v2/auth/anonymous gives a new one") from None


async def admin_of(
    request: Request,
    x_admin_key: Annotated[str | None, Header(description="the admin key", max_length=400)] = None,
) -> None:
    """Let an administrator pass. Raises `HttpProblem` 401 without a key, 403 with a wrong one."""
    services = services_of(request)
    expected = await services.run("secrets", services.home.secrets.get, ADMIN_SECRET)
    if x_admin_key is None:
        raise HttpProblem(401, "the X-Admin-Key header is needed", {"WWW-Authenticate": "X-Admin-Key"})
    if expected is None:
        raise HttpProblem(403, f"no admin key is set here; the operator sets the secret {ADMIN_SECRET}")
    if not _is_key(x_admin_key, expected):
        raise HttpProblem(403, "the admin key is wrong")


def _is_key(given: str, expected: str) -> bool:
    """Whether a header holds the key. Headers are bytes: what is not ASCII comes as UTF-8 from curl, say, and as
    Latin-1 from a browser."""
    sent = given.encode("latin-1")
    forms = [expected.encode()]
    if all(ord(character) < 256 for character in expected):
        forms.append(expected.encode("latin-1"))
    return any(hmac.compare_digest(sent, form) for form in forms)


Authenticated = Annotated[Caller, Depends(caller_of)]
Admin = Depends(admin_of)
