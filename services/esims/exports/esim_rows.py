"""eSIMs in exports, with the sums of their bundles."""

from typing import Any

from kit.reports.exports import IN_DAYS, text
from kit.values import timestamps
from protos.esims.v1 import exports_pb2 as pb
from services.esims.bundle_store import WAS_LISTED
from services.esims.customer_store import ERASED

# What a customer wrote is exported for organizations only, whose own reference it is. Bundles that a callback
# announced, but the provider never confirmed, are left out. A bundle removed before its end is revoked.
ESIMS = f"""
select e.id, e.iccid, (e.created_at at time zone $3)::date as created_day, e.created_at, e.status,
    e.profile_status, e.order_id, e.plan_id, e.bundle_name, e.order_reference, e.customer_id,
    e.organization_id, e.group_id, e.traveler_id,
    case when e.organization_id is not null then e.customer_ref else '' end as customer_reference,
    e.assigned_date, e.installed_at, e.activated_at, e.first_used_at, e.last_country, e.last_country_at,
    e.order_cancelled_at, e.deletion_announced_at, b.*
from esims.esims e
left join lateral (
    select count(*) as bundles,
        count(*) filter (where b.unlimited) as unlimited_bundles,
        count(*) filter (where b.revoked) as revoked_bundles,
        coalesce(sum(b.initial_bytes) filter (where b.counted), 0)::bigint as initial_bytes,
        coalesce(sum(b.initial_bytes - b.remaining_bytes) filter (where b.counted), 0)::bigint as used_bytes,
        max(b.ends_at) filter (where not b.revoked and isfinite(b.ends_at)) as ends_at
    from (
        select b.*, not b.unlimited and not b.revoked and b.initial_bytes is not null
            and b.remaining_bytes is not null as counted
        from (
            select b.unlimited, b.initial_bytes, b.remaining_bytes, b.ends_at,
                b.state = 'revoked' or (
                    b.absent_since is not null and b.state in ('processing', 'queued', 'active')
                ) as revoked
            from esims.esim_bundles b
            where b.esim_id = e.id and {WAS_LISTED.format(row="b")}
        ) b
    ) b
) b on true
where {IN_DAYS.format(at="e.created_at")}
"""  # noqa: S608 - constants only
IN_ORDER = " order by e.created_at, e.id"
ALL = ESIMS + IN_ORDER
OF_ORGANIZATION = f"{ESIMS} and e.organization_id = $4 {IN_ORDER}"


def to_proto(row: Any) -> pb.ESIMRow:
    return pb.ESIMRow(
        id=str(row["id"]),
        iccid=row["iccid"],
        created_day=str(row["created_day"]),
        created_at=timestamps.to_proto(row["created_at"]),
        status=row["status"],
        profile_status=row["profile_status"],
        order_id=str(row["order_id"]),
        plan_id=str(row["plan_id"]),
        bundle_name=row["bundle_name"],
        order_reference=row["order_reference"],
        customer_id="" if row["customer_id"] == ERASED else str(row["customer_id"]),
        organization_id=text(row["organization_id"]),
        group_id=text(row["group_id"]),
        traveler_id=text(row["traveler_id"]),
        customer_reference=row["customer_reference"],
        assigned_at=timestamps.to_proto(row["assigned_date"]),
        installed_at=timestamps.to_proto(row["installed_at"]),
        activated_at=timestamps.to_proto(row["activated_at"]),
        first_used_at=timestamps.to_proto(row["first_used_at"]),
        last_country=row["last_country"],
        last_country_at=timestamps.to_proto(row["last_country_at"]),
        cancelled_at=timestamps.to_proto(row["order_cancelled_at"]),
        deletion_announced_at=timestamps.to_proto(row["deletion_announced_at"]),
        bundles=row["bundles"],
        unlimited_bundles=row["unlimited_bundles"],
        revoked_bundles=row["revoked_bundles"],
        initial_bytes=row["initial_bytes"],
        used_bytes=row["used_bytes"],
        ends_at=timestamps.to_proto(row["ends_at"]),
    )
