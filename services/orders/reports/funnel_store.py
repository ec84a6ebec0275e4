"""SQL of the order funnel; nothing here writes."""

import json
from typing import Any

from kit.db.database import Connection
from kit.reports.statement import Statement
from services.orders.reports.funnel import Counts, Durations, Step, WantedFunnel
from services.orders.reports.sales_store import conditions

# Steps that an order has itself.
STEPS = ("started", "authorized", "bought", "delivered", "failed", "in_progress")
# Steps that its eSIMs have.
PROGRESS = ("installed", "used")
COUNTS = """
with started as materialized (
    select d.order_id, d.quantity, d.top_up, d.payable_at, true as started, d.authorized, d.bought,
        d.delivered, d.failed, not d.failed and not d.delivered as in_progress, d.failure_reason
    from orders.order_milestones d
    where d.started_at >= ({first}::date)::timestamp at time zone {zone} - interval '1 day'
        and d.started_at < ({last}::date + 1)::timestamp at time zone {zone} + interval '1 day'
        -- Written so that PostgreSQL does not expect it to leave few orders, and to loop over them.
        and case when (d.started_at at time zone {zone})::date between {first} and {last}
            then true else false end{conditions}
),
progress as (
    select s.order_id,
        -- More may have been delivered than were ordered. What is used was installed, reported or not.
        least(count(coalesce(p.installed_at, p.first_used_at)), s.quantity) as installed,
        least(count(p.first_used_at), s.quantity) as used
    from started s join orders.esim_progress p on p.order_id = s.order_id
    where s.delivered group by s.order_id, s.quantity
),
deliveries as (
    select extract(epoch from greatest(max(e.registered_at) - s.payable_at, interval '0')) as seconds
    from started s join orders.order_esims e on e.order_id = s.order_id
    where s.delivered and e.registered_at is not null group by s.order_id, s.payable_at
),
failures as (
    select s.failure_reason as reason, count(*) as orders from started s where s.failed group by 1
)
select {steps}, {progress},
    (select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by seconds) from deliveries) as took,
    (
        select json_agg(
            json_build_array(f.reason, f.orders) order by f.orders desc, f.reason collate "C"
        )::text from failures f
    ) as failures
from started s
"""


OF_ORDERS = """
count(*) filter (where s.{step}) as {step}_orders,
coalesce(sum(s.quantity) filter (where s.{step}), 0) as {step}_esims,
coalesce(sum(s.quantity) filter (where s.{step} and s.top_up), 0) as {step}_top_ups
"""
OF_ESIMS = """
(select count(*) from progress where {step} > 0) as {step}_orders,
(select coalesce(sum({step}), 0) from progress) as {step}_esims, 0 as {step}_top_ups
"""


async def counts(connection: Connection, wanted: WantedFunnel, zone: str) -> Counts:
    """Count the orders that were started in the range."""
    given = Statement()
    query = COUNTS.format(
        first=given.add(wanted.days.first),
        last=given.add(wanted.days.last),
        zone=given.add(zone),
        conditions=conditions(given, wanted.filter),
        steps=", ".join(OF_ORDERS.format(step=step) for step in STEPS),
        progress=", ".join(OF_ESIMS.format(step=step) for step in PROGRESS),
    )
    row: Any = await connection.fetchrow(query, *given.values)
    steps = {
        name: Step(row[f"{name}_orders"], int(row[f"{name}_esims"]), int(row[f"{name}_top_ups"]))
        for name in (*STEPS, *PROGRESS)
    }
    return Counts(
        **steps,
        failures=tuple((reason, orders) for reason, orders in json.loads(row["failures"] or "[]")),
        time_to_delivery=Durations(*map(float, row["took"])) if row["took"] else None,
    )
