"""Orders in exports."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.reports.exports import IN_DAYS, text
from kit.values import money, timestamps
from protos.orders.v1 import exports_pb2 as pb
from services.orders.exports.facts import OF_ORDER
from services.orders.messages import percent, shown_failure

# What a customer wrote is exported for organizations only, whose own reference it is.
ORDERS = f"""
select o.id, (o.created_at at time zone $3)::date as created_day, o.created_at, o.updated_at, o.status,
    o.failure_reason, (f.sold_at at time zone $3)::date as sold_day, f.sold_at,
    case
        when o.batch_order_id is not null then 'BATCH'
        when substr(o.customer_id::text, 15, 1) = '8' then 'API'
        else 'SHOP'
    end as source,
    o.customer_id, o.organization_id, c.name as organization_name, o.group_id, g.name as group_name,
    case when o.organization_id is not null then o.customer_reference else '' end as customer_reference,
    o.provider_reference, o.plan_id, o.bundle_name, o.sold_plan ->> 'title' as plan_title,
    o.sold_plan -> 'countries' as countries, o.sold_region as region,
    (o.sold_plan ->> 'duration_days')::integer as duration_days,
    (o.sold_plan ->> 'data_mb')::bigint as data_mb,
    coalesce((o.sold_plan ->> 'unlimited')::boolean, false) as unlimited,
    o.quantity, o.unit_price, o.discount, o.coupon_code, o.tax_rate, o.tax_country,
    coalesce(o.includes_tax, false) as includes_tax, o.tax_amount, o.total_price, o.currency,
    nullif(o.paid_by, 'NOBODY') as paid_by,
    p.id as payment_id, p.method, p.state, p.wallet_amount, p.captured,
    f.refunds, f.refunded_tax, f.disputes, f.exact_cost, f.exact_cost_currency, f.cost, f.unconverted_costs,
    f.fees, f.unconverted_fees, o.exchange_rate, o.price_list
from orders.esim_orders o
left join orders.organizations c on c.id = o.organization_id
left join orders.groups g on g.id = o.group_id
left join orders.payments p on p.order_id = o.id
{OF_ORDER}
where {IN_DAYS.format(at="o.created_at")}
"""  # noqa: S608 - constants only
IN_ORDER = " order by o.created_at, o.id"
ALL = ORDERS + IN_ORDER
OF_ORGANIZATION = f"{ORDERS} and o.organization_id = $4 {IN_ORDER}"
ERASED = UUID(int=0)
NOTHING = Decimal(0)


def to_proto(row: Any, *, costs: bool) -> pb.OrderRow:
    """Translate one order; without `costs`, it has nothing that only the shop may know."""
    currency = row["currency"]
    found = pb.OrderRow(
        id=str(row["id"]),
        created_day=str(row["created_day"]),
        created_at=timestamps.to_proto(row["created_at"]),
        updated_at=timestamps.to_proto(row["updated_at"]),
        status=row["status"],
        failure_reason=shown_failure(row["failure_reason"], operator=costs),
        sold_day=text(row["sold_day"]),
        sold_at=timestamps.to_proto(row["sold_at"]),
        source=row["source"],
        customer_id="" if row["customer_id"] == ERASED else str(row["customer_id"]),
        organization_id=text(row["organization_id"]),
        organization_name=row["organization_name"],
        group_id=text(row["group_id"]),
        group_name=row["group_name"],
        customer_reference=row["customer_reference"],
        provider_reference=row["provider_reference"],
        plan_id=str(row["plan_id"]),
        bundle_name=row["bundle_name"],
        plan_title=row["plan_title"],
        countries=row["countries"],
        region=row["region"],
        duration_days=row["duration_days"],
        data_mb=row["data_mb"],
        unlimited=row["unlimited"],
        quantity=row["quantity"],
        unit_price=money.to_proto(row["unit_price"], currency),
        discount=money.to_proto(row["discount"] or NOTHING, currency),
        coupon_code=row["coupon_code"],
        tax_rate=percent(row["tax_rate"] or NOTHING),
        tax_country=row["tax_country"],
        price_includes_tax=row["includes_tax"],
        tax=money.to_proto(row["tax_amount"] or NOTHING, currency),
        total_price=money.to_proto(row["total_price"], currency),
        paid_by=row["paid_by"],
        refunds=money.to_proto(row["refunds"], currency),
        refunded_tax=money.to_proto(row["refunded_tax"], currency),
    )
    if row["payment_id"] is not None:
        found.payment_id = str(row["payment_id"])
        found.payment_method = row["method"]
        found.payment_state = row["state"]
        found.wallet_amount.CopyFrom(money.to_proto(row["wallet_amount"], currency))
        found.captured.CopyFrom(money.to_proto(row["captured"], currency))
    if costs:
        _add_costs(found, row, currency)
    return found


def _add_costs(found: pb.OrderRow, row: Any, currency: str) -> None:
    found.disputes.CopyFrom(money.to_proto(row["disputes"], currency))
    if row["exact_cost"] is not None:
        found.cost.CopyFrom(money.to_proto(row["exact_cost"], row["exact_cost_currency"]))
    if not row["unconverted_costs"]:
        found.converted_cost.CopyFrom(money.to_proto(row["cost"], currency))
    if not row["unconverted_fees"]:
        found.fees.CopyFrom(money.to_proto(row["fees"], currency))
    if row["exchange_rate"] is not None:
        found.exchange_rate = f"{money.plain(row['exchange_rate']):f}"
    found.price_list = row["price_list"] or ""
