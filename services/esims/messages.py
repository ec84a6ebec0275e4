"""The protos of the eSIMs service and its values, both directions."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from kit import plain_text, timestamps
from kit.auth import Role, Session
from kit.checks import Checks
from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from services.esims.bundle import Bundle, BundleState, Usage, megabytes, usage_of
from services.esims.cancel import Cancelled
from services.esims.esim import ESIM, ESIMStatus, ProviderState, bare_host
from services.esims.live import Seen, Wanted
from services.esims.provider_esim import Details, HistoryEntry, Location
from services.esims.store import Delivery, Filter

STATUSES = {
    ESIMStatus.PROCESSING: pb.ESIM_STATUS_PROCESSING,
    ESIMStatus.ASSIGNED: pb.ESIM_STATUS_ASSIGNED,
    ESIMStatus.ACTIVE: pb.ESIM_STATUS_ACTIVE,
    ESIMStatus.SUSPENDED: pb.ESIM_STATUS_SUSPENDED,
    ESIMStatus.EXPIRED: pb.ESIM_STATUS_EXPIRED,
    ESIMStatus.CANCELLED: pb.ESIM_STATUS_CANCELLED,
}
STATUSES_BACK = {number: status for status, number in STATUSES.items()}
BUNDLE_STATES = {
    BundleState.PROCESSING: pb.BUNDLE_STATE_PROCESSING,
    BundleState.ACTIVE: pb.BUNDLE_STATE_ACTIVE,
    BundleState.INACTIVE: pb.BUNDLE_STATE_INACTIVE,
    BundleState.SUSPENDED: pb.BUNDLE_STATE_SUSPENDED,
    BundleState.EXPIRED: pb.BUNDLE_STATE_EXPIRED,
    BundleState.CANCELLED: pb.BUNDLE_STATE_CANCELLED,
}
# Names, references and matching ids of the provider have some 40 characters.
MOST_CHARACTERS = 200
MOST_REFERENCE_CHARACTERS = 100
# One answer of the provider's holds no more eSIMs of one order.
MOST_DELIVERED = 100
# Each is looked up whenever any of them changes; who has more watches all of a customer.
MOST_WATCHED = 100


def esim_to_proto(esim: ESIM) -> pb.ESIM:
    deleted = esim.provider_state is ProviderState.DEACTIVATED
    return pb.ESIM(
        id=str(esim.id),
        iccid=esim.iccid,
        order_id=str(esim.order_id),
        plan_id=str(esim.plan_id),
        customer_id=str(esim.customer_id),
        customer_ref=esim.customer_ref,
        status=STATUSES[esim.status],
        matching_id="" if deleted else esim.matching_id,
        smdp_address="" if deleted else esim.smdp_address,
        assigned_date=timestamps.to_proto(esim.assigned_date),
        last_action=esim.last_action,
        action_date=timestamps.to_proto(esim.action_date),
        created_at=timestamps.to_proto(esim.created_at),
        updated_at=timestamps.to_proto(esim.updated_at),
        as_of=timestamps.to_proto(esim.as_of),
        bundle_name=esim.bundle_name,
        deletion_date=timestamps.to_proto(esim.deletion_date),
        last_country=esim.last_country,
        last_country_date=timestamps.to_proto(esim.last_country_at),
        profile_status=esim.profile_status,
        installed_date=timestamps.to_proto(esim.installed_at),
    )


def esims_to_proto(esims: Sequence[ESIM]) -> list[pb.ESIM]:
    return [esim_to_proto(esim) for esim in esims]


def bundle_to_proto(bundle: Bundle) -> pb.ESIMBundle:
    assignment = bundle.assignment
    used, remaining = bundle.used_bytes, bundle.remaining_bytes
    return pb.ESIMBundle(
        id=assignment.id,
        esim_id=str(bundle.esim_id),
        name=assignment.name,
        state=BUNDLE_STATES[bundle.state],
        data_used_mb=_mb(used),
        data_remaining_mb=_mb(remaining),
        start_date=timestamps.to_proto(assignment.started_at),
        end_date=timestamps.to_proto(assignment.ends_at),
        unlimited=assignment.unlimited,
        description=assignment.description,
        as_of=timestamps.to_proto(bundle.read_at),
        initial_bytes=None if assignment.unlimited else assignment.initial_bytes,
        remaining_bytes=remaining,
    )


def usage_to_proto(esim_id: UUID, usage: Usage) -> pb.ESIMUsage:
    return pb.ESIMUsage(
        esim_id=str(esim_id),
        total_used_mb=_mb(usage.used_bytes),
        total_remaining_mb=_mb(usage.remaining_bytes),
        active_bundles=usage.active_bundles,
        as_of=timestamps.to_proto(usage.as_of),
    )


def usages_to_proto(esims: Sequence[ESIM], bundles: Sequence[Bundle]) -> list[pb.ESIMUsage]:
    """One for each eSIM, in their order; `bundles` are those of all of them."""
    of_esim: defaultdict[UUID, list[Bundle]] = defaultdict(list)
    for bundle in bundles:
        of_esim[bundle.esim_id].append(bundle)
    return [
        usage_to_proto(esim.id, usage_of(of_esim[esim.id], as_of=esim.bundles_read_at))
        for esim in esims
    ]


def seen_to_proto(seen: Seen) -> pb.WatchedESIM:
    return pb.WatchedESIM(
        esim=esim_to_proto(seen.esim),
        data_used_mb=_mb(seen.usage.used_bytes),
        data_remaining_mb=_mb(seen.usage.remaining_bytes),
        updated_at=timestamps.to_proto(seen.updated_at),
    )


def wanted_from_proto(request: pb.WatchESIMsRequest, session: Session) -> Wanted:
    """Raises Failure: INVALID for what can't be watched, FORBIDDEN for another customer's."""
    checks = Checks()
    esim_ids = (
        checks.uuids("esim_ids", list(request.esim_ids), MOST_WATCHED) if request.esim_ids else []
    )
    customer_id = session.user_id if session.role is Role.CUSTOMER else None
    if request.HasField("customer_id"):
        if session.role is Role.CUSTOMER:
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: customer_id is for administrators; leave it out to watch yours",
            )
        customer_id = checks.uuid("customer_id", request.customer_id)
    if not esim_ids and customer_id is None:
        checks.fail("customer_id", "is needed where no eSIMs are named: whose are to be watched?")
    if esim_ids and request.HasField("customer_id"):
        checks.fail("customer_id", "must be left out where eSIMs are named")
    checks.done()
    return Wanted(esim_ids, customer_id)


def _mb(count: int | None) -> float | None:
    """Three places fit a double exactly enough to print the same; money never goes this way."""
    return None if count is None else float(megabytes(count))


def location_to_proto(location: Location) -> pb.GetLocationResponse:
    return pb.GetLocationResponse(
        network_code=location.network_code,
        network_name=location.network_name,
        network_brand_name=location.network_brand_name,
        country=location.country,
        last_seen=timestamps.to_proto(location.last_seen),
    )


def history_to_proto(entries: Sequence[HistoryEntry]) -> pb.ListHistoryResponse:
    return pb.ListHistoryResponse(
        entries=[
            pb.HistoryEntry(
                name=entry.name,
                bundle_name=entry.bundle_name,
                date=timestamps.to_proto(entry.date),
                alert_type=entry.alert_type,
            )
            for entry in entries
        ]
    )


def install_to_proto(details: Details) -> pb.GetInstallDetailsResponse:
    return pb.GetInstallDetailsResponse(
        matching_id=details.matching_id,
        smdp_address=details.smdp_address,
        profile_status=details.profile_status,
        apple_install_url=details.apple_install_url,
        android_install_url=details.android_install_url,
    )


def delivery_from_proto(
    request: pb.RegisterESIMsRequest,
) -> tuple[Delivery, list[tuple[str, str, str]]]:
    """The delivery and its ICCIDs, matching ids and SM-DP+ addresses; raises Failure INVALID."""
    checks = Checks()
    delivery = Delivery(
        order_id=checks.uuid("order_id", request.order_id),
        plan_id=checks.uuid("plan_id", request.plan_id),
        customer_id=checks.uuid("customer_id", request.customer_id),
        order_reference=name(checks, "order_reference", request.order_reference),
        bundle_name=name(checks, "bundle_name", request.bundle_name),
        customer_ref=checks.words("customer_ref", request.customer_ref, MOST_REFERENCE_CHARACTERS),
        auto_activate=request.auto_activate,
    )
    checks.between("esims", len(request.esims), 1, MOST_DELIVERED)
    esims = [
        (
            checks.iccid(f"esims[{i}].iccid", esim.iccid),
            checks.words(f"esims[{i}].matching_id", esim.matching_id, MOST_CHARACTERS),
            bare_host(checks.words(f"esims[{i}].smdp_address", esim.smdp_address, MOST_CHARACTERS)),
        )
        for i, esim in enumerate(request.esims)
    ]
    if len({iccid for iccid, _, _ in esims}) < len(esims):
        checks.fail("esims", "must not name an ICCID twice")
    checks.done()
    return delivery, esims


def cancelled_from_proto(request: pb.CancelOrderBundlesRequest) -> Cancelled:
    """Raises Failure INVALID."""
    checks = Checks()
    cancelled = Cancelled(
        order_id=checks.uuid("order_id", request.order_id),
        iccids=[checks.iccid(f"iccids[{i}]", iccid) for i, iccid in enumerate(request.iccids)],
        order_reference=name(checks, "order_reference", request.order_reference)
        if request.iccids
        else "",
    )
    checks.done()
    return cancelled


def filter_from_proto(checks: Checks, message: pb.ESIMFilter) -> Filter:
    """Problems are left in `checks`."""
    if unknown := [s for s in message.statuses if s not in STATUSES_BACK]:
        checks.fail("filter.statuses", f"holds no known status: {unknown[0]}")
    return Filter(
        statuses=[STATUSES_BACK[s] for s in message.statuses if s in STATUSES_BACK] or None,
        customer_id=checks.uuid("filter.customer_id", message.customer_id)
        if message.HasField("customer_id")
        else None,
        iccid=checks.iccid("filter.iccid", message.iccid) if message.HasField("iccid") else None,
    )


def bundle_name(text: str) -> str:
    """A bundle's name as it may stand in the provider's addresses; raises Failure."""
    checks = Checks()
    found = name(checks, "bundle_name", text)
    if set(found) & set("/\\"):
        checks.fail("bundle_name", "must be a bundle's name, without slashes")
    checks.done()
    return found


def name(checks: Checks, field: str, text: str) -> str:
    """A name of the provider's, as it is: whatever it may hold, a paid order must not fail by it."""
    if not text or len(text) > MOST_CHARACTERS or not plain_text.is_plain(text):
        checks.fail(field, f"must be 1 to {MOST_CHARACTERS} characters, none of them a control one")
    return text
