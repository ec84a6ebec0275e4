"""Checks requests to the API keys service; a Failure names every bad field of a request."""

from datetime import datetime
from uuid import UUID

from kit.values import page_token, plain_text
from kit.values.checks import Checks
from protos.orders.v1 import api_keys_pb2 as pb
from services.orders.api_keys.api_key import APIKey, Scope, network
from services.orders.api_keys.store import NewKey

MAX_NAME = 100
MAX_ADDRESSES = 20
DEFAULT_PAGE = 50
MAX_PAGE = 100
HASH_BYTES = 32
SCOPE_ID = (
    "must have no scope id, because that names an interface of one machine only; remove the % and what"
    " follows it"
)


def create(request: pb.CreateAPIKeyRequest, now: datetime) -> NewKey:
    """Check a new key; raises Failure INVALID."""
    checks = Checks()
    organization_id = checks.uuid("organization_id", request.organization_id)
    name = checks.free_text("name", request.name, MAX_NAME)
    if not name:
        checks.fail(
            "name", f"must have 1 to {MAX_NAME} characters, so that people recognize the key"
        )
    expires_at = None
    if request.HasField("expires_at"):
        expires_at = checks.moment("expires_at", request.expires_at)
        if expires_at is not None and expires_at <= now:
            checks.fail(
                "expires_at", "must be in the future; omit it for a key that doesn't expire"
            )
    scopes = _scopes(checks, list(request.scopes))
    addresses = _addresses(checks, list(request.addresses))
    checks.done()
    return NewKey(organization_id, name, scopes, addresses, expires_at)


def _scopes(checks: Checks, given: list[str]) -> list[Scope]:
    known = ", ".join(sorted(Scope))
    if not given:
        checks.fail("scopes", f"must contain at least one of {known}")
    if len(given) > len(Scope):
        checks.fail("scopes", f"must contain at most {len(Scope)} scopes, not {len(given)}")
        return []
    found = set()
    for index, text in enumerate(given):
        if text in set(Scope):
            found.add(Scope(text))
        else:
            checks.fail(f"scopes[{index}]", f"must be one of {known}")
    return sorted(found)


def _addresses(checks: Checks, given: list[str]) -> list[str]:
    if len(given) > MAX_ADDRESSES:
        checks.fail(
            "addresses", f"must contain at most {MAX_ADDRESSES} addresses, not {len(given)}"
        )
        return []
    found: dict[str, None] = {}
    for index, text in enumerate(given):
        try:
            listed = network(text.strip())
        except ValueError:
            checks.fail(f"addresses[{index}]", _address_problem(text))
            continue
        if "%" in text:
            checks.fail(f"addresses[{index}]", SCOPE_ID)
            continue
        single = listed.num_addresses == 1
        found[str(listed.network_address if single else listed)] = None
    return list(found)


def _address_problem(text: str) -> str:
    """Return why a text is no address; a network with bits behind its prefix is a frequent mistake."""
    try:
        meant = network(text.strip(), strict=False)
    except ValueError:
        return (
            f"must be an IP address or a network, such as 203.0.113.7 or 2001:db8::/48, not"
            f" {plain_text.quoted(text)}"
        )
    return f"has bits behind the prefix; did you mean {meant}?"


def listing(
    request: pb.ListAPIKeysRequest,
) -> tuple[UUID, int, tuple[datetime, UUID] | None]:
    """Return the organization, the page size, and where the last page ended; raises Failure INVALID."""
    checks = Checks()
    organization_id = checks.uuid("organization_id", request.organization_id)
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return organization_id, size, page_token.read_position(_paged(request), request.page_token)


def next_page(request: pb.ListAPIKeysRequest, last: APIKey) -> str:
    return page_token.write_position(_paged(request), last.created_at, last.id)


def _paged(request: pb.ListAPIKeysRequest) -> pb.ListAPIKeysRequest:
    return page_token.without(request, "page_size", "page_token")


def exchange(request: pb.ExchangeAPIKeyRequest) -> tuple[bytes, str]:
    """Return the hash of the key and the client's address; raises Failure INVALID."""
    checks = Checks()
    if len(request.key_hash) != HASH_BYTES:
        checks.fail("key_hash", "must be the SHA-256 of the key")
    address = checks.free_text("address", request.address, MAX_NAME)
    checks.done()
    return request.key_hash, address
