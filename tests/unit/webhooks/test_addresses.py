"""The sender of a callback, also behind proxies, and whether it is allowed."""

import pytest

from webhooks.addresses import is_allowed, networks, sender

PROVIDER = "192.0.2.7"
PROXY = "10.1.2.3"
TRUSTED = networks("10.0.0.0/8")
ALLOWED = networks("192.0.2.0/24, 2001:db8::1")


def allowed(peer: str | None, forwarded: str | None, trusted: str = "10.0.0.0/8") -> bool:
    return is_allowed(sender(peer, forwarded, networks(trusted)), ALLOWED)


def test_without_a_list_every_address_may_send() -> None:
    assert is_allowed(None, ())


def test_the_peer_address_is_checked_if_no_proxy_is_trusted() -> None:
    assert allowed(PROVIDER, None, "")
    assert not allowed("198.51.100.1", PROVIDER, "")
    assert not allowed(PROXY, PROVIDER, "")


def test_the_address_reported_by_a_trusted_proxy_is_checked() -> None:
    assert allowed(PROXY, PROVIDER)
    assert allowed(PROXY, f"{PROVIDER}, 10.9.9.9")
    assert not allowed(PROXY, "198.51.100.1")


def test_addresses_before_the_trusted_proxy_are_ignored() -> None:
    assert not allowed(PROXY, f"{PROVIDER}, 198.51.100.1")
    assert not allowed("198.51.100.1", f"{PROVIDER}, 10.9.9.9")


@pytest.mark.parametrize("forwarded", ["rubbish", "", "192.0.2.7.1", ",,"])
def test_a_malformed_header_is_not_allowed(forwarded: str) -> None:
    assert not allowed(PROXY, forwarded)


def test_an_ipv4_sender_on_a_dual_stack_socket_is_recognized() -> None:
    assert allowed("::ffff:192.0.2.7", None)
    assert allowed("2001:db8::1", None)
    assert not allowed(None, None)


@pytest.mark.parametrize("text", ["192.0.2.1/24", "somewhere", "300.1.1.1"])
def test_a_malformed_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        networks(text)
