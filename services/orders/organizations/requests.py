"""Checks requests to the organizations service; a Failure names every bad field of a request."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from babel import Locale, UnknownLocaleError

from kit.errors import invalid
from kit.reports import zone
from kit.values import currencies, money, page_token
from kit.values.checks import Checks
from protos.common.v1 import money_pb2
from protos.orders.v1 import organizations_pb2 as pb
from providers.esim_go.countries import country_key, is_country
from services.orders.organizations import tax_ids
from services.orders.organizations.membership import Billing, MemberRole
from services.orders.organizations.organization import Profile

MAX_NAME = 200
MAX_ADDRESS = 1_000
MAX_EMAIL = 320
MAX_LOCALE = 35
# A token has 43 characters.
MAX_TOKEN = 100
MAX_CREDIT = Decimal(10) ** 9
DEFAULT_PAGE = 50
MAX_PAGE = 500
# One @ between a name and a domain with a dot. Mail servers know the rest.
EMAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\".]{2,}")
ROLES: dict[int, MemberRole] = {
    pb.MemberRole.Value(f"MEMBER_ROLE_{role}"): role for role in MemberRole
}
BILLINGS: dict[int, Billing] = {
    pb.Billing.Value(f"BILLING_{billing}"): billing for billing in Billing
}


def create(request: pb.CreateOrganizationRequest) -> Profile:
    """Check a new organization; raises Failure INVALID."""
    checks = Checks()
    if not currencies.is_known(request.currency):
        checks.fail("currency", "must be an ISO 4217 code in upper case, such as EUR")
    billing = (
        _billing(checks, request.billing)
        if request.billing != pb.BILLING_UNSPECIFIED
        else Billing.PREPAID
    )
    profile = Profile(
        name=_name(checks, request.name),
        billing_address=_address(checks, request.billing_address),
        country=_country(checks, request.country),
        tax_id=checks.free_text("tax_id", request.tax_id, tax_ids.MAX_LENGTH),
        currency=request.currency,
        billing=billing,
        credit_limit=_credit(checks, request.credit_limit, request.currency)
        if request.HasField("credit_limit")
        else Decimal(0),
        locale=_locale(checks, request.locale or "en"),
        time_zone=_time_zone(checks, request.time_zone or "UTC"),
    )
    return _checked_together(checks, profile)


def update(request: pb.UpdateOrganizationRequest, profile: Profile) -> Profile:
    """Return the profile with the fields of the request; raises Failure INVALID."""
    checks = Checks()
    changed = replace(
        profile,
        name=_name(checks, request.name) if request.HasField("name") else profile.name,
        billing_address=_address(checks, request.billing_address)
        if request.HasField("billing_address")
        else profile.billing_address,
        country=_country(checks, request.country)
        if request.HasField("country")
        else profile.country,
        tax_id=checks.free_text("tax_id", request.tax_id, tax_ids.MAX_LENGTH)
        if request.HasField("tax_id")
        else profile.tax_id,
        locale=_locale(checks, request.locale) if request.HasField("locale") else profile.locale,
        time_zone=_time_zone(checks, request.time_zone)
        if request.HasField("time_zone")
        else profile.time_zone,
    )
    if request.billing != pb.BILLING_UNSPECIFIED:
        changed = replace(changed, billing=_billing(checks, request.billing))
    if request.HasField("credit_limit"):
        limit = _credit(checks, request.credit_limit, profile.currency)
        changed = replace(changed, credit_limit=limit)
    elif changed.billing is not Billing.INVOICE:
        changed = replace(changed, credit_limit=Decimal(0))
    # The rules of a country may have changed since the tax id was set.
    same = (changed.tax_id, changed.country) == (profile.tax_id, profile.country)
    return _checked_together(checks, changed, check_tax_id=not same)


def _checked_together(checks: Checks, profile: Profile, *, check_tax_id: bool = True) -> Profile:
    """Return the profile with the usual form of the tax id; raises Failure INVALID for it and `checks`."""
    if profile.credit_limit and profile.billing is not Billing.INVOICE:
        checks.fail("credit_limit", "must be left out unless billing is INVOICE")
    if not check_tax_id or "country" in checks.problems:
        checks.done()
        return profile
    tax_id, problem = tax_ids.normalized(profile.tax_id, profile.country)
    if problem is not None:
        checks.fail("tax_id", problem)
    checks.done()
    return replace(profile, tax_id=tax_id)


def _name(checks: Checks, text: str) -> str:
    name = checks.free_text("name", text, MAX_NAME)
    if not name:
        checks.fail("name", "must not be empty")
    return name


def _country(checks: Checks, text: str) -> str:
    code = country_key(text[:MAX_NAME]).upper()
    if code and not is_country(code):
        checks.fail("country", "must be the ISO code or English name of a country, such as DE")
    return code


def _address(checks: Checks, text: str) -> str:
    """Check an address, which may have several lines."""
    lines = [checks.free_text("billing_address", one, MAX_ADDRESS) for one in text.splitlines()]
    address = "\n".join(filter(None, lines))
    if len(address) > MAX_ADDRESS:
        checks.fail(
            "billing_address", f"must have at most {MAX_ADDRESS} characters, not {len(address)}"
        )
    return address


def _locale(checks: Checks, tag: str) -> str:
    known = False
    if 2 <= len(tag) <= MAX_LOCALE:
        with suppress(ValueError, UnknownLocaleError):
            known = Locale.parse(tag, sep="-") is not None
    if not known:
        checks.fail("locale", "must be a BCP 47 language tag, such as en or de-AT")
    return tag


def _time_zone(checks: Checks, name: str) -> str:
    if name not in zone.names():
        checks.fail("time_zone", "must be a name of the IANA database, such as Europe/Berlin")
    return name


def _billing(checks: Checks, given: int) -> Billing:
    found = BILLINGS.get(given)
    if found is None:
        checks.fail("billing", "must be PREPAID, INVOICE or CARD")
    return found or Billing.PREPAID


def _credit(checks: Checks, given: money_pb2.Money, currency: str) -> Decimal:
    limit = money.from_proto(given)
    if given.currency_code != currency:
        checks.fail("credit_limit", "must be in the organization's currency")
    elif not 0 <= limit < MAX_CREDIT:
        checks.fail("credit_limit", f"must be from 0 to less than {MAX_CREDIT}")
    elif currencies.is_known(currency) and limit != currencies.rounded(limit, currency):
        checks.fail("credit_limit", "has more decimal places than its currency")
    return limit


def role(checks: Checks, given: int) -> MemberRole:
    """Check the role of a member."""
    found = ROLES.get(given)
    if found is None:
        checks.fail("role", "must be OWNER, MANAGER, BUYER, FINANCE or TRAVELER")
    return found or MemberRole.TRAVELER


def set_role(request: pb.SetMemberRoleRequest) -> tuple[UUID, UUID, MemberRole]:
    """Return the organization, the user and the new role; raises Failure INVALID."""
    checks = Checks()
    found = (
        checks.uuid("organization_id", request.organization_id),
        checks.uuid("user_id", request.user_id),
        role(checks, request.role),
    )
    checks.done()
    return found


def invite(request: pb.InviteMemberRequest) -> tuple[UUID, str, MemberRole, UUID | None]:
    """Return the organization, the address, the role and the group; raises Failure INVALID."""
    checks = Checks()
    email = checks.free_text("email", request.email, MAX_EMAIL)
    if not EMAIL.fullmatch(email):
        checks.fail("email", "must be an e-mail address")
    found = (
        checks.uuid("organization_id", request.organization_id),
        email,
        role(checks, request.role),
        checks.uuid("group_id", request.group_id) if request.group_id else None,
    )
    checks.done()
    return found


def token(request: pb.AcceptInvitationRequest) -> str:
    """Return the token of an invitation; raises Failure INVALID."""
    text = request.token.strip()
    if not 1 <= len(text) <= MAX_TOKEN:
        raise invalid({"token": f"must be the token of the link, 1 to {MAX_TOKEN} characters"})
    return text


def group_name(field: str, id_: str, name: str) -> tuple[UUID, str]:
    """Return the id in a field, and a group's name; raises Failure INVALID."""
    checks = Checks()
    found = checks.uuid(field, id_), _name(checks, name)
    checks.done()
    return found


def ids(**given: str) -> list[UUID]:
    """Return the ids of these fields; raises Failure INVALID."""
    checks = Checks()
    found = [checks.uuid(field, text) for field, text in given.items()]
    checks.done()
    return found


Listing = pb.ListOrganizationsRequest | pb.ListMembersRequest | pb.ListInvitationsRequest


def listing(request: Listing) -> tuple[int, tuple[datetime, UUID] | None]:
    """Return the page size, and where the last page ended; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return size, page_token.read_position(request, request.page_token)
