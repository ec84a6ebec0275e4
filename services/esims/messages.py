"""Translates the values of the eSIMs service into its protos."""

from collections.abc import Sequence
from uuid import UUID

from kit.values import timestamps
from protos.esims.v1 import esims_pb2 as pb
from services.esims.bundle import Bundle, BundleState, Usage, by_esim, megabytes, usage_of
from services.esims.esim import ESIM, ESIMStatus, ProviderState, Traveler
from services.esims.live import ESIMUpdate
from services.esims.provider_esim import Details, HistoryEntry, Location

STATUSES = {
    ESIMStatus.PROCESSING: pb.ESIM_STATUS_PROCESSING,
    ESIMStatus.ASSIGNED: pb.ESIM_STATUS_ASSIGNED,
    ESIMStatus.ACTIVE: pb.ESIM_STATUS_ACTIVE,
    ESIMStatus.SUSPENDED: pb.ESIM_STATUS_SUSPENDED,
    ESIMStatus.EXPIRED: pb.ESIM_STATUS_EXPIRED,
    ESIMStatus.CANCELLED: pb.ESIM_STATUS_CANCELLED,
}
BUNDLE_STATES = {
    BundleState.PROCESSING: pb.BUNDLE_STATE_PROCESSING,
    BundleState.ACTIVE: pb.BUNDLE_STATE_ACTIVE,
    BundleState.INACTIVE: pb.BUNDLE_STATE_INACTIVE,
    BundleState.SUSPENDED: pb.BUNDLE_STATE_SUSPENDED,
    BundleState.EXPIRED: pb.BUNDLE_STATE_EXPIRED,
    BundleState.CANCELLED: pb.BUNDLE_STATE_CANCELLED,
}


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
        activated_date=timestamps.to_proto(esim.activated_at),
        organization_id=str(esim.organization_id or ""),
        group_id=str(esim.group_id or ""),
        traveler=None if esim.traveler is None else traveler_to_proto(esim.traveler),
    )


def traveler_to_proto(traveler: Traveler) -> pb.Traveler:
    return pb.Traveler(
        id=str(traveler.id or ""),
        name=traveler.name,
        email=traveler.email,
        user_id=str(traveler.user_id or ""),
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
    """Return the usage of each eSIM, in their order; `bundles` are those of all of them."""
    of_esim = by_esim(bundles)
    return [
        usage_to_proto(esim.id, usage_of(of_esim[esim.id], as_of=esim.bundles_read_at))
        for esim in esims
    ]


def update_to_proto(update: ESIMUpdate) -> pb.WatchedESIM:
    return pb.WatchedESIM(
        esim=esim_to_proto(update.esim),
        data_used_mb=_mb(update.usage.used_bytes),
        data_remaining_mb=_mb(update.usage.remaining_bytes),
        updated_at=timestamps.to_proto(update.updated_at),
    )


def _mb(count: int | None) -> float | None:
    """Convert to MB with three places, which a double keeps when it is printed."""
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


def install_to_proto(details: Details, esim: ESIM) -> pb.GetInstallDetailsResponse:
    return pb.GetInstallDetailsResponse(
        matching_id=details.matching_id,
        smdp_address=details.smdp_address,
        profile_status=esim.profile_status or details.profile_status,  # details may be a day old
        apple_install_url=details.apple_install_url,
        android_install_url=details.android_install_url,
    )
