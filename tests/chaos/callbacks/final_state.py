"""The final state of a run, read from the tables by a superuser."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg

from tests.chaos.callbacks.oracle import RECEIVED, FinalBundle, FinalESIM, FinalState
from tests.chaos.callbacks.sender import Sent

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Columns that differ between runs: when a row was written, by which process, and for which event.
RUN_SPECIFIC = (
    *("created_at", "updated_at", "read_at", "state_read_at", "bundles_read_at", "action_date"),
    *("follow_at", "follow_count", "reference_due_at", "last_country_at", "msisdn_at"),
    "profile_status_at",
    # When usage was first seen or reported last, and by what, and when an end was learned of.
    *("first_used_at", "used_at", "used_source", "ended_at"),
    *("assigned_date", "last_action", "absent_since", "activated_at", "event_id", "received_at"),
    # Times of reception, used where a callback has an impossible date; the oracle compares the others.
    *("deletion_announced_at", "message_failed_at", "code_assigned_at"),
    *("registered_at", "placed_at", "next_run_at", "lease_owner", "leased_until"),
    # An eSIM delivered by a callback gets a different id in each run; its ICCID is the same.
    *("id", "esim_id"),
)
TABLES = (
    *("esims.esims", "esims.esim_bundles"),
    *("orders.esim_orders", "orders.order_esims", "orders.balance_events"),
)
# Values that no time column may hold, whatever was sent.
IMPOSSIBLE_DATES = """
select count(*) from (
    select to_jsonb(e)::text as row from esims.esims e
    union all select to_jsonb(b)::text from esims.esim_bundles b
) r where row ~ '"(0001|2099|9999)-|infinity'
"""
DELIVERY_STATES = """
select case when state = 'KEPT' and owner is not null then 'FOREIGN' else state end as state, count(*)
from webhooks.deliveries group by 1
"""
# Longer than any run.
MAX_RUN = timedelta(days=1)
INBOX = "select digest, event_type, times_received from webhooks.inbox"


async def inbox_faults(admin: Connection, sent: Mapping[bytes, Sent]) -> Counter[str]:
    """Return acknowledged callbacks that are missing in the inbox or stored in the wrong number."""
    faults: Counter[str] = Counter()
    rows: dict[bytes, list[int]] = {}
    for row in await admin.fetch(INBOX):
        rows.setdefault(row["digest"], []).append(row["times_received"])
    for body, count in sent.items():
        counts = rows.pop(hashlib.sha256(body).digest(), [])
        if count.acknowledged and not counts:
            faults["acknowledged and lost"] += 1
        elif len(counts) > 1:
            faults["stored more than once"] += 1
        elif counts and not count.acknowledged <= counts[0] <= count.attempts:
            faults["repeats miscounted"] += 1
    faults["stored and never sent"] += len(rows)
    return +faults


async def read(admin: Connection) -> FinalState:
    """Return the final state in the terms of the oracle."""
    state = FinalState()
    for row in await admin.fetch(
        "select id, iccid, status, provider_state, last_country, profile_status, msisdn,"
        " deletion_announced_at, message_failed_at, activated_at, smdp_address, matching_id"
        " from esims.esims"
    ):
        state.esims[row["iccid"]] = FinalESIM(
            status=row["status"],
            deleted=row["provider_state"] == "deactivated",
            country=row["last_country"],
            profile_status=row["profile_status"],
            msisdn=row["msisdn"],
            deletion_announced=row["deletion_announced_at"],
            message_failed=row["message_failed_at"],
            attached=row["activated_at"] is not None,
            code=f"LPA:1${row['smdp_address']}${row['matching_id']}",
        )
    for row in await admin.fetch(
        "select e.iccid, b.assignment_id, b.state, b.remaining_bytes, b.started_at, b.ends_at"
        " from esims.esim_bundles b join esims.esims e on e.id = b.esim_id"
    ):
        state.esims[row["iccid"]].bundles[row["assignment_id"]] = FinalBundle(
            row["state"], row["remaining_bytes"], row["started_at"], row["ends_at"]
        )
    for row in await admin.fetch(
        "select o.provider_reference, array_agg(d.iccid order by d.iccid) as iccids"
        " from orders.esim_orders o join orders.order_esims d on d.order_id = o.id"
        " where o.status = 'COMPLETED' group by o.id"
    ):
        state.completed[row["provider_reference"]] = tuple(row["iccids"])
    state.balance_events = await admin.fetchval("select count(*) from orders.balance_events")
    return state


def differences(expected: FinalState, actual: FinalState) -> list[str]:
    """Return a readable line for every effect that is missing or wrong."""
    wrong = []
    for iccid, esim in expected.esims.items():
        actual_esim = actual.esims.get(iccid)
        if actual_esim is None:
            wrong.append(f"eSIM {iccid} is missing")
            continue
        wrong += _compare(f"eSIM {iccid}", esim, actual_esim)
        for assignment, bundle in esim.bundles.items():
            name = f"bundle {assignment} of eSIM {iccid}"
            if assignment not in actual_esim.bundles:
                wrong.append(f"{name} is missing")
            else:
                wrong += _compare(name, bundle, actual_esim.bundles[assignment])
    for reference, iccids in expected.completed.items():
        if actual.completed.get(reference) != iccids:
            wrong.append(f"order {reference} did not get its eSIMs")
    if actual.balance_events != expected.balance_events:
        wrong.append(f"{actual.balance_events} balance events, not {expected.balance_events}")
    return wrong


def _compare(
    name: str, expected: FinalESIM | FinalBundle, actual: FinalESIM | FinalBundle
) -> list[str]:
    wrong = []
    for key in expected.__dataclass_fields__:
        if key == "bundles":
            continue
        value, stored = getattr(expected, key), getattr(actual, key)
        if value == RECEIVED and stored is not None and datetime.now(UTC) - stored < MAX_RUN:
            continue
        # Values without a callback are unspecified, such as the activation code of the delivery.
        if value not in (None, "") and stored != value:
            wrong.append(f"{key} of {name} is {stored}, not {value}")
    return wrong


async def snapshot(admin: Connection) -> Counter[str]:
    """Return every row of the services' tables without run-specific columns, to compare two runs."""
    rows: Counter[str] = Counter()
    for table in TABLES:
        query = f"select to_jsonb(t) - $1::text[] as row from {table} t"  # noqa: S608 - our own names
        for row in await admin.fetch(query, list(RUN_SPECIFIC)):
            rows[f"{table} {json.dumps(json.loads(row['row']), sort_keys=True)}"] += 1
    return rows
