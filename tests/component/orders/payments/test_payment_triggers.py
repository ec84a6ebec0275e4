"""The database refuses to buy before an authorization, and to take money before the delivery."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.fixtures.postgres import Databases

Admin = Any
REFUSED = asyncpg.CheckViolationError


@pytest.fixture
def admin(databases: Databases) -> Admin:
    return databases.admin


async def place(
    admin: Admin, point: str = "AWAITING_PAYMENT", *, amount: str = "10", pays: str = "10"
) -> Any:
    """Record an order of a customer with its payment, and return its id."""
    order_id, customer = uuid4(), uuid4()
    async with admin.transaction():
        await admin.execute(
            "insert into orders.esim_orders (id, customer_id, plan_id, bundle_name, quantity, unit_price,"
            " total_price, currency, auto_activate, customer_reference, paid_by, recovery_point)"
            " values ($1, $2, gen_random_uuid(), 'b', 1, $3, $3, 'USD', false, '', 'CUSTOMER', $4)",
            order_id,
            customer,
            Decimal(amount),
            point,
        )
        await admin.execute(
            "insert into orders.payments (order_id, customer_id, method, amount, currency, expires_at)"
            " values ($1, $2, 'CARD', $3, 'USD', now() + interval '1 hour')",
            order_id,
            customer,
            Decimal(pays),
        )
    return order_id


async def move(admin: Admin, order_id: Any, **values: Any) -> None:
    await change(admin, "esim_orders", "id", order_id, values)


async def pay(admin: Admin, order_id: Any, state: str, **values: Any) -> None:
    taken = {"captured": Decimal(10)} if state in ("PAID", "CAPTURED") else {}
    await change(admin, "payments", "order_id", order_id, {"state": state} | taken | values)


async def change(admin: Admin, table: str, key: str, value: Any, values: dict[str, Any]) -> None:
    names = ", ".join(f"{name} = ${n}" for n, name in enumerate(values, 2))
    await admin.execute(
        f"update orders.{table} set {names} where {key} = $1",  # noqa: S608 - names of columns
        value,
        *values.values(),
    )


async def registered(admin: Admin) -> Any:
    """Return a paid order whose eSIMs are registered."""
    order_id = await place(admin)
    await pay(admin, order_id, "AUTHORIZED")
    await move(admin, order_id, recovery_point="CLAIMED")
    await move(admin, order_id, recovery_point="ATTEMPTED")
    await move(admin, order_id, recovery_point="PLACED", provider_reference=str(order_id))
    await move(admin, order_id, recovery_point="REGISTERED")
    return order_id


async def test_an_order_has_a_payment_of_its_total(admin: Admin) -> None:
    with pytest.raises(REFUSED, match="no payment for its total"):
        await place(admin, pays="9.99")


async def test_nothing_is_bought_before_its_payment_is_authorized(admin: Admin) -> None:
    order_id = await place(admin)
    with pytest.raises(REFUSED, match="not paid"):
        await move(admin, order_id, recovery_point="CLAIMED")
    claimed = await place(admin, "CLAIMED")
    with pytest.raises(REFUSED, match="not paid"):
        await move(admin, claimed, recovery_point="ATTEMPTED")
    await pay(admin, order_id, "AUTHORIZED")
    await move(admin, order_id, recovery_point="CLAIMED")


async def test_a_held_order_is_not_bought_before_its_review(admin: Admin) -> None:
    order_id = await place(admin)
    held = "update orders.payments set held_reason = 'risk', held_at = now() where order_id = $1"
    await admin.execute(held, order_id)
    await pay(admin, order_id, "AUTHORIZED")
    with pytest.raises(REFUSED, match="not paid"):
        await move(admin, order_id, recovery_point="CLAIMED")
    seen = "update orders.payments set reviewed_at = now(), reviewed_by = 'f' where order_id = $1"
    await admin.execute(seen, order_id)
    await move(admin, order_id, recovery_point="CLAIMED")


async def test_nothing_is_captured_before_its_esims_are_registered(admin: Admin) -> None:
    order_id = await place(admin)
    await pay(admin, order_id, "AUTHORIZED")
    await move(admin, order_id, recovery_point="CLAIMED")
    with pytest.raises(REFUSED, match="not registered"):
        await pay(admin, order_id, "CAPTURED")
    with pytest.raises(REFUSED, match="only in a review"):
        await pay(admin, order_id, "PAID")
    delivered = await registered(admin)
    with pytest.raises(REFUSED, match="not captured"):
        await move(admin, delivered, status="COMPLETED")
    await pay(admin, delivered, "CAPTURED")
    await move(admin, delivered, status="COMPLETED")


async def test_an_order_in_work_keeps_its_hold(admin: Admin) -> None:
    order_id = await place(admin)
    await pay(admin, order_id, "AUTHORIZED")
    await move(admin, order_id, recovery_point="CLAIMED")
    with pytest.raises(REFUSED, match="still being bought"):
        await pay(admin, order_id, "RELEASED")
    await move(admin, order_id, status="FAILED")
    await pay(admin, order_id, "RELEASED")
    with pytest.raises(REFUSED, match="has ended"):
        await pay(admin, order_id, "PAID")


async def test_what_was_taken_is_refunded_before_it_counts_as_released(admin: Admin) -> None:
    order_id = await place(admin)
    await pay(admin, order_id, "PAID")
    await move(admin, order_id, status="FAILED")
    with pytest.raises(REFUSED, match="not refunded"):
        await pay(admin, order_id, "RELEASED")


async def test_what_was_refunded_does_not_pay_for_a_delivery(admin: Admin) -> None:
    order_id = await place(admin)
    await pay(admin, order_id, "PAID", refunded=Decimal(1))
    for point in ("CLAIMED", "ATTEMPTED"):
        await move(admin, order_id, recovery_point=point)
    await move(admin, order_id, recovery_point="PLACED", provider_reference="ref-1")
    await move(admin, order_id, recovery_point="REGISTERED")
    with pytest.raises(REFUSED, match="was refunded"):
        await pay(admin, order_id, "CAPTURED")
    await pay(admin, order_id, "CAPTURED", refunded=Decimal(0))


async def test_an_order_and_its_payment_stay_what_they_are(admin: Admin) -> None:
    order_id = await place(admin)
    for values in ({"total_price": Decimal(9)}, {"currency": "EUR"}, {"paid_by": "NOBODY"}):
        with pytest.raises(REFUSED, match="cannot change"):
            await move(admin, order_id, **values)
    for values in ({"amount": Decimal(9)}, {"currency": "EUR"}, {"method": "MANUAL"}):
        with pytest.raises(REFUSED, match="cannot change"):
            await change(admin, "payments", "order_id", order_id, values)


async def test_a_payment_never_gets_a_second_intent(admin: Admin) -> None:
    order_id = await place(admin)
    await change(admin, "payments", "order_id", order_id, {"intent_id": "pi_1"})
    for other in ("pi_2", None):
        with pytest.raises(REFUSED, match="one intent"):
            await change(admin, "payments", "order_id", order_id, {"intent_id": other})


async def test_a_new_payment_is_unpaid_or_paid_by_a_wallet(admin: Admin) -> None:
    new = (
        "insert into orders.payments (customer_id, method, amount, currency, expires_at, state)"
        " values (gen_random_uuid(), 'CARD', 1, 'USD', now(), $1)"
    )
    for state in ("AUTHORIZED", "RELEASED"):
        with pytest.raises(REFUSED):
            await admin.execute(new, state)


async def test_a_failed_order_wakes_its_payment(admin: Admin) -> None:
    order_id = await place(admin)
    run = {"run": uuid4(), "next_run_at": None}
    await change(admin, "payments", "order_id", order_id, run)
    await move(admin, order_id, status="FAILED")
    row = await admin.fetchrow("select run, next_run_at from orders.payments")
    assert row["run"] is None
    assert row["next_run_at"] is not None


async def test_a_release_before_payments_sells_nothing_once_they_are_required(
    admin: Admin,
) -> None:
    await admin.execute("insert into orders.payments_in_use default values")
    with pytest.raises(REFUSED, match="must say who pays"):
        await admin.execute(
            "insert into orders.esim_orders (customer_id, plan_id, bundle_name, quantity, unit_price,"
            " total_price, currency, auto_activate, customer_reference)"
            " values (gen_random_uuid(), gen_random_uuid(), 'b', 1, 1, 1, 'USD', false, '')"
        )
