"""Sources are on public addresses, or where an operator permits them: by address, by name, after a redirect."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.settings import ProducerSettings, load
from producers.fetch import FetchFailed, Web
from producers.reach import NotPublic, Reach
from tests.fakes.web import HERE, FakeSite, fake_site, page
from tests.unit.producers.test_service import FEED, Polling, source

ONLY_ONE = Reach((ip_network("127.0.0.1/32"),))
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "::7f00:1", "64:ff9b:1::a00:1", "fec0::1", "5f00::1", "3fff::1", "100::1", "2001:0:7f00:1::", "::ffff:0:127.0.0.1",
    "192.88.99.1", "192.0.0.8", "0.1.2.3",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]
Names = Callable[..., None]
DAY = timedelta(days=1)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Names that resolve as told; every other look-up is the machine's own."""
    real, told = socket.getaddrinfo, {}

    def look_up(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host not in told:
            return real(host, port, *more, **named)
        answers = told[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [row for address in addresses for row in real(address, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lambda host, *answers: told.update({host: list(answers)})


def web(reach: Reach | None = None) -> Web:
    return Web(ManualClock(), "test/1", reach)


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_out_of_reach_unless_its_network_is_named(address: str) -> None:
    assert not Reach().permits(address)
    everything = Reach((ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert everything.permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_in_reach(address: str) -> None:
    assert Reach().permits(address)


def test_a_named_network_permits_itself_alone() -> None:
    reach = Reach((ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    wanted = {"10.1.2.3": True, "::ffff:10.1.2.3": True, "10.2.0.1": False, "fd12::1": True, "127.0.0.1": False}
    assert {address: reach.permits(address) for address in wanted} == wanted


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_however_it_is_written_this_machine_is_not_asked(site: FakeSite, host: str) -> None:
    port = site.put("/a", page(FEED)).split(":")[2]
    with pytest.raises(FetchFailed, match="not a public address; CANDLEWICK_PRIVATE_NETWORKS") as caught:
        web().get(f"http://{host}:{port}")
    assert not caught.value.again
    assert site.asked == []


def test_a_name_that_resolves_to_a_private_address_is_not_asked(site: FakeSite, names: Names) -> None:
    names("news.example", ["127.0.0.1"])
    url = site.put("/a", page(FEED)).replace("127.0.0.1", "news.example")
    with pytest.raises(FetchFailed, match=r"news\.example is at 127\.0\.0\.1"):
        web().get(url)
    assert site.asked == []
    assert web(HERE).get(url).body == FEED, "with its network named it is asked, by its name"
    assert site.asked[0][1]["Host"].startswith("news.example:")


def test_a_name_that_changes_between_two_requests_is_looked_at_each_time(site: FakeSite, names: Names) -> None:
    names("rebinding.example", ["127.0.0.1"], ["127.0.0.2"])
    site.put("/a", (302, {"Location": "/b", "Connection": "close"}, b""))
    url = site.put("/b", page(FEED)).replace("127.0.0.1", "rebinding.example")
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.2, which is not a public address"):
        web(ONLY_ONE).get(url.replace("/b", "/a"))
    assert [path for path, _ in site.asked] == ["/a"]


def test_of_several_addresses_only_permitted_ones_are_connected_to(site: FakeSite, names: Names) -> None:
    names("both.example", ["10.0.0.1", "127.0.0.1"])
    assert web(ONLY_ONE).get(site.put("/a", page(FEED)).replace("127.0.0.1", "both.example")).body == FEED


def test_when_one_address_does_not_answer_the_next_is_tried(site: FakeSite, names: Names) -> None:
    names("two.example", ["127.0.0.2", "127.0.0.1"])
    assert web(HERE).get(site.put("/a", page(FEED)).replace("127.0.0.1", "two.example")).body == FEED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_no_private_address(site: FakeSite, status: int) -> None:
    inside = site.address.replace("127.0.0.1", "127.0.0.2") + "/latest/meta-data"
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.2 is not a public address"):
        web(ONLY_ONE).get(site.put("/a", (status, {"Location": inside}, b"")))
    with pytest.raises(FetchFailed, match="unreachable"):
        web(HERE).get(site.address + "/a")  # without the guard it would be asked: the connection was tried


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:25/", "data:,x"])
def test_a_redirect_leads_to_no_other_scheme(site: FakeSite, target: str) -> None:
    with pytest.raises(FetchFailed, match="no usable answer"):
        web(HERE).get(site.put("/a", (302, {"Location": target}, b"")))


def test_behind_a_proxy_the_name_is_checked_when_it_can_be_looked_up(
    site: FakeSite, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    names("inside.example", ["10.0.0.1"])
    site.put("http://unknown-here.invalid/feed", page(FEED))
    assert web(HERE).get("http://unknown-here.invalid/feed").body == FEED
    with pytest.raises(FetchFailed, match="not a public address"):
        web().get("http://inside.example/feed")
    assert [path for path, _ in site.asked] == ["http://unknown-here.invalid/feed"]


def test_status_tells_the_operator_what_to_set(site: FakeSite) -> None:
    polling = Polling(source("inside", site.put("/feed", page(FEED))), reach=Reach())
    assert polling.service.poll().failed == 1
    state = polling.state("inside")
    assert state["state"] == "unreachable"
    assert "CANDLEWICK_PRIVATE_NETWORKS" in state["error"]
    assert site.asked == []


def test_a_name_that_is_none_is_unreachable_and_no_bug() -> None:
    for host in ("x" * 64 + ".example", "nowhere.invalid"):
        with pytest.raises(FetchFailed, match="unreachable"):
            web().get(f"http://{host}/")


def test_networks_are_a_setting_and_a_wrong_one_is_named() -> None:
    settings = load(ProducerSettings, {"CANDLEWICK_PRIVATE_NETWORKS": "10.1.0.0/16, fd00::/8"})
    assert [str(network) for network in settings.networks] == ["10.1.0.0/16", "fd00::/8"]
    assert load(ProducerSettings, {}).networks == ()
    for wrong in ("10.1.0.1/16", "all", "10.0.0.0/8;::1"):
        with pytest.raises(Unusable, match="CANDLEWICK_PRIVATE_NETWORKS"):
            load(ProducerSettings, {"CANDLEWICK_PRIVATE_NETWORKS": wrong})


def test_an_address_that_is_refused_is_named() -> None:
    with pytest.raises(NotPublic, match=r"127\.0\.0\.1"):
        Reach().addresses("127.0.0.1", 80)


# ---- TLS ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[int, Path, list[str | None]]]:
    """A server with a certificate of `news.example`: its port, who vouches for it, and the names it was called by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "news.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("news.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    vouches, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    vouches.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(vouches, secret)
    called: list[str | None] = []
    context.sni_callback = lambda _, server_name, __: called.append(server_name)
    with fake_site(context) as up:
        up.put("/a", page(FEED))
        yield int(up.address.rsplit(":", 1)[1]), vouches, called


def test_a_certificate_is_checked_against_the_name_although_the_address_is_connected_to(
    encrypted: tuple[int, Path, list[str | None]], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, vouches, called = encrypted
    names("news.example", ["127.0.0.1"])
    names("other.example", ["127.0.0.1"])
    with pytest.raises(FetchFailed, match="TLS connection failed"):
        web(HERE).get(f"https://news.example:{port}/a")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vouches))
    assert web(HERE).get(f"https://news.example:{port}/a").body == FEED
    with pytest.raises(FetchFailed, match="TLS connection failed"):
        web(HERE).get(f"https://other.example:{port}/a")
    with pytest.raises(FetchFailed, match="not a public address"):
        web().get(f"https://news.example:{port}/a")
    assert set(called) == {"news.example", "other.example"}
