"""Random orders that got more or less far, and how to record them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st

from tests.component.orders.reports.recount import dimensions

# Daylight saving ends on 1 November 2026 in St John's.
BEGIN, DAYS = datetime(2026, 10, 28, tzinfo=UTC), 10
FIRST = BEGIN.date() - timedelta(days=1)
ORGANIZATION = UUID(int=0x0A)
# How far an order got: status and recovery point.
STATES = [
    ("PROCESSING", "AWAITING_PAYMENT"),
    ("FAILED", "AWAITING_PAYMENT"),
    *(("PROCESSING", point) for point in ("CLAIMED", "ATTEMPTED", "PLACED", "REGISTERED")),
    ("NEEDS_REVIEW", "ATTEMPTED"),
    ("FAILED", "CLAIMED"),
    ("FAILED", "PLACED"),
    *((status, "REGISTERED") for status in ("COMPLETED", "COMPLETED", "CANCELLED", "REFUNDED")),
]
REASONS = ["PAYMENT_EXPIRED", "PLAN_UNAVAILABLE", "", "PROVIDER_UNREACHABLE"]


@dataclass
class Started:
    """One order with its payment, and its eSIMs: (seconds to the delivery, installed, used)."""

    at: datetime
    state: tuple[str, str]
    reason: str
    paid_by: str | None
    authorized: float | None  # seconds after the start
    quantity: int
    target: str  # "", "top-up", "reassigned" or "awaits a new one"
    esims: list[tuple[float | None, bool, bool]]
    known: bool  # the esims service has reported its eSIMs
    countries: list[str] | None
    region: str | None
    days: int
    unlimited: bool
    currency: str
    coupon: str
    organization: UUID | None
    buyer: str

    @property
    def point(self) -> str:
        return self.state[1]

    @property
    def failed(self) -> bool:
        return self.state[0] == "FAILED"

    @property
    def delivered(self) -> bool:
        return self.point == "REGISTERED"

    @property
    def bought(self) -> bool:
        return self.delivered or self.point == "PLACED"

    @property
    def authorized_here(self) -> bool:
        return self.bought or self.paid_by != "CUSTOMER" or self.authorized is not None

    @property
    def number(self) -> int:
        return 1 if self.target else self.quantity

    @property
    def is_top_up(self) -> bool:
        return self.target in ("top-up", "awaits a new one")

    @property
    def seconds(self) -> float | None:
        times = [seconds for seconds, _, _ in self.esims if seconds is not None]
        if not self.delivered or not times:
            return None
        since = (self.authorized or 0) if self.paid_by == "CUSTOMER" else 0
        return round(max(max(times) - since, 0), 1)

    def described(self) -> dict[str, str]:
        row = {
            "sold_plan": None
            if self.countries is None
            else {"countries": self.countries, "duration_days": self.days},
            "sold_region": self.region,
            "plan_id": "",
            "currency": self.currency,
            "organization_id": self.organization,
            "coupon_code": self.coupon,
            "batch_order_id": self.buyer == "BATCH",
            "customer_id": uuid4(),
        }
        return dimensions(row, []) | ({"SOURCE": "API"} if self.buyer == "API" else {})


SECONDS = st.integers(0, 40_000).map(lambda tenths: tenths / 10)
ORDERS = st.builds(
    Started,
    at=st.timedeltas(timedelta(0), timedelta(days=DAYS)).map(lambda after: BEGIN + after),
    state=st.sampled_from(STATES),
    reason=st.sampled_from(REASONS),
    paid_by=st.sampled_from([None, "NOBODY", "ELSEWHERE", "CUSTOMER", "CUSTOMER", "CUSTOMER"]),
    authorized=st.one_of(st.none(), SECONDS, SECONDS),
    quantity=st.integers(1, 10),
    target=st.sampled_from(["", "", "", "top-up", "reassigned", "awaits a new one"]),
    # Sometimes fewer than were ordered, as while a delivery is recorded, and sometimes more.
    esims=st.lists(
        st.tuples(st.one_of(st.none(), SECONDS, SECONDS, SECONDS), st.booleans(), st.booleans()),
        max_size=6,
    ),
    known=st.sampled_from([True, True, True, False]),
    countries=st.sampled_from([None, [], ["FR"], ["DE"], ["FR", "DE"]]),
    region=st.sampled_from([None, "Europe", "Global"]),
    days=st.sampled_from([1, 7, 30]),
    unlimited=st.booleans(),
    currency=st.sampled_from(["USD", "EUR"]),
    coupon=st.sampled_from(["", "", "SPRING"]),
    organization=st.sampled_from([None, None, ORGANIZATION]),
    buyer=st.sampled_from(["SHOP", "SHOP", "API", "BATCH"]),
)
# Random orders may all lack eSIMs that were used.
USED = Started(
    at=BEGIN + timedelta(days=1),
    state=("COMPLETED", "REGISTERED"),
    reason="",
    paid_by="CUSTOMER",
    authorized=1.0,
    quantity=1,
    target="",
    esims=[(2.0, True, True)],
    known=True,
    countries=["FR"],
    region="Europe",
    days=7,
    unlimited=False,
    currency="EUR",
    coupon="",
    organization=None,
    buyer="SHOP",
)
PLACE = """
insert into orders.esim_orders (
    id, customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency, customer_reference,
    auto_activate, paid_by, recovery_point, sold_plan, sold_region, coupon_code, organization_id, status,
    failure_reason, provider_reference, batch_order_id, target_esim_id, target_iccid, needs_new_esim,
    allow_reassign, reassigned, created_at
) values (
    $1, $2, gen_random_uuid(), 'esim_1', $3, 1, 1, $4, '', false, $5, $6, $7::text::jsonb, $8, $9, $10, $11,
    $12, $13, $14, $15, $16, $17, $17, $18, $19
)
"""
PAY = """
insert into orders.payments (order_id, customer_id, method, amount, currency, authorized_at, expires_at)
values ($1, $2, 'CARD', 1, 'USD', $3, now())
"""
DELIVER = """
insert into orders.order_esims
    (order_id, iccid, customer_id, position, matching_id, smdp_address, registered_at)
