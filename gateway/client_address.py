"""Whose request it is, as far as the network tells: the address that rates are counted by."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from gateway.defence_settings import Networks

# What a provider gives to one customer, who may take any address in it.
ONE_CUSTOMER = 64
# Characters of the X-Forwarded-For headers of a request whose address is remembered; a client may send
# a hundred headers of 24 kB.
LONGEST = 1_024


def of(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str:
    """The address, an IPv6 one as its /64.

    `forwarded` are the X-Forwarded-For headers. Each proxy writes whom it heard at the end, so they
    are believed from there on, for as long as a trusted proxy says so.
    """
    find = _find if sum(map(len, forwarded)) > LONGEST else _known
    return find(peer, forwarded, trusted)


def _find(peer: str | None, forwarded: tuple[str, ...], trusted: Networks) -> str:
    found = _address(peer or "")
    if found is None:
        return "unknown"  # a socket of the machine itself
    named = [part.strip() for line in forwarded for part in line.split(",")]
    while named and any(found in network for network in trusted):
        before = _address(named.pop())
        if before is None:
            break
        found = before
    if isinstance(found, IPv6Address):
        return str(ip_network((found, ONE_CUSTOMER), strict=False))
    return str(found)


# The addresses that were asked for last: few connect often.
_known = lru_cache(maxsize=4_096)(_find)


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
