"""Currencies with three decimal places, of which cards take two."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2, payments_pb2
from services.orders.payments.policy import RefundPolicy
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.refunds.bought import at_provider, bought, refunds, settled, wanted
from tests.fixtures.rpc.refusals import reason_of

ERROR = grpc.aio.AioRpcError


@pytest.fixture
def kuwaiti(paid_shop: PaidShop) -> PaidShop:
    """A shop that sells a plan for 5.115 KWD."""
    list_price(paid_shop.shop, "5.115", currency="KWD")
    return paid_shop


def kwd(amount: str) -> Any:
    return money.to_proto(Decimal(amount), "KWD")


async def test_a_card_pays_the_quoted_total_and_gets_the_promised_refund(kuwaiti: PaidShop) -> None:
    buyer, _ = await buyer_id(kuwaiti)
    async with kuwaiti.open(refund_policy=RefundPolicy.parse("fee=7")) as service:
        quote = await service.orders.QuoteOrder(
            orders_pb2.QuoteOrderRequest(plan_id=str(kuwaiti.shop.plan_id), quantity=1),
            metadata=buyer,
        )
        # The price that lists show can be the limit.
        order = await bought(kuwaiti, service, buyer, max_price=kwd("5.115"), currency="KWD")
        assert quote.total == order.total_price == kwd("5.12")
        [offer] = (
            await service.payments.BatchGetRefundable(
                payments_pb2.BatchGetRefundableRequest(order_ids=[order.id]), metadata=buyer
            )
        ).refundables
        # 93 % are 4.7616.
        assert offer.amount == kwd("4.76")
        await service.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer
        )
        await settled(kuwaiti)
    assert [one["amount"] for one in await at_provider(kuwaiti)] == [4760]


async def test_the_wallet_pays_the_third_decimal_place(kuwaiti: PaidShop) -> None:
    buyer, customer = await buyer_id(kuwaiti)
    await kuwaiti.fill_wallet(customer, "1.003", "KWD")
    async with kuwaiti.open() as service:
        order = await bought(kuwaiti, service, buyer, use_wallet=True)
        row = await kuwaiti.payment(order.id)
        assert (row["amount"], row["wallet_amount"]) == (Decimal("5.12"), 1)
        assert (await kuwaiti.intent(row["intent_id"]))["amount_received"] == 4120
    assert await kuwaiti.wallet(customer) == (Decimal("0.003"), 0)


async def test_a_refund_that_a_card_can_not_get_is_refused_before_it_is_recorded(
    kuwaiti: PaidShop,
) -> None:
    buyer, customer = await buyer_id(kuwaiti)
    key = kuwaiti.shop.service_key
    async with kuwaiti.open() as service:
        order = await bought(kuwaiti, service, buyer)
        for destination in (
            payments_pb2.REFUND_DESTINATION_UNSPECIFIED,
            payments_pb2.REFUND_DESTINATION_CARD,
        ):
            part = wanted(order.id, amount=kwd("1.234"), destination=destination)
            with pytest.raises(ERROR) as refused:
                await service.payments.RefundOrder(part, metadata=key)
            assert reason_of(refused.value) == "REFUND_TO_CARD_IMPOSSIBLE"
            assert "Only 1.23 KWD can go back to a card" in str(refused.value.details())
        assert await refunds(kuwaiti) == []
        to_wallet = payments_pb2.REFUND_DESTINATION_WALLET
        part = wanted(order.id, amount=kwd("1.234"), destination=to_wallet)
        await service.payments.RefundOrder(part, metadata=key)
        # What is left, 3.886, goes back in full: the card can't get the last digit.
        await service.payments.RefundOrder(wanted(order.id), metadata=key)
        await settled(kuwaiti)
    assert [one["amount"] for one in await at_provider(kuwaiti)] == [3880]
    assert await kuwaiti.wallet(customer) == (Decimal("1.24"), 0)


async def test_a_top_up_that_a_card_can_not_pay_is_refused(kuwaiti: PaidShop) -> None:
    buyer, _ = await buyer_id(kuwaiti)
    async with kuwaiti.open() as service:
        request = payments_pb2.TopUpWalletRequest(amount=kwd("5.115"), idempotency_key="key")
        with pytest.raises(ERROR) as refused:
            await service.payments.TopUpWallet(request, metadata=buyer)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "must be a multiple of 0.01 KWD" in str(refused.value.details())
        request.amount.CopyFrom(kwd("5.11"))
        await service.payments.TopUpWallet(request, metadata=buyer)
