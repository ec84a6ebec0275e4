"""Customers in exports, with what they bought."""

from typing import Any
from uuid import UUID

from kit.reports.exports import IN_DAYS, text
from kit.values import money, timestamps
from protos.orders.v1 import exports_pb2 as pb
from services.orders.exports.facts import OF_ORDER

ERASED = UUID(int=0)
FIGURES = ("gross", "tax", "refunds", "disputes", "cost", "fees")
# Their figures are read for one batch at a time: for all at once, PostgreSQL would need all facts before the
# first row.
CUSTOMERS = f"""
select distinct o.customer_id from orders.esim_orders o where {IN_DAYS.format(at="o.created_at")} order by 1
"""  # noqa: S608 - constants only
FIGURES_OF = f"""
select o.customer_id, o.organization_id, o.currency, min(o.created_at) as first_order_at,
    max(o.created_at) as last_order_at, count(*) as orders,
    count(*) filter (where o.status = 'FAILED') as failed_orders,
    sum(f.orders) as sold_orders, sum(f.esims) as esims, sum(f.unconverted) as unconverted,
    {", ".join(f"sum(f.{name}) as {name}" for name in FIGURES)}
from orders.esim_orders o
{OF_ORDER}
where o.customer_id = any($4::uuid[]) and {IN_DAYS.format(at="o.created_at")}
group by 1, 2, 3 order by 1, 2 nulls first, 3
"""  # noqa: S608 - constants only


def to_proto(row: Any) -> pb.CustomerRow:
    currency = row["currency"]
    net = row["gross"] - row["tax"] - row["refunds"] - row["disputes"]
    return pb.CustomerRow(
        customer_id="" if row["customer_id"] == ERASED else str(row["customer_id"]),
        organization_id=text(row["organization_id"]),
        currency=currency,
        first_order_at=timestamps.to_proto(row["first_order_at"]),
        last_order_at=timestamps.to_proto(row["last_order_at"]),
        orders=row["orders"],
        failed_orders=row["failed_orders"],
        sold_orders=int(row["sold_orders"]),
        esims=int(row["esims"]),
        net=money.to_proto(net, currency),
        margin=money.to_proto(net - row["cost"] - row["fees"], currency),
        unconverted_facts=int(row["unconverted"]),
        **{name: money.to_proto(row[name], currency) for name in FIGURES},
    )
