"""Random journeys: eSIMs that use data, are seen in countries, and whose bundles end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st

# Daylight saving ends on 1 November 2026 in St John's.
BEGIN = datetime(2026, 10, 27, tzinfo=UTC)
DAYS = 9
ORGANIZATIONS = (UUID(int=0x0A), UUID(int=0x0B))
BUNDLES = ("esim_1GB_7D_GB_V2", "esim_5GB_30D_REUP_V2", "esim_UL_7D_FR_V2")
COUNTRIES = ("GB", "FR", "DE")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is reported after a while: the used tenths of the allowance, and the country if it is known."""

    after: timedelta
    tenths: int
    country: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Journey:
    """One eSIM with its bundle. `ends` is the state in which it ends, empty if it does not."""

    delivered: datetime
    started: timedelta | None
    bundle: str
    organization: UUID | None
    unlimited: bool
    initial: int | None
    seen: Sequence[Seen]
    ends: str
    installed: bool
    announced: bool
    canceled: bool


SEEN = st.builds(
    Seen,
    after=st.timedeltas(timedelta(0), timedelta(hours=30)),
    tenths=st.integers(0, 10),
    country=st.sampled_from([None, *COUNTRIES]),
    source=st.sampled_from(["CALLBACK", "READ"]),
)
JOURNEYS = st.builds(
    Journey,
    delivered=st.timedeltas(timedelta(0), timedelta(days=DAYS)).map(lambda after: BEGIN + after),
    started=st.none() | st.timedeltas(timedelta(0), timedelta(hours=20)),
    bundle=st.sampled_from(BUNDLES),
    organization=st.sampled_from([None, *ORGANIZATIONS]),
    unlimited=st.sampled_from([False, False, True]),
    initial=st.sampled_from([None, 0, 7, 1_000_000_000, 5_000_000_001]),
    seen=st.lists(SEEN, max_size=4),
    ends=st.sampled_from(["", "", "depleted", "expired", "lapsed", "revoked"]),
    installed=st.booleans(),
    announced=st.booleans(),
    canceled=st.booleans(),
)
# Random journeys may all be of eSIMs that use nothing; this one has usage, and its bundle ends.
USES_DATA = Journey(
    delivered=BEGIN + timedelta(days=1),
    started=timedelta(hours=1),
    bundle=BUNDLES[0],
    organization=None,
    unlimited=False,
    initial=1_000_000_000,
    seen=[Seen(timedelta(hours=1), 5, "FR", "CALLBACK")],
    ends="expired",
    installed=True,
    announced=False,
    canceled=False,
)
ESIM = """
insert into esims.esims (
    id, iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status, created_at, installed_at,
    organization_id, deletion_announced_at, order_cancelled_at, provider_state
) values (
    $1, $2, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ref', $3, 'ASSIGNED', $4, $5, $6, $7,
    $8, 'active'
)
"""
BUNDLE = """
insert into esims.esim_bundles (
    esim_id, assignment_id, customer_id, name, state, initial_bytes, remaining_bytes, unlimited, assigned_at,
    read_at
)
values ($1, 'assignment', gen_random_uuid(), $2, 'queued', $3, $3, $4, $5, $5)
"""
COUNTRY = "update esims.esims set last_country = $2, last_country_at = $3 where id = $1"
USED = """
update esims.esim_bundles set remaining_bytes = $2, state = 'active', started_at = coalesce(started_at, $3),
    read_at = $4, used_at = $4, used_source = $5
where esim_id = $1
"""
STARTED = """
update esims.esim_bundles set state = 'active', started_at = $2, read_at = $2 where esim_id = $1
"""
ENDS = """
with ended as (
    update esims.esim_bundles set state = $2, ends_at = $3, read_at = greatest(read_at, $4) where esim_id = $1
)
update esims.esims set status = case when $2 = 'revoked' then 'CANCELLED' else 'EXPIRED' end where id = $1
"""


async def travel(admin: Any, journeys: Sequence[Journey]) -> None:
    """Write what the service writes for these journeys, in the order of time for each eSIM."""
    for one in journeys:
        id_ = uuid4()
        await admin.execute(
            ESIM,
            id_,
            str(id_.int)[:20].rjust(20, "8"),
            one.bundle,
            one.delivered,
            one.delivered if one.installed else None,
            one.organization,
            one.delivered if one.announced else None,
            one.delivered if one.canceled else None,
        )
        initial = None if one.unlimited else one.initial
        await admin.execute(BUNDLE, id_, one.bundle, initial, one.unlimited, one.delivered)
        at = one.delivered
        started = None if one.started is None else one.delivered + one.started
        if started is not None:
            await admin.execute(STARTED, id_, started)
            at = started
        for seen in one.seen:
            at += seen.after
            if seen.country is not None:
                await admin.execute(COUNTRY, id_, seen.country, at)
            if started is not None and initial is not None:
                # The provider may correct it, so less may be used than before.
                left = initial - initial * seen.tenths // 10
                await admin.execute(USED, id_, left, started, at, seen.source)
        if one.ends:
            ends_at = at + timedelta(hours=1) if one.ends == "expired" else None
            await admin.execute(ENDS, id_, one.ends, ends_at, at + timedelta(hours=2))


FORGET = """
truncate esims.usage_samples, esims.visits, esims.usage_by_day, esims.esim_bundles, esims.esims,
    esims.travelers, esims.share_links
"""


async def forget(admin: Any) -> None:
    await admin.execute(FORGET)
