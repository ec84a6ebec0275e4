"""The network address of a client, also behind proxies, for limits per address and lists of addresses."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

# The IPv6 prefix that one customer usually has, all of whose addresses count as one.
IPV6_PREFIX = 64
# Longest X-Forwarded-For headers, in characters, whose result is cached.
MAX_LENGTH = 1_024


def networks(text: str) -> Networks:
    """Parse networks and addresses separated by commas; raises ValueError for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def of(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str:
    """Return the client's address, for IPv6 its /64 prefix.

    `forwarded` are the X-Forwarded-For headers. Each proxy appends the address of its client, so they
    are read from the end, for as long as a trusted proxy wrote them.
    """
    if forwarded and sum(map(len, forwarded)) > MAX_LENGTH:
        return _find(peer, forwarded, trusted)
    return _cached_find(peer, forwarded, trusted)


def counted(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str | None:
    """Return the address as `of` does, or None for an unconfigured proxy that serves many clients.

    That is a loopback or private address which forwards requests while no proxy is configured. If all of
    its clients counted as one, any of them could use up the limit of the others.
    """
    if forwarded and not trusted and _is_local(peer):
        return None
    return of(peer, forwarded, trusted)


def exact(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str | None:
    """Return the whole address of a client that `counted` tells from others; None otherwise."""
    if forwarded and not trusted and _is_local(peer):
        return None
    found = _client(peer, forwarded, trusted)
    return None if found is None else str(found)


def within(
    peer: str | None, forwarded: tuple[str, ...], trusted: Networks, allowed: Networks
) -> bool:
    """True if the client's address is known, and in one of the `allowed` networks."""
    found = _client(peer, forwarded, trusted)
    return found is not None and any(found in network for network in allowed)


def trusts(peer: str | None, trusted: Networks) -> bool:
    """True if this is the address of a trusted proxy."""
    return bool(trusted) and within(peer, (), (), trusted)


@lru_cache(maxsize=256)
def _is_local(peer: str | None) -> bool:
    address = _address(peer or "")
    return address is None or not address.is_global


def _find(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str:
    found = _client(peer, forwarded, trusted)
    if found is None:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(ip_network((found, IPV6_PREFIX), strict=False))
    return str(found)


def _client(
    peer: str | None, forwarded: tuple[str, ...], trusted: Networks
) -> IPv4Address | IPv6Address | None:
    """Return the client's address; None for a Unix socket."""
    found = _address(peer or "")
    if found is None:
        return None
    named = [part.strip() for line in forwarded for part in line.split(",")]
    while named and any(found in network for network in trusted):
        before = _address(named.pop())
        if before is None:
            break
        found = before
    return found


# Few distinct addresses connect frequently.
_cached_find = lru_cache(maxsize=4_096)(_find)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
