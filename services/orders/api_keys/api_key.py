"""API keys: what one may do, and whether it can be used now. Pure: reads no database and no clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from uuid import UUID

from kit.auth import api_keys
from kit.errors import Failure, Kind


class Scope(StrEnum):
    """What an API key may do. Each method that API keys may call names one of them."""

    PLANS_READ = "plans:read"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ESIMS_READ = "esims:read"
    ESIMS_WRITE = "esims:write"
    ORGANIZATION_READ = "organization:read"


# Bits of an IPv4-mapped IPv6 address before those of the IPv4 address.
MAPPED_BITS = 96
# Orders and eSIMs show their plans, so every key may read these.
INCLUDED = {
    Scope.ORDERS_WRITE: frozenset({Scope.ORDERS_READ}),
    Scope.ESIMS_WRITE: frozenset({Scope.ESIMS_READ}),
}


def effective(scopes: Iterable[Scope]) -> list[Scope]:
    """Return the scopes with those that they include, sorted."""
    found = {Scope.PLANS_READ}
    for scope in scopes:
        found |= {scope} | INCLUDED.get(scope, frozenset())
    return sorted(found)


@dataclass(frozen=True, slots=True)
class APIKey:
    """An API key without its secret. `hint` is the start of the secret."""

    id: UUID
    organization_id: UUID
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    addresses: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str


def check_use(key: APIKey | None, address: str, now: datetime) -> APIKey:
    """Return the key if it can be used from this address, which is empty if it is unknown.

    `key` is None for an unknown one. Raises Failure UNAUTHENTICATED (API_KEY_INVALID, API_KEY_REVOKED,
    API_KEY_EXPIRED) or FORBIDDEN (API_KEY_ADDRESS).
    """
    if key is None:
        raise api_keys.invalid("is unknown")
    if key.revoked_at is not None:
        raise Failure(
            Kind.UNAUTHENTICATED,
            "API_KEY_REVOKED",
            "Not authenticated: this API key was revoked; create another one",
        )
    if key.expires_at is not None and key.expires_at <= now:
        raise Failure(
            Kind.UNAUTHENTICATED,
            "API_KEY_EXPIRED",
            "Not authenticated: this API key has expired; create another one",
        )
    if key.addresses and not _contains(key.addresses, address):
        raise Failure(
            Kind.FORBIDDEN,
            "API_KEY_ADDRESS",
            "Not allowed: this API key can't be used from this network address; call from one of its"
            " addresses, or create a key without a list"
            if address
            else "Not allowed: this API key is restricted to some network addresses, and the one of this"
            " client is unknown; the operator of the gateway has to set GATEWAY_TRUSTED_PROXIES",
        )
    return key


def network(text: str, *, strict: bool = True) -> IPv4Network | IPv6Network:
    """Parse an IP address or a network; raises ValueError, also for bits behind the prefix if `strict`.

    IPv4-mapped ones, such as ::ffff:192.0.2.7, become IPv4, as the addresses of clients do.
    """
    found = ip_network(text, strict=strict)
    if isinstance(found, IPv6Network) and found.prefixlen >= MAPPED_BITS:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - MAPPED_BITS))
    return found


def _contains(addresses: Iterable[str], address: str) -> bool:
    try:
        found = network(str(ip_address(address))).network_address
    except ValueError:
        return False
    # Keys of earlier releases were stored with mapped addresses as they were given.
    return any(found in network(one) for one in addresses)
