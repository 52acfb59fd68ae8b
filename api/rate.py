"""Rate limits per token and per address: token buckets, in this process."""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from api.auth import COOKIE
from api.middleware import App, Receive, Scope, Send
from api.paths import is_stream
from api.problems import problem
from contracts.clock import Clock

MAX_KNOWN = 50_000
#: One address may hide several people; it gets this many times what one token gets.
ADDRESS_FACTOR = 4
EXEMPT = frozenset({"/health", "/ready", "/api/v2/health", "/api/v2/ready"})
#: Tokens are given out slowly: each would bring its own allowance.
MINT_PATH = "/api/v2/auth/anonymous"
MINT_PER_S = 2.0
MINT_BURST = 100
#: Characters of a token that are looked at.
MAX_KEY = 300
#: Characters of a forwarded address.
MAX_ADDRESS = 64
#: Bits of an address of IPv6 that are looked at: whoever is given one is given all that share them.
NETWORK_BITS = 64


class Allowance:
    """Token buckets by key: `burst` at once, `per_s` in the long run."""

    def __init__(self, clock: Clock, per_s: float, burst: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """0 when the request may pass, else seconds until one may."""
        now_s = self._clock.monotonic_ms() / 1000
        left, at_s = self._left.get(key, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - at_s) * self._per_s)
        passed = left >= 1
        self._left[key] = (left - 1 if passed else left, now_s)
        self._left.move_to_end(key)
        if len(self._left) > MAX_KNOWN:
            self._left.popitem(last=False)
        return 0.0 if passed else (1 - left) / self._per_s


class RateLimit:
    """429 with an honest `Retry-After`. A token is only a key here: whether it is valid is checked where it matters,
    and a made-up one still falls under its address."""

    def __init__(self, app: App, clock: Clock, per_s: float, burst: int, trusted_hops: int = 0) -> None:
        self._app = app
        self._trusted_hops = trusted_hops
        self._addresses = Allowance(clock, per_s * ADDRESS_FACTOR, burst * ADDRESS_FACTOR)
        self._tokens = Allowance(clock, per_s, burst)
        self._mints = Allowance(clock, min(MINT_PER_S, per_s), min(MINT_BURST, burst))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self._app(scope, receive, send)
            return
        wait_s, of = self._wait(scope)
        if wait_s <= 0:
            await self._app(scope, receive, send)
            return
        retry_s = math.ceil(wait_s)
        detail = f"too many requests from this {of}; the next one may come in {retry_s} s"
        answer = problem(429, detail, scope["path"], {"Retry-After": str(retry_s)}, retry_after=retry_s)
        await answer(scope, receive, send)

    def _wait(self, scope: Scope) -> tuple[float, str]:
        address = address_of(scope, self._trusted_hops)
        wait_s = self._addresses.take(address)
        if wait_s <= 0 and scope["path"] == MINT_PATH:
            wait_s = self._mints.take(address)
        # Streams have caps of their own, which answer 503 (all places) and 429 (those of an address); opening them
        # counts for the address only, so that many people behind one address can all come back after a restart.
        if wait_s > 0 or is_stream(scope["path"]):
            return wait_s, "address"
        key = _token_key(scope)
        return (self._tokens.take(key), "token") if key else (self._tokens.take(f"@{address}"), "address")


def address_of(scope: Scope, trusted_hops: int) -> str:
    """Who asks, of IPv6 the network. Behind `trusted_hops` proxies, each of which appends whom it heard the request
    from, that is the entry so many from the end of `X-Forwarded-For`: what stands before it is the caller's own word.
    """
    connected = str((scope.get("client") or ("unknown", 0))[0])
    if trusted_hops == 0:
        return _network_of(connected)
    given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [part.strip().decode("latin-1")[:MAX_ADDRESS] for part in given.split(b",")]
    return _network_of((len(hops) >= trusted_hops and hops[-trusted_hops]) or connected)


def _network_of(address: str) -> str:
    """The network of an address of IPv6; anything else as it is."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or IPv6Network((found, NETWORK_BITS), strict=False))


def _token_key(scope: Scope) -> str | None:
    headers: dict[bytes, Any] = dict(scope["headers"])
    given = headers.get(b"authorization", b"")
    if given[:7].lower() == b"bearer ":
        return str(given[7 : 7 + MAX_KEY].decode("latin-1"))
    _, found, rest = headers.get(b"cookie", b"").partition(f"{COOKIE}=".encode())
    return str(rest[:MAX_KEY].partition(b";")[0].decode("latin-1")) if found else None
