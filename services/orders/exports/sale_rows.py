"""Facts of sales in exports."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from kit.db.database import Connection
from kit.reports.exports import IN_DAYS, text
from kit.reports.periods import Days
from kit.values import money, timestamps
from protos.orders.v1 import exports_pb2 as pb

FIGURES = ("gross", "tax", "refunds", "disputes", "cost", "fees")
SALES = f"""
select f.transaction_id, f.n, (f.at at time zone $3)::date as day, f.at,
    (f.sold_at at time zone $3)::date as sold_day, f.sold_at, f.kind, f.amount, f.currency, f.converted,
    f.converted_currency, f.exchange_rate, f.order_id, f.orders, f.esims,
    f.gross, f.tax, f.refunds, f.disputes, f.cost, f.fees, f.inventory,
    d.plan_id, d.bundle_name, d.area, d.country, d.region, d.duration_days, d.data_mb, d.unlimited,
    d.organization_id, d.coupon_code, d.source, d.sale_currency
from orders.sales_figures f left join orders.sales_dimensions d on d.id = f.dimension_id
where {IN_DAYS.format(at="f.at")}
order by f.at, f.transaction_id, f.n
"""  # noqa: S608 - constants only


# The days of the sums may be of any zone. Zones are up to 26 hours apart, so two days are added on both
# sides.
EXTENT = """
select min(e.first) - 2 as first, max(e.last) + 2 as last
from orders.sales_zones z cross join lateral (
    select min(b.day) as first, max(b.day) as last
    from orders.sales_by_day b where b.time_zone = z.time_zone
) e
"""


async def with_facts(connection: Connection, days: Days) -> Days:
    """Return the days without those before and after all facts; it may have none."""
    row: Any = await connection.fetchrow(EXTENT)
    if row["first"] is None:
        return Days(days.first, days.first - timedelta(days=1))
    return Days(max(days.first, row["first"]), min(days.last, row["last"]))


def months(days: Days) -> Iterator[Days]:
    """Yield the days of each calendar month: facts have no index in their order, so each month is sorted."""
    first = days.first
    while first <= days.last:
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        yield Days(first, min(days.last, following - timedelta(days=1)))
        first = following


def to_proto(row: Any) -> pb.SaleRow:
    currency = row["currency"]
    converted = row["converted"]
    figures: Any = {name: money.to_proto(row[name], currency) for name in FIGURES}
    found = pb.SaleRow(
        transaction_id=str(row["transaction_id"]),
        entry_number=row["n"],
        day=str(row["day"]),
        at=timestamps.to_proto(row["at"]),
        sold_day=str(row["sold_day"]),
        sold_at=timestamps.to_proto(row["sold_at"]),
        kind=row["kind"],
        amount=money.to_proto(row["amount"], currency),
        order_id=text(row["order_id"]),
        orders=row["orders"],
        esims=row["esims"],
        inventory_value=money.to_proto(row["inventory"], currency),
        plan_id=text(row["plan_id"]),
        bundle_name=row["bundle_name"],
        area=row["area"],
        country=row["country"],
        region=row["region"],
        duration_days=row["duration_days"],
        data_mb=row["data_mb"],
        unlimited=row["unlimited"],
        organization_id=text(row["organization_id"]),
        coupon_code=row["coupon_code"],
        source=row["source"],
        sale_currency=row["sale_currency"],
        **figures,
    )
    if converted is not None:
        found.converted.CopyFrom(money.to_proto(converted, row["converted_currency"]))
        found.exchange_rate = text(
            row["exchange_rate"] and f"{money.plain(row['exchange_rate']):f}"
        )
    return found
