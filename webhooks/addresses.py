"""Decides from which addresses callbacks are accepted."""

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(text: str) -> tuple[Network, ...]:
    """Parse networks and addresses separated by commas; raises ValueError for anything else."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def sender(peer: str | None, forwarded: str | None, trusted: Sequence[Network]) -> Address | None:
    """Return the sender of a request over a connection from `peer`; None if it is unknown.

    X-Forwarded-For counts only behind trusted proxies, and is read from its end: each proxy appends the
    address that it was called from, and entries before the first untrusted address may be forged.
    """
    at = _address(peer or "")
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    while at is not None and hops and _within(at, trusted):
        at = _address(hops.pop())
    return at


def is_allowed(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Return whether the address may send; without a list all may, and the signature decides."""
    return not allowed or (address is not None and _within(address, allowed))


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket for both versions reports IPv4 senders as mapped addresses.
    return (address.version == 6 and address.ipv4_mapped) or address
