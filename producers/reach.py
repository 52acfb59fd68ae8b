"""Where a source may be: on public addresses, and on private networks that an operator named.

Without it a feed could point (or redirect, or have its name resolve) to this machine, its neighbours or a cloud's
metadata service, and what those say would be fetched on the feed's behalf. The check is made on the address that is
connected to: after the name was looked up, for each connection anew, after every redirect.

    name ──look-up──> addresses ──permitted only──> connect to that very address ──> TLS with the name, request
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from contracts.settings import PRIVATE_NETWORKS

#: Addresses of one name that are tried, one after the other.
MAX_ADDRESSES: Final = 4
#: Names behind a proxy that are remembered as unknown here.
MAX_NAMES: Final = 1_000
#: IPv6 addresses that are another way to write an IPv4 address (NAT64): that one is judged.
_NAT64: Final = ip_network("64:ff9b::/96")
#: Where public IPv6 addresses are; all others are local, reserved or a way to write something else.
_PUBLIC_IPV6: Final = ip_network("2000::/3")
#: Reserved, although older versions of Python take them for global.
_RESERVED: Final = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


class NotPublic(Exception):
    """A name leads to no address that may be connected to."""

    def __init__(self, host: str, address: str) -> None:
        where = address if host == address else f"{host} is at {address}, which"
        super().__init__(f"{where} is not a public address; {PRIVATE_NETWORKS} names networks to allow")


class Reach:
    """Which addresses may be connected to. `networks`: private ones that are permitted as well."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._networks = tuple(networks)

    def permits(self, address: str) -> bool:
        """Whether an address (as `getaddrinfo` gives it) may be connected to."""
        judged = _judged(address)
        if _is_in(judged, self._networks):
            return True
        if isinstance(judged, IPv6Address) and judged not in _PUBLIC_IPV6:
            return False
        return judged.is_global and not judged.is_multicast and not _is_in(judged, _RESERVED)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to, at least one. Raises `NotPublic`, `socket.gaierror`."""
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        permitted = [address for address in addresses if self.permits(address)]
        if not permitted:
            raise NotPublic(host, addresses[0])
        return permitted[:MAX_ADDRESSES]


def _is_in(address: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _judged(address: str) -> IPv4Address | IPv6Address:
    """The address that traffic really goes to: the IPv4 address inside an IPv6 one that only carries it."""
    judged = ip_address(address.partition("%")[0])
    if isinstance(judged, IPv6Address):
        if judged in _NAT64:
            return IPv4Address(int(judged) & 0xFFFF_FFFF)
        return judged.ipv4_mapped or judged.sixtofour or (judged.teredo[1] if judged.teredo else judged)
    return judged


class GuardedAdapter(HTTPAdapter):
    """Sends requests to permitted addresses only. Behind a proxy the proxy connects: then the name is checked when
    this machine can look it up, and the proxy's own rules are what holds."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._only_the_proxy_knows: set[str] = set()  # a look-up that fails may take long: it is made once a name
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._reach)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if select_proxy(str(request.url), kwargs.get("proxies")):
            self._check(urlsplit(str(request.url)).hostname or "")
        return super().send(request, *args, **kwargs)

    def _check(self, host: str) -> None:
        if host in self._only_the_proxy_knows:
            return
        try:
            self._reach.addresses(host, 443)
        except (socket.gaierror, UnicodeError):
            if len(self._only_the_proxy_knows) < MAX_NAMES:
                self._only_the_proxy_knows.add(host)


def _pools(reach: Reach) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(_Guarded, HTTPConnection):
        reaches = reach

    class Encrypted(_Guarded, HTTPSConnection):
        reaches = reach

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Guarded(HTTPConnection):
    """A connection to one of its host's permitted addresses; everything else about it knows the host by its name."""

    reaches: Reach

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = self.reaches.addresses(name, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError):
                    continue
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = name
