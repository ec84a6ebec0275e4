"""Checks requests to the export links service; a Failure names every bad field of a request."""

from dataclasses import dataclass, field
from uuid import UUID

from kit.values.checks import Checks
from protos.orders.v1 import export_links_pb2 as pb

HASH_BYTES = 32
MAX_SEALED = 16_384


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to store; `organization_id` is None for rows of the whole shop."""

    token_hash: bytes
    sealed: bytes = field(repr=False)
    organization_id: UUID | None = None


def create(request: pb.CreateExportLinkRequest) -> NewLink:
    """Check a new link; raises Failure INVALID."""
    checks = Checks()
    _hash(checks, request.token_hash)
    if not 1 <= len(request.sealed) <= MAX_SEALED:
        checks.fail("sealed", f"must have 1 to {MAX_SEALED} bytes, not {len(request.sealed)}")
    organization_id = None
    if request.organization_id:
        organization_id = checks.uuid("organization_id", request.organization_id)
    checks.done()
    return NewLink(request.token_hash, request.sealed, organization_id)


def take(request: pb.TakeExportLinkRequest) -> bytes:
    """Check the hash of a token; raises Failure INVALID."""
    checks = Checks()
    _hash(checks, request.token_hash)
    checks.done()
    return request.token_hash


def _hash(checks: Checks, given: bytes) -> None:
    if len(given) != HASH_BYTES:
        checks.fail("token_hash", f"must have {HASH_BYTES} bytes, not {len(given)}")
