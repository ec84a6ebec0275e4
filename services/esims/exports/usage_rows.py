"""Usage by day in exports."""

from datetime import date
from typing import Any

from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.reports.exports import Wanted, text
from protos.esims.v1 import exports_pb2 as pb

USAGE = """
select d.day, d.country, p.plan_id, d.bundle_name, d.organization_id, d.bytes, d.known_bytes, d.samples,
    d.widest_gap_seconds, d.visits
from esims.usage_by_day d left join esims.bundle_plans p on p.bundle_name = d.bundle_name
where d.day between $1 and $2 and d.time_zone = $3
"""
IN_ORDER = " order by d.day, d.country, d.bundle_name, d.organization_id nulls first"
ALL = USAGE + IN_ORDER
OF_ORGANIZATION = f"{USAGE} and d.organization_id = $4 {IN_ORDER}"
ZONES = """
select time_zone, complete_from from esims.usage_zones
order by time_zone <> $1, complete_from nulls first, time_zone
"""


async def require_summed(connection: Connection, wanted: Wanted) -> bool:
    """Return whether all recorded days are summed in the zone; raises Failure INVALID if none are."""
    zones = await connection.fetch(ZONES, wanted.time_zone)
    if not zones:
        # Before the first round of the job that sums, nothing is recorded in any zone.
        return False
    named = {row["time_zone"]: row["complete_from"] for row in zones}
    if wanted.time_zone not in named:
        works = " or ".join(named)
        problem = (
            f"usage is summed by day in {works}, not in {wanted.time_zone}: export it in {works}"
        )
        raise Failure(
            Kind.INVALID,
            "TIME_ZONE_NOT_SUMMED",
            problem,
            fields={"time_zone": problem},
            details={"time_zone": next(iter(named))},
        )
    complete_from: date | None = named[wanted.time_zone]
    return complete_from is None or complete_from <= wanted.days.first


def to_proto(row: Any) -> pb.UsageRow:
    return pb.UsageRow(
        day=str(row["day"]),
        country=row["country"],
        plan_id=text(row["plan_id"]),
        bundle_name=row["bundle_name"],
        organization_id=text(row["organization_id"]),
        bytes=row["bytes"],
        known_bytes=row["known_bytes"],
        samples=row["samples"],
        widest_gap_seconds=row["widest_gap_seconds"],
        visits=row["visits"],
    )
