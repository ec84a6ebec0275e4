"""Random business: orders with sales, refunds, disputes, fees and returns, posted at chosen times."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from hypothesis import strategies as st

from services.orders.books import postings
from services.orders.books.posting import NONE, Posting, PostingKind, build, digits
from services.orders.books.postings import GivenBack, Moved
from services.orders.order import Order
from services.orders.store import ALL_COLUMNS, read_row

# Daylight saving ends on 1 November 2026 in St John's, and began on 8 March.
BEGIN = datetime(2026, 10, 25, tzinfo=UTC)
DAYS = 14
PLANS = UUID("00000000-0000-0000-0000-00000000cafe")
ORGANIZATIONS = (UUID(int=0x0A), UUID(int=0x0B))
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=DAYS)).map(lambda after: BEGIN + after)


@dataclass
class Sold:
    """One order, and what happens to it after its sale: (kind, after how long, share or amount)."""

    at: datetime
    currency: str
    cost_currency: str
    total: Decimal
    tax_share: Decimal
    cost: Decimal
    rate: Decimal | None
    quantity: int
    plan: int
    countries: Sequence[str] | None
    region: str | None
    days: int
    coupon: str
    organization: UUID | None
    by_key: bool
    in_batch: bool
    later: list[tuple[str, timedelta, int]] = field(default_factory=list)
    customer: UUID | None = None  # another one for each order


def amounts(currency: st.SearchStrategy[int]) -> st.SearchStrategy[Decimal]:
    return currency.map(lambda cents: Decimal(cents) / 100)


AMOUNTS = amounts(st.integers(1, 20_000))
LATER = st.tuples(
    st.sampled_from(
        [
            "refund",
            "refund_failure",
            "dispute",
            "dispute_return",
            "cost_return",
            "fee",
            "fee_in_eur",
        ]
    ),
    st.timedeltas(timedelta(0), timedelta(days=9)),
    st.integers(1, 100),
)
ORDERS = st.builds(
    Sold,
    at=MOMENTS,
    currency=st.sampled_from(["USD", "EUR", "JPY", "KWD"]),
    cost_currency=st.sampled_from(["USD", "USD", "EUR"]),
    total=st.one_of(st.just(Decimal(0)), AMOUNTS, AMOUNTS, AMOUNTS),
    tax_share=st.sampled_from([Decimal(0), Decimal("0.19"), Decimal("0.07")]),
    cost=st.one_of(st.just(Decimal(0)), AMOUNTS, AMOUNTS, AMOUNTS),
    rate=st.one_of(
        st.none(), st.decimals(Decimal("0.01"), Decimal(200), places=5), st.just(Decimal("0.005"))
    ),
    quantity=st.integers(1, 10),
    plan=st.integers(0, 4),
    countries=st.sampled_from([None, [], ["FR"], ["DE"], ["FR", "DE"]]),
    region=st.sampled_from([None, "Europe", "Global"]),
    days=st.sampled_from([1, 7, 30]),
    coupon=st.sampled_from(["", "", "SPRING"]),
    organization=st.sampled_from([None, None, *ORGANIZATIONS]),
    by_key=st.booleans(),
    in_batch=st.booleans(),
    later=st.lists(LATER, max_size=4),
)

PLACE = """
insert into orders.esim_orders (
    id, customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency, customer_reference,
    auto_activate, paid_by, expected_cost, charged_cost, cost_currency, charged_currency, recovery_point,
    rule_version, exchange_rate, tax_amount, tax_country, sold_plan, sold_region, coupon_code,
    organization_id, status, provider_reference, batch_order_id
) values (
    $1, $2, $3, $4, $5, $6, $6, $7, '', false, 'NOBODY', $8, $8, $9, $9, 'REGISTERED', 0, $10, $11, 'DE',
    $12::text::jsonb, $13, $14, $15, 'COMPLETED', $1::uuid::text, $16
)
"""
POST = """
with t as (
    insert into orders.ledger_transactions (kind, key, order_id, actor, at)
    values ($1, $2, $3, 'test', $4) returning id
)
insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
select t.id, e.n, e.entry ->> 0, (e.entry ->> 1)::numeric, e.entry ->> 2
from t cross join lateral jsonb_array_elements($5::text::jsonb) with ordinality as e(entry, n)
"""


async def post(admin: Any, at: datetime, *wanted: Posting | None) -> None:
    """Post at a time, in one transaction, as the service does."""
    async with admin.transaction():
        for posting in wanted:
            if posting is not None:
                entries = [(e.account, f"{e.amount:f}", e.currency) for e in posting.entries]
                await admin.execute(
                    POST, posting.kind, posting.key, posting.order_id, at, json.dumps(entries)
                )


async def happen(admin: Any, orders: Sequence[Sold]) -> None:
    """Let everything happen, in the order of time."""
    acts: list[tuple[datetime, tuple[Posting | None, ...]]] = []
    for sold in orders:
        order = await _place(admin, sold)
        paid = sold.total > 0
        acts.append((sold.at, (postings.sold(order, paid_here=False), postings.cost(order))))
        before, returned, bundles = GivenBack(), NONE, 0
        for kind, after, number in sorted(sold.later, key=lambda one: one[1]):
            at, key = sold.at + after, f"{order.id}:{len(acts)}"
            posting: Posting | None = None
            if kind.startswith("refund") and paid:
                posting, before = _refund(order, before, Decimal(number) / 100, key)
                if kind == "refund_failure" and posting is not None:
                    acts.append((at, (posting,)))
                    posting = Posting(
                        PostingKind.REFUND_FAILURE,
                        f"refund_failure:{key}",
                        tuple(type(e)(e.account, -e.amount, e.currency) for e in posting.entries),
                        order.id,
                    )
            elif kind.startswith("dispute") and paid:
                signed = order.total_price * (-1 if kind == "dispute_return" else 1)
                posting = build(
                    PostingKind.DISPUTE,
                    f"dispute:{key}",
                    [("disputes", signed), ("clearing:stripe", -signed)],
                    order.currency,
                    order_id=order.id,
                )
            elif kind == "cost_return" and bundles < order.quantity:
                bundles += 1
                posting = postings.cost_returned(order, bundles, returned)
                returned -= sum(
                    (e.amount for e in posting.entries if e.account == "cost") if posting else [],
                    NONE,
                )
            elif kind.startswith("fee"):
                posting = postings.settled(_moved(order, kind, number, key))
            acts.append((at, (posting,)))
    for at, wanted in sorted(acts, key=lambda act: act[0]):
        await post(admin, at, *wanted)


def _refund(
    order: Order, before: GivenBack, share: Decimal, key: str
) -> tuple[Posting | None, GivenBack]:
    amount = _exact(order.total_price * share, order.currency)
    tax = _exact(order.tax_amount * share, order.currency)
    posting = build(
        PostingKind.REFUND,
        f"refund:{key}",
        [("refunds", amount - tax), ("tax:DE", tax), ("clearing:stripe", -amount)],
        order.currency,
        order_id=order.id,
    )
    return posting, GivenBack(before.amount + amount, before.tax + tax)


def _moved(order: Order, kind: str, number: int, key: str) -> Moved:
    settled = "EUR" if kind == "fee_in_eur" else order.currency
    amount = _exact(max(order.total_price, Decimal(1)), order.currency)
    if settled != order.currency:
        amount = _exact(amount * Decimal("0.87"), settled) or Decimal("0.01")
    return Moved(
        key,
        amount,
        _exact(Decimal(number) / 100, settled),
        settled,
        max(_exact(order.total_price, order.currency), Decimal(1)),
        order.currency,
        order.id,
    )


def _exact(amount: Decimal, currency: str) -> Decimal:
    return round(amount, digits(currency))


def plan_of(number: int) -> UUID:
    """Return the id of a plan."""
    return uuid5(PLANS, str(number))


async def _place(admin: Any, sold: Sold) -> Order:
    order_id, total = uuid4(), _exact(sold.total, sold.currency)
    plan = {
        "title": f"Plan {sold.plan}",
        "description": "",
        "countries": sold.countries,
        "duration_days": sold.days,
        "data_mb": None,
        "unlimited": True,
    }
    customer = sold.customer or uuid4()
    if sold.by_key and not sold.customer:
        customer = UUID(int=(customer.int & ~(0xF << 76)) | (8 << 76))
    # Organizations without rows of their own, and orders that nobody bought.
    await admin.execute("set session_replication_role = replica")
    await admin.execute(
        PLACE,
        order_id,
        customer,
        plan_of(sold.plan),
        f"esim_{sold.plan}",
        sold.quantity,
        total,
        sold.currency,
        _exact(sold.cost, sold.cost_currency),
        sold.cost_currency,
        None if sold.currency == sold.cost_currency else sold.rate,
        _exact(total * sold.tax_share, sold.currency),
        json.dumps(plan) if sold.countries is not None else None,
        sold.region if sold.countries is not None else None,
        sold.coupon,
        sold.organization,
        uuid4() if sold.in_batch else None,
    )
    await admin.execute("reset session_replication_role")
    row = await admin.fetchrow(
        f"select {ALL_COLUMNS} from orders.esim_orders o where id = $1",  # noqa: S608 - constants only
        order_id,
    )
    return read_row(row)


async def forget(admin: Any) -> None:
    """Remove all orders and what was posted."""
    await admin.execute(
        "truncate orders.esim_orders, orders.ledger_transactions, orders.ledger_entries, orders.sales_facts,"
        " orders.sales_dimensions, orders.sales_by_day, orders.area_sales cascade"
    )
