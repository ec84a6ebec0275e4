"""Which addresses callbacks are taken from; pure."""

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses separated by commas; raises ValueError for anything else."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def sender(peer: str | None, forwarded: str | None, trusted: Sequence[Network]) -> Address | None:
    """Who sent a request that came over a connection of `peer`; None when nobody can tell.

    X-Forwarded-For counts only behind proxies that are trusted, read from its end: each proxy
    appends who it heard from, and what stands before the first stranger was written by that.
    """
    at = _address(peer or "")
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    while at is not None and hops and _within(at, trusted):
        at = _address(hops.pop())
    return at


def is_allowed(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Without a list everybody may send: the signature decides."""
    return not allowed or (address is not None and _within(address, allowed))


def _within(address: Address, wanted: Sequence[Network]) -> bool:
    return any(address in network for network in wanted)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # An IPv4 sender on a socket for both.
    return (address.version == 6 and address.ipv4_mapped) or address
