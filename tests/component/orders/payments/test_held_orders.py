"""Paid orders that look like fraud are held until a person has looked at them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kit.auth.sessions import Role, Session
from kit.telemetry import metrics
from protos.orders.v1 import orders_pb2, payments_pb2
from services.orders.payments.opening import payers
from tests.component.orders.payments.paid_shop import GOOD, RISKY, WALLET, Open, PaidShop, buyer_id
from tests.component.orders.shop import Metadata
from tests.fixtures.rpc.refusals import refused


def guarded(**limits: int) -> dict[str, Any]:
    return {"guards": {name: Decimal(value) for name, value in limits.items()}}


async def held(
    paid_shop: PaidShop, service: Open, buyer: Metadata, card: str = RISKY, **changes: Any
) -> tuple[str, str]:
    """Return an order that was paid and held, and its intent."""
    order_id, intent_id = await paid_shop.bought(service, buyer, **changes)
    await paid_shop.pay(intent_id, card)
    await paid_shop.due(order_id)
    await paid_shop.becomes(order_id, "AUTHORIZED")
    assert (await paid_shop.payment(order_id))["held_reason"]
    return order_id, intent_id


def release(service: Open, order_id: str, by: Metadata) -> Any:
    wanted = payments_pb2.ReleaseOrderRequest(order_id=order_id, note="called them")
    return service.payments.ReleaseOrder(wanted, metadata=by)


def reject(service: Open, order_id: str, by: Metadata) -> Any:
    wanted = payments_pb2.RejectOrderRequest(order_id=order_id, note="a stolen card")
    return service.payments.RejectOrder(wanted, metadata=by)


async def test_a_risky_payment_is_held_and_bought_after_its_release(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    finance = await shop.session("f@example.com", role="finance")
    support = await shop.session("s@example.com", role="support")
    async with paid_shop.open(**guarded(high_risk=1)) as service:
        order_id, _ = await held(paid_shop, service, buyer)
        assert shop.charges == 0
        got = payments_pb2.BatchGetPaymentsRequest(order_ids=[order_id])
        [seen] = (await service.payments.BatchGetPayments(got, metadata=buyer)).payments
        assert seen.status == payments_pb2.PAYMENT_STATUS_AUTHORIZED
        assert not seen.held_reason
        assert not seen.detail
        listed = await service.payments.ListHeldOrders(
            payments_pb2.ListHeldOrdersRequest(), metadata=support
        )
        [one] = listed.payments
        assert one.order_id == order_id
        assert one.status == payments_pb2.PAYMENT_STATUS_HELD
        assert "risk" in one.held_reason
        assert await refused(release(service, order_id, support)) == "FORBIDDEN"
        assert await refused(release(service, order_id, buyer)) == "FORBIDDEN"

        released = await release(service, order_id, finance)
        assert released.payment.status == payments_pb2.PAYMENT_STATUS_AUTHORIZED
        await paid_shop.reaches(order_id, "COMPLETED")
        assert await refused(release(service, order_id, finance)) == "ORDER_NOT_HELD"
        assert await refused(reject(service, order_id, finance)) == "ORDER_NOT_HELD"
    step = await shop.databases.admin.fetchrow(
        "select actor, note from orders.order_events where reason = 'released'"
    )
    assert step is not None
    assert step["note"] == "called them"


async def test_a_rejected_order_is_not_bought_and_its_hold_is_released(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    async with paid_shop.open(**guarded(high_risk=1)) as service:
        order_id, intent_id = await held(paid_shop, service, buyer)
        await reject(service, order_id, finance)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_REJECTED"
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"
    assert paid_shop.shop.charges == 0


@pytest.mark.parametrize("stated", [True, False])
async def test_a_held_order_is_rejected_before_its_hold_ends(
    paid_shop: PaidShop, stated: bool
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    now = datetime.now(UTC)
    async with paid_shop.open(**guarded(high_risk=1)) as service:
        order_id, intent_id = await held(paid_shop, service, buyer)
        if stated:
            soon = now + timedelta(hours=23)
            await paid_shop.set_payment(order_id, capture_before=soon)
        else:  # not every method says when its holds end
            earlier = now - timedelta(days=4)
            await paid_shop.set_payment(order_id, capture_before=None, authorized_at=earlier)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_REJECTED"
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"


async def test_an_order_that_was_held_for_long_is_bought_after_its_release(
    paid_shop: PaidShop,
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    with metrics.separate_registry() as registry:
        async with paid_shop.open(**guarded(high_risk=1)) as service:
            order_id, _ = await held(paid_shop, service, buyer)
            earlier = datetime.now(UTC) - timedelta(hours=30)
            await paid_shop.set_payment(order_id, authorized_at=earlier, held_at=earlier)
            await release(service, order_id, finance)
            await paid_shop.reaches(order_id, "COMPLETED")
    # The time in which it was held does not count as time until its delivery.
    taken = registry.get_sample_value("esimgo_orders_completion_seconds_sum")
    assert taken is not None
    assert 0 < taken < timedelta(hours=29).total_seconds()


@pytest.mark.parametrize("released", [True, False])
async def test_a_held_order_fails_when_its_hold_was_ended_at_the_payment_provider(
    paid_shop: PaidShop, released: bool
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    async with paid_shop.open(**guarded(high_risk=1)) as service:
        order_id, intent_id = await held(paid_shop, service, buyer)
        await paid_shop.provider.control("POST", "/clock/advance", {"days": 8})
        assert (await paid_shop.intent(intent_id))["status"] == "canceled"
        if released:
            assert await refused(release(service, order_id, finance)) == "ORDER_NOT_HELD"
        else:
            await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_FAILED"
    assert paid_shop.shop.charges == 0


async def test_a_customer_may_cancel_a_held_order(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open(**guarded(high_risk=1)) as service:
        order_id, intent_id = await held(paid_shop, service, buyer)
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order_id), metadata=buyer
        )
        await paid_shop.becomes(order_id, "RELEASED")
    assert (await paid_shop.intent(intent_id))["status"] == "canceled"


@pytest.mark.parametrize(
    ("limits", "changes"),
    [
        ({"customer_hour_orders": 1}, {}),
        ({"customer_day_amount": 1}, {}),
        ({"address_hour_orders": 1}, {"client_address": "192.0.2.7"}),
        ({"card_day_orders": 1}, {}),
        ({"domain_day_orders": 1}, {}),
    ],
    ids=lambda value: next(iter(value), ""),
)
async def test_orders_above_a_limit_are_held(
    paid_shop: PaidShop, limits: dict[str, int], changes: dict[str, str]
) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open(**guarded(**limits)) as service:
        if "amount" not in next(iter(limits)):
            first, intent_id = await paid_shop.bought(service, buyer, **changes)
            await paid_shop.pay(intent_id)
            await paid_shop.due(first)
            await paid_shop.reaches(first, "COMPLETED")
        order_id, _ = await held(
            paid_shop, service, buyer, GOOD, idempotency_key="second", **changes
        )
        assert await paid_shop.shop.stored_status(order_id) == "PROCESSING"


@pytest.mark.parametrize("hours", [24, 10**11])  # the second is longer than a timedelta can be
async def test_a_young_account_and_a_wallet_are_guarded_too(
    paid_shop: PaidShop, hours: int
) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "1000")
    limits = guarded(young_account_hours=hours, young_account_amount=1)
    async with paid_shop.open(**limits) as service:
        answer = await service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
        row = await paid_shop.payment(answer.order.id)
        assert row["state"] == "AUTHORIZED"
        assert "younger" in row["held_reason"]
        assert paid_shop.shop.charges == 0
        finance = await paid_shop.shop.session("f@example.com", role="finance")
        await release(service, answer.order.id, finance)
        await paid_shop.reaches(answer.order.id, "COMPLETED")
    assert (await paid_shop.wallet(customer_id))[1] == 0


@pytest.mark.parametrize("stated", ["0001-01-01T00:00:00Z", "soon", 10**400, None])
async def test_an_impossible_age_of_an_account_in_its_token_is_ignored(
    paid_shop: PaidShop, stated: Any
) -> None:
    session = Session(Role.CUSTOMER, UUID(int=1), {"created_at": stated}, "", None)
    async with (
        paid_shop.shop.databases.open("orders") as database,
        database.system() as connection,
    ):
        assert await payers.account_created_at(connection, session, UUID(int=1)) is None


async def test_a_balance_below_its_minimum_stops_sales_to_customers(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    await shop.databases.admin.execute(
        "insert into orders.provider_balance (balance, seen_at) values (49, now())"
        " on conflict (only_one) do update set balance = 49, seen_at = now()"
    )
    async with paid_shop.open(min_balance=Decimal(50)) as service:
        call = service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        assert await refused(call) == "NOT_SOLD_NOW"
