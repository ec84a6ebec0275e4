"""The client address of a request: X-Forwarded-For counts as far as trusted proxies wrote it."""

from ipaddress import ip_network

import pytest

from gateway.defence_settings import DefenceSettings
from kit.net import client_address
from kit.values.env import Env

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:aaaa::/48")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        # Any client can send the header.
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        # The proxies' own addresses are skipped from the end.
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.7,10.9.9.9"], "203.0.113.7"),
        ("2001:db8:aaaa::1", ["203.0.113.7"], "203.0.113.7"),
        # A malformed entry ends it: what precedes it was not written by a trusted proxy.
        ("10.0.0.1", ["203.0.113.7, rubbish"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:51234"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::/64"),
        # One customer has a whole /64 of IPv6.
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", [], "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", [], "203.0.113.7"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, ["203.0.113.7"], "unknown"),
    ],
)
def test_the_address_is_the_one_that_a_trusted_proxy_reports(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert client_address.of(peer, tuple(forwarded), PROXIES) == address


def test_without_trusted_proxies_the_header_is_ignored() -> None:
    assert client_address.of("10.0.0.1", ("203.0.113.7",), ()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("2001:db8:1:2:3:4:5:6", [], PROXIES, "2001:db8:1:2:3:4:5:6"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], PROXIES, "203.0.113.7"),
        ("9.9.9.9", ["198.51.100.1"], (), "9.9.9.9"),
        # An unknown proxy serves many clients.
        ("10.0.0.1", ["203.0.113.7"], (), None),
        (None, [], PROXIES, None),
    ],
)
def test_the_whole_address_is_known_where_clients_can_be_told_apart(
    peer: str | None, forwarded: list[str], trusted: client_address.Networks, address: str | None
) -> None:
    assert client_address.exact(peer, tuple(forwarded), trusted) == address


ALLOWED = client_address.networks("192.0.2.0/24, 2001:db8::1")
PROVIDER = "192.0.2.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "allowed"),
    [
        (PROVIDER, [], (), True),
        ("198.51.100.1", [PROVIDER], (), False),
        ("10.1.2.3", [PROVIDER], (), False),
        ("10.1.2.3", [PROVIDER], PROXIES, True),
        ("10.1.2.3", [f"{PROVIDER}, 10.9.9.9"], PROXIES, True),
        ("10.1.2.3", ["198.51.100.1"], PROXIES, False),
        # Some proxies add the port.
        ("10.1.2.3", [f"{PROVIDER}:51234"], PROXIES, True),
        ("10.1.2.3", ["[2001:db8::1]:443"], PROXIES, True),
        # What precedes the first address that is no proxy's may be forged.
        ("10.1.2.3", [f"{PROVIDER}, 198.51.100.1"], PROXIES, False),
        ("198.51.100.1", [f"{PROVIDER}, 10.9.9.9"], PROXIES, False),
        *(("10.1.2.3", [text], PROXIES, False) for text in ("rubbish", "", "192.0.2.7.1", ",,")),
        # A socket for both versions reports IPv4 clients as mapped addresses.
        ("::ffff:192.0.2.7", [], PROXIES, True),
        ("2001:db8::1", [], PROXIES, True),
        ("2001:db8::2", [], PROXIES, False),
        (None, [], PROXIES, False),
    ],
)
def test_a_list_of_networks_is_compared_with_the_whole_address(
    peer: str | None, forwarded: list[str], trusted: client_address.Networks, allowed: bool
) -> None:
    assert client_address.within(peer, tuple(forwarded), trusted, ALLOWED) == allowed


@pytest.mark.parametrize("text", ["192.0.2.1/24", "somewhere", "300.1.1.1"])
def test_a_malformed_list_of_networks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        client_address.networks(text)


def test_the_proxies_are_a_setting() -> None:
    env = Env({"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8:aaaa::/48"})
    assert DefenceSettings.read(env).trusted_proxies == PROXIES
    env = Env({"GATEWAY_TRUSTED_PROXIES": "10.0.0.1/8"})
    DefenceSettings.read(env)
    assert env.problems == [
        "GATEWAY_TRUSTED_PROXIES must contain networks: 10.0.0.1/8 has host bits set"
    ]
