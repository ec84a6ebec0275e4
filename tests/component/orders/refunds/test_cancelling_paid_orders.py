"""Cancellation of paid orders: customers get what the policy says, or a refusal before any revoke."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import coupons_pb2, coupons_pb2_grpc, orders_pb2, payments_pb2
from services.orders.payments.policy import RefundPolicy
from tests.component.orders.cancellation.test_cancelling_odd_listings import odd_listings
from tests.component.orders.coupons.coupon_shop import list_price, of
from tests.component.orders.payments.paid_shop import MANUAL, WALLET, PaidShop, buyer_id
from tests.component.orders.refunds.bought import (
    at_provider,
    balances,
    bought,
    refunds,
    settled,
)
from tests.component.orders.stand_ins import AWAY
from tests.fixtures.rpc.refusals import failure_of, reason_of

ERROR = grpc.aio.AioRpcError
CANCELLED, REFUNDED, COMPLETED = (
    orders_pb2.ORDER_STATUS_CANCELLED,
    orders_pb2.ORDER_STATUS_REFUNDED,
    orders_pb2.ORDER_STATUS_COMPLETED,
)


def cancel(order_id: str, *, unused_only: bool = False) -> orders_pb2.CancelOrderRequest:
    return orders_pb2.CancelOrderRequest(order_id=order_id, unused_only=unused_only)


async def iccids(shop: PaidShop, order_id: str) -> list[str]:
    rows = await shop.shop.databases.admin.fetch(
        "select iccid from orders.order_esims where order_id = $1::text::uuid order by position",
        order_id,
    )
    return [row["iccid"] for row in rows]


async def refundable(service: Any, session: Any, *order_ids: str) -> list[Any]:
    request = payments_pb2.BatchGetRefundableRequest(order_ids=order_ids)
    return list((await service.payments.BatchGetRefundable(request, metadata=session)).refundables)


async def test_an_unused_order_gives_everything_back(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer, quantity=2)
        [offer] = await refundable(service, buyer, order.id)
        assert (offer.amount, offer.reason) == (order.total_price, "")
        assert offer.HasField("until")
        answer = await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert answer.order.status == REFUNDED
        assert answer.message == "The order was cancelled and its price refunded."
        await settled(paid_shop)
        [offer] = await refundable(service, buyer, order.id)
        assert (offer.amount.units, offer.reason) == (0, "CANCELLED")
    [refund] = await refunds(paid_shop)
    assert (refund["reason"], refund["requested_by"]) == ("CANCELLED", "cancellation")
    [made] = await at_provider(paid_shop)
    assert Decimal(made["amount"]) / 100 == money.from_proto(order.total_price)
    booked = await balances(paid_shop)
    assert booked["clearing:stripe"] == booked["deposits"] == 0


async def test_what_the_staff_refunded_in_the_dashboard_is_not_to_be_paid_back_again(
    paid_shop: PaidShop, caplog: pytest.LogCaptureFixture
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        intent_id = (await paid_shop.payment(order.id))["intent_id"]
        await paid_shop.dashboard("refunds", payment_intent=intent_id)
        await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        await settled(paid_shop, "FAILED")
    assert "pay nothing back, and record that" in caplog.text
    assert (await paid_shop.shop.row(order.id))["status_reason"] == (
        "The order was cancelled and its price refunded."
    )


@pytest.mark.parametrize(
    ("policy", "reason"),
    [("window_days=0", "WINDOW_OVER"), ("", "INSTALLED"), ("fee=100", "FEE")],
)
async def test_a_cancellation_that_gives_nothing_back_is_refused_before_anything_is_revoked(
    paid_shop: PaidShop, policy: str, reason: str
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open(refund_policy=RefundPolicy.parse(policy)) as service:
        order = await bought(paid_shop, service, buyer)
        if reason == "INSTALLED":
            paid_shop.shop.esims.installed |= set(await iccids(paid_shop, order.id))
        [offer] = await refundable(service, buyer, order.id)
        assert (offer.amount.units, offer.amount.nanos, offer.reason) == (0, 0, reason)
        assert offer.message
        preview = orders_pb2.BatchGetCancellationsRequest(order_ids=[order.id])
        [found] = (
            await service.orders.BatchGetCancellations(preview, metadata=buyer)
        ).cancellations
        assert found.code == "ORDER_NOT_REFUNDABLE"
        with pytest.raises(ERROR) as refused:
            await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert reason_of(refused.value) == "ORDER_NOT_REFUNDABLE"
        assert (await paid_shop.shop.row(order.id))["status"] == "COMPLETED"
        assert not await paid_shop.shop.databases.admin.fetch(
            "select from orders.order_revocations"
        )
        # An administrator may, and then the policy does not matter.
        admin = await paid_shop.shop.session("admin@example.com", admin=True)
        answer = await service.orders.CancelOrder(cancel(order.id), metadata=admin)
        assert answer.order.status == REFUNDED
        await settled(paid_shop)


async def test_a_fee_is_kept_and_the_order_is_not_called_refunded(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    policy = RefundPolicy.parse("fee=10")
    async with paid_shop.open(refund_policy=policy) as service:
        order = await bought(paid_shop, service, buyer)
        [offer] = await refundable(service, buyer, order.id)
        assert offer.reason == "FEE"
        preview = orders_pb2.BatchGetCancellationsRequest(order_ids=[order.id])
        [found] = (
            await service.orders.BatchGetCancellations(preview, metadata=buyer)
        ).cancellations
        assert found.refund_total == offer.amount
        answer = await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert answer.order.status == CANCELLED
        assert "USD are refunded" in answer.message
        await settled(paid_shop)
    [refund] = await refunds(paid_shop)
    assert refund["amount"] == money.from_proto(offer.amount)
    assert refund["amount"] < money.from_proto(order.total_price)


async def test_of_an_order_in_use_only_the_unused_part_goes_back(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer, quantity=3)
        first, *_ = await iccids(paid_shop, order.id)
        country = paid_shop.shop.catalogue.bundles[paid_shop.shop.plan_id].countries[0].iso
        await paid_shop.shop.control(f"esims/{first}/use-data", megabytes=1, country=country)
        paid_shop.shop.esims.used.add(first)
        [offer] = await refundable(service, buyer, order.id)
        assert offer.reason == "USED"
        with pytest.raises(ERROR) as refused:
            await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert reason_of(refused.value) == "ORDER_IN_USE"
        answer = await service.orders.CancelOrder(
            cancel(order.id, unused_only=True), metadata=buyer
        )
        assert answer.order.status == COMPLETED
        assert answer.message.startswith("2 of 3 bundles were cancelled; the others are in use and")
        part, *_ = answer.message.partition("USD are refunded.")
        assert " Part of the order was cancelled; " in part
        await settled(paid_shop)
    [refund] = await refunds(paid_shop)
    whole = money.from_proto(order.total_price)
    assert refund["amount"] == money.from_proto(offer.amount)
    assert whole * 2 / 3 - Decimal("0.01") < refund["amount"] <= whole * 2 / 3


async def test_installed_esims_of_a_whole_order_give_nothing_back(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer, quantity=2)
        first, _ = await iccids(paid_shop, order.id)
        paid_shop.shop.esims.installed.add(first)
        [offer] = await refundable(service, buyer, order.id)
        assert offer.reason == "INSTALLED"
        answer = await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert answer.order.status == CANCELLED
        await settled(paid_shop)
    [refund] = await refunds(paid_shop)
    assert refund["amount"] == money.from_proto(offer.amount)


@pytest.mark.parametrize("to", ["card", "wallet"])
async def test_wallet_and_manual_payments_go_back_to_the_wallet(
    paid_shop: PaidShop, to: str
) -> None:
    buyer, customer = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer, "1000")
    key = paid_shop.shop.service_key
    policy = RefundPolicy.parse(f"to={to}")
    async with paid_shop.open(refund_policy=policy) as service:
        by_wallet = await bought_with(paid_shop, service, buyer, WALLET, "w")
        by_hand = (
            await service.orders.CreateOrder(
                paid_shop.request(MANUAL, idempotency_key="m"), metadata=buyer
            )
        ).order
        await service.payments.MarkOrderPaid(
            payments_pb2.MarkOrderPaidRequest(
                order_id=by_hand.id, amount=by_hand.total_price, reference="transfer"
            ),
            metadata=key,
        )
        await paid_shop.reaches(by_hand.id, "COMPLETED")
        for order in (by_wallet, by_hand):
            answer = await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
            assert answer.order.status == REFUNDED
    assert {row["destination"] for row in await refunds(paid_shop)} == {"WALLET"}
    total = money.from_proto(by_hand.total_price)
    assert await paid_shop.wallet(customer) == (1000 + total, Decimal(0))


async def bought_with(
    shop: PaidShop, service: Any, buyer: Any, method: int, key: str
) -> orders_pb2.Order:
    wanted = shop.request(method, idempotency_key=key)
    order: orders_pb2.Order = (await service.orders.CreateOrder(wanted, metadata=buyer)).order
    await shop.reaches(order.id, "COMPLETED")
    return order


async def test_what_can_be_refunded_of_many_orders_takes_two_calls(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer, "10000")
    other = await paid_shop.shop.session("other@example.com")
    async with paid_shop.open() as service:
        orders = [
            await bought_with(paid_shop, service, buyer, WALLET, f"key-{n}") for n in range(4)
        ]
        ids = [order.id for order in orders]
        paid_shop.shop.esims.reads = 0
        found = await refundable(service, buyer, *ids)
        assert {one.order_id for one in found} == set(ids)
        assert paid_shop.shop.esims.reads == 2
        assert await refundable(service, other, *ids) == []
        paid_shop.shop.esims.failure = None
        paid_shop.shop.esims.used |= {i for id_ in ids for i in await iccids(paid_shop, id_)}
        assert {one.reason for one in await refundable(service, buyer, *ids)} == {"USED"}


async def test_without_the_esims_service_nothing_is_promised(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        paid_shop.shop.esims.failure = AWAY
        [offer] = await refundable(service, buyer, order.id)
        assert offer.reason == "UNKNOWN"
        with pytest.raises(ERROR) as refused:
            await service.orders.CancelOrder(cancel(order.id), metadata=buyer)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (await paid_shop.shop.row(order.id))["cancel_requested_at"] is None


async def test_an_order_for_which_nothing_was_paid_says_so(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    list_price(paid_shop.shop, "5.00", currency="USD")
    free = coupons_pb2.Coupon(code="FREE", percent="100", max_loss=of("1000", "USD"))
    async with paid_shop.open() as service:
        await coupons_pb2_grpc.CouponsServiceStub(service.channel).CreateCoupon(
            coupons_pb2.CreateCouponRequest(coupon=free), metadata=paid_shop.shop.service_key
        )
        wanted = paid_shop.request(coupon_code="FREE")
        order = (await service.orders.CreateOrder(wanted, metadata=buyer)).order
        await paid_shop.reaches(order.id, "COMPLETED")
        [offer] = await refundable(service, buyer, order.id)
        assert (offer.amount.units, offer.reason) == (0, "NOTHING_PAID")
        refusal = await failure_of(service.orders.CancelOrder(cancel(order.id), metadata=buyer))
    assert refusal.reason == "ORDER_NOT_REFUNDABLE"
    assert refusal.details["policy_reason"] == "NOTHING_PAID"
    assert refusal.message.startswith("Nothing was paid for this order")


async def test_a_used_plan_that_was_revoked_at_the_provider_is_not_refunded(
    paid_shop: PaidShop,
) -> None:
    """The staff has revoked it in the provider's portal, such as that of a customer who cheats."""
    buyer, _ = await buyer_id(paid_shop)
    shop = paid_shop.shop
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        [used] = shop.sandbox.world.assignments
        country = shop.catalogue.bundles[shop.plan_id].countries[0].iso
        await shop.control(f"esims/{used.iccid}/use-data", megabytes=1, country=country)
        await odd_listings(shop, order, lambda row: [row | {"bundleState": "revoked"}])
        refused = await failure_of(service.orders.CancelOrder(cancel(order.id), metadata=buyer))
        assert refused.reason == "ORDER_NOT_REFUNDABLE"
        assert refused.details["policy_reason"] == "USED"
    assert await refunds(paid_shop) == []
