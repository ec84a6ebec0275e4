"""Orders that prepaid money pays, alone or together with a card."""

import asyncio
from decimal import Decimal

import pytest

from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import CARD, WALLET, PaidShop, buyer_id
from tests.fixtures.rpc.refusals import refused

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED


async def price(shop: PaidShop) -> Decimal:
    return shop.shop.catalogue.bundles[shop.shop.plan_id].price


async def test_a_wallet_pays_at_once(paid_shop: PaidShop) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    cost = await price(paid_shop)
    await paid_shop.fill_wallet(customer_id, "1000")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
    assert answer.order.status == COMPLETED
    assert answer.payment.status == payments_pb2.PAYMENT_STATUS_PAID
    assert await paid_shop.wallet(customer_id) == (1000 - cost, 0)
    entries = await paid_shop.shop.databases.admin.fetch(
        "select kind from orders.wallet_entries order by n"
    )
    assert [row["kind"] for row in entries] == ["HOLD", "DEBIT"]
    assert not paid_shop.provider.world.intents


async def test_a_wallet_with_too_little_buys_nothing(paid_shop: PaidShop) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        call = service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
        assert await refused(call) == "WALLET_TOO_LOW"
        await paid_shop.fill_wallet(customer_id, "0.01")
        call = service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
        assert await refused(call) == "WALLET_TOO_LOW"
    assert await paid_shop.wallet(customer_id) == (Decimal("0.01"), 0)
    assert (
        await paid_shop.shop.databases.admin.fetchval("select count(*) from orders.esim_orders")
        == 0
    )


async def test_a_failed_order_gives_the_wallet_its_money_back(paid_shop: PaidShop) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "1000")
    await paid_shop.shop.fault(method="POST", path="/orders", status=400)
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
        await paid_shop.becomes(answer.order.id, "RELEASED")
    assert await paid_shop.wallet(customer_id) == (1000, 0)


async def test_of_many_purchases_at_once_those_that_fit_the_wallet_succeed(
    paid_shop: PaidShop,
) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    cost = await price(paid_shop)
    await paid_shop.fill_wallet(customer_id, str(cost * 4))
    async with paid_shop.open(max_unfinished=1000) as service:
        answers = await asyncio.gather(
            *(
                service.orders.CreateOrder(
                    paid_shop.request(WALLET, idempotency_key=f"key-{n}"), metadata=buyer
                )
                for n in range(12)
            ),
            return_exceptions=True,
        )
    bought = [one for one in answers if isinstance(one, orders_pb2.CreateOrderResponse)]
    assert len(bought) == 4
    assert await paid_shop.wallet(customer_id) == (0, 0)
    assert paid_shop.shop.charges == 4


async def test_the_card_pays_what_the_wallet_does_not(paid_shop: PaidShop) -> None:
    paid_shop.shop.catalogue.stored_price = Decimal(400)
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "7.25")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(
            paid_shop.request(CARD, use_wallet=True), metadata=buyer
        )
        order_id = answer.order.id
        assert await paid_shop.wallet(customer_id) == (0, Decimal("7.25"))
        intent_id = (await paid_shop.payment(order_id))["intent_id"]
        assert (await paid_shop.intent(intent_id))["amount"] == 39275
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert await paid_shop.wallet(customer_id) == (0, 0)
    row = await paid_shop.payment(order_id)
    assert row["captured"] == 400
    assert (await paid_shop.intent(intent_id))["amount_received"] == 39275


async def test_the_card_pays_at_least_its_minimum(paid_shop: PaidShop) -> None:
    paid_shop.shop.catalogue.stored_price = Decimal(400)
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "399.90")
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer, use_wallet=True)
        assert (await paid_shop.intent(intent_id))["amount"] == 50
        assert await paid_shop.wallet(customer_id) == (Decimal("0.40"), Decimal("399.50"))
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order_id), metadata=buyer
        )
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.wallet(customer_id) == (Decimal("399.90"), 0)


async def test_a_wallet_that_covers_all_needs_no_card(paid_shop: PaidShop) -> None:
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, "1000")
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrder(
            paid_shop.request(CARD, use_wallet=True), metadata=buyer
        )
    assert answer.order.status == COMPLETED
    assert answer.payment.method == payments_pb2.PAYMENT_METHOD_WALLET


@pytest.mark.parametrize("choice", [{"method": WALLET}, {"use_wallet": True}])
async def test_a_method_that_is_not_offered_is_refused(
    paid_shop: PaidShop, choice: dict[str, object]
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open(methods=frozenset({"CARD"})) as service:
        wanted = paid_shop.request(**({"method": CARD} | choice))  # type: ignore[arg-type]
        call = service.orders.CreateOrder(wanted, metadata=buyer)
        assert await refused(call) == "PAYMENT_METHOD_NOT_OFFERED"
