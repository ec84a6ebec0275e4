"""Spending limits per customer and for the whole shop, by count and amount, enforced without races."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest

from kit.errors import Failure
from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2
from services.orders.purchase.limits import parse
from tests.component.orders.coupons.coupon_shop import of, open_coupons
from tests.component.orders.shop import Shop, orders_recorded, price, reaches, request

UNFINISHED = "PURCHASE_LIMIT_CUSTOMER_UNFINISHED_ORDERS"


async def refusal(call: Any) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    return from_error(raised.value)


def buying(shop: Shop, orders: Any, buyer: Any, key: str, **wanted: Any) -> Any:
    return orders.CreateOrder(request(shop, idempotency_key=key, **wanted), metadata=buyer)


@pytest.mark.parametrize("window", ["hour", "day"])
@pytest.mark.parametrize("scope", ["customer", "shop"])
async def test_the_limit_of_orders_is_enforced(shop: Shop, scope: str, window: str) -> None:
    ann, bob = await shop.session("ann@example.com"), await shop.session("bob@example.com")
    name = f"{scope}_{window}_orders"
    seconds = {"hour": 3600, "day": 86_400}[window]
    async with shop.open(purchase_limits=parse(f"{name}=2")) as orders:
        first = await buying(shop, orders, ann, "1")
        await buying(shop, orders, ann, "2", quantity=2)
        failure = await refusal(buying(shop, orders, ann, "3"))
        assert failure.reason == f"PURCHASE_LIMIT_{name.upper()}"
        assert failure.details == {"limit": name}
        assert 0 < (failure.retry_after or 0) <= seconds
        assert await orders_recorded(shop) == shop.charges == 2
        # A repeated request returns its order, however much was bought since.
        again = await buying(shop, orders, ann, "1")
        assert (again.order.id, again.repeated_request) == (first.order.id, True)
        if scope == "customer":
            await buying(shop, orders, bob, "1")
        else:
            assert (await refusal(buying(shop, orders, bob, "1"))).reason == failure.reason
        # Purchases older than the window don't count, and the refusal named that moment.
        await shop.databases.admin.execute(
            "update orders.esim_orders set created_at = created_at - $1::float8 * interval '1 second'",
            float(failure.retry_after or 0),
        )
        await buying(shop, orders, ann, "3")


async def test_the_limit_of_spending_is_enforced(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    most = 3 * price(shop)
    async with shop.open(purchase_limits=parse(f"customer_day_amount={most}")) as orders:
        await buying(shop, orders, buyer, "1", quantity=2)
        failure = await refusal(buying(shop, orders, buyer, "2", quantity=2))
        assert failure.reason == "PURCHASE_LIMIT_CUSTOMER_DAY_AMOUNT"
        assert failure.retry_after is not None
        await buying(shop, orders, buyer, "3")  # exactly the limit
        # A purchase that alone exceeds the limit never fits.
        alone = await refusal(buying(shop, orders, buyer, "4", quantity=4))
        assert alone.reason == "PURCHASE_LIMIT_CUSTOMER_DAY_AMOUNT"
        assert alone.retry_after is None
        assert "order a smaller quantity" in alone.message
    assert shop.charges == 2


async def test_a_spending_refusal_says_when_enough_spending_expires(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    most = 3 * price(shop)
    async with shop.open(purchase_limits=parse(f"customer_hour_amount={most}")) as orders:
        for key in ("1", "2", "3"):
            await buying(shop, orders, buyer, key)
        for key, minutes in (("1", 50), ("2", 40), ("3", 10)):
            await shop.databases.admin.execute(
                "update orders.esim_orders set created_at = now() - $1::int * interval '1 minute'"
                " where idempotency_key = $2",
                minutes,
                key,
            )
        for freed_by, wanted in (("1", {}), ("2", {"quantity": 2})):
            expires: datetime = await shop.databases.admin.fetchval(
                "select created_at + interval '1 hour' from orders.esim_orders"
                " where idempotency_key = $1",
                freed_by,
            )
            before = datetime.now(UTC)
            failure = await refusal(buying(shop, orders, buyer, "4", **wanted))
            # It is rounded up to full seconds.
            longest = expires - before + timedelta(seconds=1)
            wait = timedelta(seconds=failure.retry_after or 0)
            assert expires - datetime.now(UTC) <= wait < longest


async def test_failed_orders_do_not_count_towards_limits(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    await shop.fault(method="POST", path="/orders", status=400)
    async with shop.open(purchase_limits=parse("customer_day_orders=1")) as orders:
        failed = await buying(shop, orders, buyer, "1")
        assert failed.order.status == orders_pb2.ORDER_STATUS_FAILED
        await buying(shop, orders, buyer, "2")
        await refusal(buying(shop, orders, buyer, "3"))
    assert shop.charges == 1


@pytest.mark.parametrize("limit", ["customer_hour_orders=3", "shop_day_orders=3"])
async def test_concurrent_purchases_never_exceed_a_limit(shop: Shop, limit: str) -> None:
    buyer = await shop.session("ann@example.com")
    limits = parse(limit)
    async with shop.open(purchase_limits=limits) as one, shop.open(purchase_limits=limits) as two:
        outcomes = await asyncio.gather(
            *(
                buying(shop, orders, buyer, f"{n}-{name}")
                for n in range(10)
                for name, orders in (("one", one), ("two", two))
            ),
            return_exceptions=True,
        )
    bought = {o.order.id for o in outcomes if not isinstance(o, BaseException)}
    assert len(bought) == await orders_recorded(shop) == shop.charges == 3


async def test_concurrent_calls_with_one_key_count_as_one_order(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    limits = parse("customer_hour_orders=1, shop_day_amount=1000")
    async with shop.open(purchase_limits=limits) as one, shop.open(purchase_limits=limits) as two:
        answers = await asyncio.gather(
            *(buying(shop, orders, buyer, "same") for orders in [one, two] * 5)
        )
    assert len({answer.order.id for answer in answers}) == 1
    assert shop.charges == 1


async def test_a_double_click_at_the_limit_returns_one_order(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    wanted = request(shop, idempotency_key="", prevent_duplicates=True)
    async with shop.open(purchase_limits=parse("customer_hour_orders=1")) as orders:
        answers = await asyncio.gather(
            *(orders.CreateOrder(wanted, metadata=buyer) for _ in range(5))
        )
    assert len({answer.order.id for answer in answers}) == 1
    assert shop.charges == 1


async def test_a_limit_of_zero_refuses_every_purchase(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    async with shop.open(purchase_limits=parse("shop_day_orders=0")) as orders:
        failure = await refusal(buying(shop, orders, buyer, "1"))
    assert (failure.reason, failure.retry_after) == ("PURCHASE_LIMIT_SHOP_DAY_ORDERS", None)
    assert failure.message.endswith("the limit is 0; ask the shop")
    assert await orders_recorded(shop) == 0


async def test_spending_counts_the_charged_price(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    shop.catalogue.stored_price = Decimal("0.01")  # the provider charges more
    async with shop.open(purchase_limits=parse(f"customer_day_amount={price(shop)}")) as orders:
        await buying(shop, orders, buyer, "1")
        failure = await refusal(buying(shop, orders, buyer, "2"))
    assert failure.reason == "PURCHASE_LIMIT_CUSTOMER_DAY_AMOUNT"


async def test_the_number_of_concurrent_purchases_of_a_customer_is_limited(shop: Shop) -> None:
    ann, bob = await shop.session("ann@example.com"), await shop.session("bob@example.com")
    day = {"Retry-After": "86400"}
    await shop.fault(method="POST", path="/orders", status=429, headers=day, count=0)
    held = replace(shop.settings.provider, longest_hold=3600, timeout=60)
    async with shop.open(provider=held, purchase_wait=0.1) as orders:
        outcomes = await asyncio.gather(
            *(buying(shop, orders, ann, str(number)) for number in range(12)),
            return_exceptions=True,
        )
        made = [o for o in outcomes if not isinstance(o, BaseException)]
        refused = [from_error(o) for o in outcomes if isinstance(o, grpc.aio.AioRpcError)]
        assert (len(made), len(refused)) == (5, 7)
        assert {failure.reason for failure in refused} == {UNFINISHED}
        assert all("try again" in failure.message for failure in refused)
        await buying(shop, orders, bob, "1")
        # A service buys what a customer paid for already.
        bought = orders_pb2.CreateOrderForCustomerRequest(
            customer_id=str(await shop.auth.user_id("ann@example.com")),
            order=request(shop, idempotency_key="paid"),
        )
        await orders.CreateOrderForCustomer(bought, metadata=shop.service_key)
        key = str(next(n for n, o in enumerate(outcomes) if o is made[0]))
        assert (await buying(shop, orders, ann, key)).order.id == made[0].order.id
    async with shop.http.delete(f"{shop.sandbox.control_url}/faults") as answer:
        assert answer.status == 200
    async with shop.open() as orders:
        for answer in made:
            await reaches(shop, answer.order.id, "COMPLETED")
        await buying(shop, orders, ann, "another")
    assert shop.charges == 5 + 1 + 1 + 1


async def test_spending_counts_the_cost_and_not_what_a_coupon_leaves_of_it(shop: Shop) -> None:
    buyer = await shop.session("ann@example.com")
    off = Decimal("0.10")
    limits = parse(f"customer_day_amount={3 * price(shop) - off}")
    async with open_coupons(shop, purchase_limits=limits) as running:
        amount = of(str(off), "USD")
        await running.create(amount=amount, max_loss=amount)
        for _ in range(2):
            assert (await running.buy(buyer)).discount == amount
        failure = await refusal(running.buy(buyer, ""))
    assert failure.reason == "PURCHASE_LIMIT_CUSTOMER_DAY_AMOUNT"
