"""Orders with coupons: what they charge, which limits hold, and how coupons are given back."""

import asyncio
from typing import Any

import asyncpg
import grpc
import pytest

from kit.values import money, timestamps
from protos.orders.v1 import orders_pb2 as pb
from tests.component.orders.coupons.coupon_shop import list_price, of, open_coupons
from tests.component.orders.shop import Shop, reaches, request
from tests.component.orders.stand_ins import AWAY
from tests.fixtures.rpc.refusals import reason_of, refused

COMPLETED, FAILED = pb.ORDER_STATUS_COMPLETED, pb.ORDER_STATUS_FAILED


@pytest.fixture(autouse=True)
def priced(shop: Shop) -> None:
    """Every plan costs 20.00 EUR, and at least 5.00."""
    list_price(shop, "20.00", least="5")


async def test_a_coupon_reduces_the_total_and_is_used_when_the_order_completes(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create(budget=of("100"))
        order = await running.buy(buyer, " spring ", quantity=2)
        assert order.status == COMPLETED
        assert (order.coupon_code, order.discount) == ("SPRING", of("4"))
        assert (order.unit_price, order.total_price) == (of("20"), of("36"))
        assert await running.counters() == (1, 0, "4", "0")
        assert await running.states() == ["COMMITTED"]
        quote = await running.orders.QuoteOrder(
            pb.QuoteOrderRequest(plan_id=shop.plan_id, quantity=2, coupon_code="SPRING"),
            metadata=buyer,
        )
        assert (quote.discount, quote.total) == (of("4"), of("36"))


async def test_a_failed_order_and_a_cancelled_order_give_their_coupon_back(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create(max_uses=1, max_uses_per_customer=1, budget=of("2"))
        await shop.fault(method="POST", path="/orders", status=400)
        failed = await running.buy(buyer)
        assert failed.status == FAILED
        assert await running.counters() == (0, 0, "0", "0")

        shop.esims.failure = AWAY  # it can't complete yet
        unfinished = asyncio.create_task(running.buy(buyer))
        await shop.databases.until(
            "select exists (select from orders.esim_orders where recovery_point = 'PLACED')"
        )
        assert await running.counters() == (0, 1, "0", "2")
        assert await refused(running.buy(await shop.session("c@example.com"))) == "COUPON_NOT_VALID"
        shop.esims.failure = None
        order = await unfinished
        await reaches(shop, order.id, "COMPLETED")
        assert await running.counters() == (1, 0, "2", "0")

        await running.orders.CancelOrder(pb.CancelOrderRequest(order_id=order.id), metadata=buyer)
        assert await shop.stored_status(order.id) == "REFUNDED"
        assert await running.counters() == (0, 0, "0", "0")
        assert await running.states() == [
            "RELEASED",
            "RELEASED",
        ]
        # It can be used again, also by the same customer.
        assert (await running.buy(buyer)).status == COMPLETED
        assert await running.counters() == (1, 0, "2", "0")


@pytest.mark.parametrize(
    "limit", [{"max_uses": 1}, {"max_uses_per_customer": 1}, {"budget": of("20")}]
)
async def test_a_free_order_that_is_cancelled_without_a_refund_cannot_be_repeated(
    shop: Shop, limit: dict[str, Any]
) -> None:
    list_price(shop, "20.00", least="0")
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create("FREE", percent="100", max_loss=of("20"), **limit)
        order = await running.buy(buyer, "FREE")
        assert (order.status, order.total_price) == (COMPLETED, of("0"))
        await running.orders.CancelOrder(pb.CancelOrderRequest(order_id=order.id), metadata=buyer)
        assert await shop.stored_status(order.id) == "CANCELLED"
        assert await running.counters("FREE") == (1, 0, "20", "0")
        assert await running.states() == ["COMMITTED"]
        assert (await refused(running.buy(buyer, "FREE"))).startswith("COUPON_NOT_")
    assert shop.charges == 1


async def test_limits_for_each_customer_hold_and_other_customers_have_their_own(shop: Shop) -> None:
    one, two = await shop.session("b@example.com"), await shop.session("c@example.com")
    async with open_coupons(shop) as running:
        await running.create(max_uses_per_customer=2)
        outcomes = await asyncio.gather(
            *(running.buy(one) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(found, pb.Order) for found in outcomes) == 2
        reasons = {
            reason_of(found) for found in outcomes if isinstance(found, grpc.aio.AioRpcError)
        }
        assert reasons == {"COUPON_NOT_APPLICABLE"}
        assert await refused(running.buy(one)) == "COUPON_NOT_APPLICABLE"
        assert (await running.buy(two)).status == COMPLETED
        rows = await shop.databases.admin.fetch(
            "select n from orders.coupon_redemptions order by 1"
        )
        assert [row["n"] for row in rows] == [1, 1, 2]


async def test_a_coupon_for_first_purchases_is_for_customers_without_orders(shop: Shop) -> None:
    old, new = await shop.session("b@example.com"), await shop.session("c@example.com")
    async with open_coupons(shop) as running:
        await running.create(first_purchase_only=True)
        await running.buy(old, code="")
        assert await refused(running.buy(old)) == "COUPON_NOT_APPLICABLE"
        # A failed order is no purchase; of several at once only one is the first.
        await shop.fault(method="POST", path="/orders", status=400)
        assert (await running.buy(new)).status == FAILED
        outcomes = await asyncio.gather(
            *(running.buy(new) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(found, pb.Order) for found in outcomes) == 1


async def test_the_budget_is_never_exceeded(shop: Shop) -> None:
    buyers = [await shop.session(f"{number}@example.com") for number in range(5)]
    async with open_coupons(shop) as running:
        await running.create(amount=of("3"), budget=of("10"))
        outcomes = await asyncio.gather(*map(running.buy, buyers), return_exceptions=True)
        assert sum(isinstance(found, pb.Order) for found in outcomes) == 3
        assert await running.counters() == (3, 0, "9", "0")
        assert await refused(running.buy(buyers[0])) == "COUPON_NOT_VALID"


async def test_a_refused_coupon_records_and_buys_nothing(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create("DOLLARS", amount=of("1", "USD"))
        await running.create("HALF", percent="80")
        for code, reason in (
            ("UNKNOWN", "COUPON_NOT_VALID"),
            ("DOLLARS", "COUPON_NOT_APPLICABLE"),
            ("HALF", "COUPON_NOT_APPLICABLE"),
            ("x" * 41, "INVALID_ARGUMENT"),
        ):
            assert await refused(running.buy(buyer, code)) == reason
        assert await shop.databases.admin.fetchval("select count(*) from orders.esim_orders") == 0
    assert shop.charges == 0


async def test_a_key_is_for_one_coupon_and_a_second_click_finds_the_order(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create(max_uses=1, first_purchase_only=True)
        await running.create("OTHER")
        bought = [await running.buy(buyer, idempotency_key="k") for _ in range(2)]
        assert bought[0].id == bought[1].id
        for code in ("OTHER", ""):
            call = running.buy(buyer, code, idempotency_key="k")
            assert await refused(call) == "IDEMPOTENCY_CONFLICT"
        clicker = await shop.session("c@example.com")
        await running.create("CLICK", max_uses=1, first_purchase_only=True)
        clicks = await asyncio.gather(
            *(running.buy(clicker, "CLICK", prevent_duplicates=True) for _ in range(5))
        )
        assert len({order.id for order in clicks}) == 1
        assert await running.counters("CLICK") == (1, 0, "0", "0")


async def test_a_limit_of_the_buyer_is_about_the_reduced_total(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        await running.create()
        assert await refused(running.buy(buyer, max_total=of("17.99"))) == "PRICE_CHANGED"
        assert (await running.buy(buyer, max_total=of("18"))).total_price == of("18")


async def test_an_ended_coupon_keeps_the_discount_of_its_orders(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with open_coupons(shop) as running:
        created = await running.create(ends_at=timestamps.to_proto(_tomorrow()))
        order = await running.buy(buyer)
        from protos.orders.v1 import coupons_pb2

        await running.coupons.DisableCoupon(
            coupons_pb2.DisableCouponRequest(coupon_id=created.id), metadata=shop.service_key
        )
        found = await running.orders.GetOrder(pb.GetOrderRequest(order_id=order.id), metadata=buyer)
        assert found.order.discount == of("2")
        assert await refused(running.buy(buyer)) == "COUPON_NOT_VALID"


def _tomorrow() -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(days=1)


async def test_the_database_refuses_what_would_exceed_a_limit_or_rewrite_a_use(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    admin = shop.databases.admin
    async with open_coupons(shop) as running:
        await running.create(max_uses=1, budget=of("5"))
        await running.buy(buyer)
        for change in (
            "update orders.coupons set reserved = reserved + 1",
            "update orders.coupons set spent = 5.01",
            "update orders.coupons set used = -1",
            "update orders.coupon_redemptions set amount = 1",
            "update orders.coupon_redemptions set state = 'RESERVED'",
            "update orders.esim_orders set coupon_code = 'OTHER'",
        ):
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute(change)


async def test_the_data_of_a_customer_contains_their_redemptions_until_it_is_erased(
    shop: Shop,
) -> None:
    buyer = await shop.session("b@example.com")
    user_id = str(await shop.auth.user_id("b@example.com"))
    async with open_coupons(shop) as running:
        await running.create(max_uses_per_customer=1)
        order = await running.buy(buyer)
        wanted = pb.ExportCustomerRequest(customer_id=user_id)
        tables = {
            row.table: row.row_json
            async for row in running.orders.ExportCustomer(wanted, metadata=shop.service_key)
        }
        assert '"SPRING"' in tables["coupon_redemptions"]
        erase = pb.EraseCustomerRequest(customer_id=user_id)
        await running.orders.EraseCustomer(erase, metadata=shop.service_key)
        kept = await shop.databases.admin.fetchval(
            "select customer_id::text from orders.coupon_redemptions where order_id = $1::text::uuid",
            order.id,
        )
        assert kept != user_id
        assert await running.counters() == (1, 0, "0", "0")
        other = request(shop, idempotency_key="", coupon_code="SPRING")
        again = await running.orders.CreateOrder(
            other, metadata=await shop.session("c@example.com")
        )
        assert money.from_proto(again.order.discount) == 2