values ($1, $2, $3, $4, '', '', $5)
"""
PROGRESS = """
insert into orders.esim_progress (esim_id, order_id, installed_at, first_used_at, version)
values (gen_random_uuid(), $1, $2, $3, 1)
"""


async def place(admin: Any, number: int, one: Started) -> None:
    """Record an order as if it had got that far."""
    order_id, customer = uuid4(), uuid4()
    if one.buyer == "API":
        customer = UUID(int=(customer.int & ~(0xF << 76)) | (8 << 76))
    plan = {"countries": one.countries, "duration_days": one.days, "unlimited": one.unlimited}
    awaits = one.target in ("reassigned", "awaits a new one")
    await admin.execute(
        PLACE,
        order_id,
        customer,
        one.number,
        one.currency,
        one.paid_by,
        one.point,
        json.dumps(plan) if one.countries is not None else None,
        one.region,
        one.coupon,
        one.organization,
        one.state[0],
        ("PAID_BACK" if one.bought else one.reason) if one.failed else "",
        str(order_id) if one.bought else None,
        uuid4() if one.buyer == "BATCH" else None,
        uuid4() if one.target else None,
        "8" * 19 if one.target else None,
        awaits,
        one.target == "reassigned",
        one.at,
    )
    if one.paid_by == "CUSTOMER":
        authorized = one.authorized is not None
        at = one.at + timedelta(seconds=one.authorized or 0)
        await admin.execute(PAY, order_id, customer, at if authorized else None)
    for n, (seconds, installed, used) in enumerate(one.esims):
        at_ = None if seconds is None else one.at + timedelta(seconds=seconds)
        await admin.execute(DELIVER, order_id, f"{number:012}{n:07}", customer, n, at_)
        if one.known and not one.is_top_up:
            now = one.at + timedelta(days=2)
            await admin.execute(
                PROGRESS, order_id, now if installed else None, now if used else None
            )
