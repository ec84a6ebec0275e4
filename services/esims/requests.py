"""Checks requests to the eSIMs service; a Failure names every bad field of a request."""

from collections.abc import Sequence
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.errors import Failure, Kind
from kit.values import page_token, plain_text
from kit.values.checks import Checks
from protos import iccid
from protos.esims.v1 import esims_pb2 as pb
from services.esims.cancel import Cancelled
from services.esims.delivery_store import Delivery
from services.esims.esim import ESIM, Traveler, bare_host
from services.esims.list_esims import Page
from services.esims.list_store import Filter
from services.esims.live import WatchRequest
from services.esims.messages import STATUSES

# Rows of one page.
DEFAULT_PAGE = 50
MAX_PAGE = 500
MAX_BATCH = 1_000
MAX_ICCIDS = 1_000
# Names, references and matching ids of the provider have some 40 characters.
MAX_CHARACTERS = 200
MAX_REFERENCE = 100
MAX_TRAVELER_NAME = 200
MAX_EMAIL = 320
MAX_ADDRESSES = 1_000
# The provider returns no more eSIMs of one order at once.
MAX_DELIVERED = 100
# With more eSIMs, a client has to watch all of a customer.
MAX_WATCHED = 100
# Fields of ListESIMs that do not change which eSIMs are listed, so that page tokens ignore them.
UNBOUND = ("fresh", "with_bundles", "with_total")
STATUSES_BACK = {number: status for status, number in STATUSES.items()}


def page(request: pb.ListESIMsRequest) -> Page:
    """Check a request for a page; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    criteria = _filter(checks, request.filter)
    checks.done()
    return Page(
        criteria,
        page_token.read_position(page_token.without(request, *UNBOUND), request.page_token),
        size,
        request.fresh,
        request.with_bundles,
        request.with_total,
    )


def next_page(request: pb.ListESIMsRequest, last: ESIM) -> str:
    return page_token.write_position(
        page_token.without(request, *UNBOUND), last.created_at, last.id
    )


def reference(request: pb.UpdateESIMReferenceRequest) -> tuple[UUID, str]:
    """Return the eSIM's id and its new reference; raises Failure INVALID."""
    checks = Checks()
    checked = checks.uuid("esim_id", request.esim_id)
    text = checks.free_text("reference", request.reference, MAX_REFERENCE)
    checks.done()
    return checked, text


def erasure(request: pb.EraseCustomerRequest) -> tuple[UUID, list[str]]:
    """Return the customer, and the ICCIDs to erase, none for all; raises Failure INVALID."""
    checks = Checks()
    customer = checks.uuid("customer_id", request.customer_id)
    if len(request.iccids) > MAX_ICCIDS:
        checks.fail("iccids", f"must contain at most {MAX_ICCIDS}, not {len(request.iccids)}")
    iccids = [iccid.check(checks, f"iccids[{i}]", text) for i, text in enumerate(request.iccids)]
    checks.done()
    return customer, iccids


def export(request: pb.ExportCustomerRequest) -> tuple[UUID, list[str]]:
    """Return the customer and their e-mail addresses; raises Failure INVALID."""
    checks = Checks()
    customer = checks.uuid("customer_id", request.customer_id)
    if len(request.emails) > MAX_ADDRESSES:
        checks.fail("emails", f"must contain at most {MAX_ADDRESSES}, not {len(request.emails)}")
    emails = addresses(checks, request.emails)
    checks.done()
    return customer, emails


def addresses(checks: Checks, given: Sequence[str]) -> list[str]:
    """Check e-mail addresses, which may not be empty."""
    for i, email in enumerate(given[:MAX_ADDRESSES]):
        if not checks.free_text(f"emails[{i}]", email, MAX_EMAIL):
            checks.fail(f"emails[{i}]", "must not be empty")
    return list(given[:MAX_ADDRESSES])


def watched(request: pb.WatchESIMsRequest, session: Session) -> WatchRequest:
    """Return the eSIMs to watch; raises Failure INVALID, or FORBIDDEN for another customer's."""
    checks = Checks()
    esim_ids = (
        checks.uuids("esim_ids", list(request.esim_ids), MAX_WATCHED) if request.esim_ids else []
    )
    organization_id = (
        checks.uuid("organization_id", request.organization_id)
        if request.HasField("organization_id")
        else None
    )
    own = None if session.role in SUFFICIENT[Role.ADMIN] else session.user_id
    customer_id = own if organization_id is None else None
    if request.HasField("customer_id"):
        if own is not None and request.customer_id != str(own):
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: only administrators may watch another customer; omit customer_id to watch"
                " your own eSIMs",
            )
        customer_id = checks.uuid("customer_id", request.customer_id)
    if not esim_ids and customer_id is None and organization_id is None:
        checks.fail("customer_id", "is required if no eSIMs and no organization are given")
    if organization_id is not None and (esim_ids or request.HasField("customer_id")):
        checks.fail("organization_id", "must be omitted if eSIMs or a customer are given")
    if esim_ids and request.HasField("customer_id"):
        checks.fail("customer_id", "must be omitted if eSIMs are given")
    checks.done()
    return WatchRequest(esim_ids, customer_id, organization_id)


