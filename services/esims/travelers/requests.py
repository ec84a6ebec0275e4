"""Checks requests to the travelers service; a Failure names every bad field of a request."""

from datetime import datetime, timedelta
from uuid import UUID

from kit.values import page_token
from kit.values.checks import Checks
from protos.esims.v1 import esims_pb2
from protos.esims.v1 import travelers_pb2 as pb
from services.esims.esim import Traveler
from services.esims.requests import MAX_ADDRESSES, MAX_EMAIL, MAX_TRAVELER_NAME, addresses
from services.esims.travelers.membership_store import MemberRole, Membership

DEFAULT_PAGE = 50
MAX_PAGE = 500
# The longest life of a share link.
MAX_EXPIRY = timedelta(days=366)
# No token or PIN is nearly as long.
MAX_SECRET = 100
MAX_MEMBERSHIPS = 1_000
ROLES = {role.value: role for role in MemberRole}


def memberships(request: pb.ApplyMembershipsRequest) -> list[Membership]:
    """Check memberships; raises Failure INVALID."""
    checks = Checks()
    checks.between("memberships", len(request.memberships), 1, MAX_MEMBERSHIPS)
    checked = []
    for i, given in enumerate(request.memberships[:MAX_MEMBERSHIPS]):
        place = f"memberships[{i}]"
        if given.role not in ROLES:
            checks.fail(f"{place}.role", f"must be one of {', '.join(ROLES)}")
        if given.version < 1:
            checks.fail(f"{place}.version", "must be positive")
        checked.append(
            Membership(
                organization_id=checks.uuid(f"{place}.organization_id", given.organization_id),
                user_id=checks.uuid(f"{place}.user_id", given.user_id),
                role=ROLES.get(given.role, MemberRole.TRAVELER),
                active=given.active,
                version=given.version,
            )
        )
    checks.done()
    return checked


def erased(request: pb.EraseTravelersRequest) -> list[str]:
    """Return the e-mail addresses whose travelers are erased; raises Failure INVALID."""
    checks = Checks()
    checks.between("emails", len(request.emails), 1, MAX_ADDRESSES)
    found = addresses(checks, request.emails)
    checks.done()
    return found


def assignment(request: pb.AssignESIMRequest) -> tuple[UUID, Traveler]:
    """Return the eSIM's id and its traveler; raises Failure INVALID."""
    checks = Checks()
    esim_id = checks.uuid("esim_id", request.esim_id)
    traveler = _traveler(checks, request.traveler)
    checks.done()
    return esim_id, traveler


def _traveler(checks: Checks, given: esims_pb2.Traveler) -> Traveler:
    name = checks.free_text("traveler.name", given.name, MAX_TRAVELER_NAME)
    email = checks.free_text("traveler.email", given.email, MAX_EMAIL)
    if not name and not email:
        checks.fail("traveler.name", "is required if there is no e-mail address")
    before, at, after = email.rpartition("@")
    if (email and not (before and at and after)) or any(map(str.isspace, email)):
        checks.fail("traveler.email", "must be an e-mail address, such as name@example.com")
    user_id = checks.optional_uuid("traveler.user_id", given.user_id)
    return Traveler(None, name, email, user_id)


def listing(
    request: pb.ListTravelersRequest,
) -> tuple[UUID | None, int, tuple[datetime, UUID] | None]:
    """Return the organization, the page size, and where the last page ended; raises Failure INVALID."""
    checks = Checks()
    organization_id = checks.optional_uuid("organization_id", request.organization_id)
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return organization_id, size, page_token.read_position(request, request.page_token)


def new_link(request: pb.CreateShareLinkRequest, now: datetime) -> tuple[UUID, datetime | None]:
    """Return the eSIM's id, and when the link ends; raises Failure INVALID."""
    checks = Checks()
    esim_id = checks.uuid("esim_id", request.esim_id)
    expires_at = None
    if request.HasField("expires_at"):
        expires_at = checks.moment("expires_at", request.expires_at)
        if expires_at is not None and not now < expires_at <= now + MAX_EXPIRY:
            checks.fail("expires_at", "must be in the future, at most a year from now")
    checks.done()
    return esim_id, expires_at


def opening(request: pb.OpenShareLinkRequest) -> tuple[str, str]:
    """Return the token and the PIN without white space; longer ones are cut, as they are wrong anyway."""
    return request.token[:MAX_SECRET], "".join(request.pin.split())[:MAX_SECRET]