def delivery(
    request: pb.RegisterESIMsRequest,
) -> tuple[Delivery, list[tuple[str, str, str]], dict[str, Traveler]]:
    """Return the delivery, its ICCIDs, matching ids and SM-DP+ addresses, and the travelers by ICCID.

    Raises Failure INVALID.
    """
    checks = Checks()
    checked = Delivery(
        order_id=checks.uuid("order_id", request.order_id),
        plan_id=checks.uuid("plan_id", request.plan_id),
        customer_id=checks.uuid("customer_id", request.customer_id),
        order_reference=_name(checks, "order_reference", request.order_reference),
        bundle_name=_name(checks, "bundle_name", request.bundle_name),
        customer_ref=checks.free_text("customer_ref", request.customer_ref, MAX_REFERENCE),
        auto_activate=request.auto_activate,
        organization_id=checks.optional_uuid("organization_id", request.organization_id),
        group_id=checks.optional_uuid("group_id", request.group_id),
    )
    if request.group_id and not request.organization_id:
        checks.fail("group_id", "requires organization_id")
    checks.between("esims", len(request.esims), 1, MAX_DELIVERED)
    esims = [
        (
            iccid.check(checks, f"esims[{i}].iccid", esim.iccid),
            checks.free_text(f"esims[{i}].matching_id", esim.matching_id, MAX_CHARACTERS),
            bare_host(
                checks.free_text(f"esims[{i}].smdp_address", esim.smdp_address, MAX_CHARACTERS)
            ),
        )
        for i, esim in enumerate(request.esims)
    ]
    if len({digits for digits, _, _ in esims}) < len(esims):
        checks.fail("esims", "must not contain an ICCID twice")
    named = {
        digits: _traveler(checks, f"esims[{i}].traveler", esim.traveler)
        for i, (esim, (digits, _, _)) in enumerate(zip(request.esims, esims, strict=True))
        if esim.traveler.name.strip() or esim.traveler.email.strip()
    }
    checks.done()
    return checked, esims, named


def _traveler(checks: Checks, place: str, given: pb.Traveler) -> Traveler:
    """Check a traveler leniently, as `_name` does; the order's own checks have read the address."""
    return Traveler(
        None,
        checks.free_text(f"{place}.name", given.name, MAX_TRAVELER_NAME),
        checks.free_text(f"{place}.email", given.email, MAX_EMAIL),
        checks.optional_uuid(f"{place}.user_id", given.user_id),
    )


def cancelled(request: pb.CancelOrderBundlesRequest) -> Cancelled:
    """Return the revoked part of an order; raises Failure INVALID."""
    checks = Checks()
    checked = Cancelled(
        order_id=checks.uuid("order_id", request.order_id),
        iccids=[iccid.check(checks, f"iccids[{i}]", text) for i, text in enumerate(request.iccids)],
        order_reference=_name(checks, "order_reference", request.order_reference)
        if request.iccids
        else "",
    )
    checks.done()
    return checked


def _filter(checks: Checks, message: pb.ESIMFilter) -> Filter:
    """Return the filter, and add problems to `checks`."""
    if unknown := [s for s in message.statuses if s not in STATUSES_BACK]:
        checks.fail("filter.statuses", f"contains an unknown status: {unknown[0]}")
    if message.HasField("group_id") and not message.HasField("organization_id"):
        checks.fail("filter.group_id", "requires filter.organization_id")
    return Filter(
        statuses=[STATUSES_BACK[s] for s in message.statuses if s in STATUSES_BACK] or None,
        customer_id=checks.uuid("filter.customer_id", message.customer_id)
        if message.HasField("customer_id")
        else None,
        iccid=iccid.check(checks, "filter.iccid", message.iccid)
        if message.HasField("iccid")
        else None,
        organization_id=checks.uuid("filter.organization_id", message.organization_id)
        if message.HasField("organization_id")
        else None,
        group_id=checks.uuid("filter.group_id", message.group_id)
        if message.HasField("group_id")
        else None,
        traveler_id=checks.uuid("filter.traveler_id", message.traveler_id)
        if message.HasField("traveler_id")
        else None,
    )


def bundle_name(text: str) -> str:
    """Check a bundle name that becomes a part of the provider's URLs; raises Failure INVALID.

    It may contain slashes, which are quoted there, but no part that leads to another path.
    """
    checks = Checks()
    found = _name(checks, "bundle_name", text)
    if "\\" in found or not {".", ".."}.isdisjoint(found.split("/")):
        checks.fail(
            "bundle_name",
            "must be a bundle's name, without backslashes and without `.` or `..` between slashes",
        )
    checks.done()
    return found


def _name(checks: Checks, field: str, text: str) -> str:
    """Check a name of the provider leniently: a paid order must not fail because of it."""
    if not text or len(text) > MAX_CHARACTERS or not plain_text.is_plain(text):
        checks.fail(
            field, f"must have 1 to {MAX_CHARACTERS} characters, none of them a control character"
        )
    return text
