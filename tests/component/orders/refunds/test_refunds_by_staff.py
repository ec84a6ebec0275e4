"""Refunds by the finance staff: whole, in parts, repeated, from card and wallet, two people at once."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import grpc
import pytest

from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.refunds.bought import (
    at_provider,
    balances,
    bought,
    refunds,
    settled,
    wanted,
)
from tests.fixtures.rpc.refusals import reason_of

ERROR = grpc.aio.AioRpcError
# Those of refunds that the shop makes itself.
OWN_KEYS: list[dict[str, Any]] = [
    {"idempotency_key": key}
    for key in ("not-delivered", "won:dp_1", "warning:issfr_1", "cancelled-1-0", "cancelled-2-1.37")
]
INSERT = """
insert into orders.refunds (payment_id, order_id, customer_id, amount, currency, destination, reason,
    requested_by, next_run_at)
values ($1, $2, $3, $4, $5, 'CARD', 'STAFF', 'test', null)
"""


def whose(payment: Any) -> tuple[Any, ...]:
    return payment["id"], payment["order_id"], payment["customer_id"]


async def test_a_refund_in_parts_and_of_the_rest(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    finance = await paid_shop.shop.session("finance@example.com", role="finance")
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        part = wanted(order.id, "0.5", note="slow network")
        first = await service.payments.RefundOrder(part, metadata=finance)
        [made] = first.refunds
        assert (made.state, made.destination) == (
            pb.REFUND_STATE_SUCCEEDED,
            pb.REFUND_DESTINATION_CARD,
        )
        assert made.note == "slow network"
        assert first.payment.status == pb.PAYMENT_STATUS_PARTIALLY_REFUNDED
        # The same request again, and another one under its key.
        again = await service.payments.RefundOrder(part, metadata=finance)
        assert [one.id for one in again.refunds] == [made.id]
        with pytest.raises(ERROR) as conflict:
            other = wanted(order.id, "0.6", idempotency_key=part.idempotency_key)
            await service.payments.RefundOrder(other, metadata=finance)
        assert reason_of(conflict.value) == "IDEMPOTENCY_CONFLICT"

        rest = await service.payments.RefundOrder(wanted(order.id), metadata=finance)
        assert rest.payment.status == pb.PAYMENT_STATUS_REFUNDED
        assert rest.payment.refunded == rest.payment.captured
        with pytest.raises(ERROR) as refused:
            await service.payments.RefundOrder(wanted(order.id), metadata=finance)
        assert reason_of(refused.value) == "REFUND_ABOVE_CAPTURED"
    assert len(await at_provider(paid_shop)) == 2
    booked = await balances(paid_shop)
    assert booked["clearing:stripe"] == booked["deposits"] == 0
    assert booked["refunds"] == -booked["revenue"]


async def test_money_from_card_and_wallet_goes_back_to_both(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer, "1")
    finance = await paid_shop.shop.session("finance@example.com", role="finance")
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer, use_wallet=True)
        answer = await service.payments.RefundOrder(wanted(order.id), metadata=finance)
        assert {one.destination for one in answer.refunds} == {
            pb.REFUND_DESTINATION_CARD,
            pb.REFUND_DESTINATION_WALLET,
        }
    assert await paid_shop.wallet(customer) == (Decimal(1), Decimal(0))
    [made] = await at_provider(paid_shop)
    total = (await paid_shop.payment(order.id))["amount"]
    assert Decimal(made["amount"]) / 100 == total - 1


async def test_two_people_at_once_never_refund_more_than_was_taken(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)

        async def refund() -> str:
            try:
                await service.payments.RefundOrder(
                    wanted(order.id), metadata=paid_shop.shop.service_key
                )
            except ERROR as error:
                return reason_of(error)
            return "made"

        outcomes = await asyncio.gather(*(refund() for _ in range(6)))
    assert sorted(outcomes) == ["REFUND_ABOVE_CAPTURED"] * 5 + ["made"]
    assert len(await at_provider(paid_shop)) == 1


async def test_what_can_not_be_refunded(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    key = paid_shop.shop.service_key
    async with paid_shop.open() as service:
        unpaid = (await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)).order
        for order_id, reason in (
            (unpaid.id, "NOTHING_CAPTURED"),
            (paid_shop.shop.plan_id, "ORDER_WITHOUT_PAYMENT"),
        ):
            with pytest.raises(ERROR) as refused:
                await service.payments.RefundOrder(wanted(order_id), metadata=key)
            assert reason_of(refused.value) == reason
        faulty: list[dict[str, Any]] = [
            {"note": ""},
            {"idempotency_key": ""},
            {"amount": {"currency_code": "USD", "units": -1}},
            {"amount": {"currency_code": "USD", "nanos": 1}},
            {"amount": {"currency_code": "usd", "units": 1}},
            {"destination": 17},
            *OWN_KEYS,
        ]
        for changes in faulty:
            with pytest.raises(ERROR) as refused:
                await service.payments.RefundOrder(wanted(unpaid.id, **changes), metadata=key)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, changes
        with pytest.raises(ERROR) as refused:
            await service.payments.RefundOrder(wanted(unpaid.id), metadata=buyer)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("card", "states"),
    [("4000000000007726", ["PENDING", "SUCCEEDED"]), ("4000000000005126", ["SUCCEEDED", "FAILED"])],
)
async def test_a_refund_that_is_settled_or_fails_later(
    paid_shop: PaidShop, card: str, states: list[str]
) -> None:
    """A refund that failed after its success is reversed, and its amount can be refunded in another way."""
    buyer, customer = await buyer_id(paid_shop)
    key = paid_shop.shop.service_key
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer, card)
        await service.payments.RefundOrder(wanted(order.id), metadata=key)
        assert [row["state"] for row in await refunds(paid_shop)] == states[:1]
        await paid_shop.provider.control("POST", "/clock/advance", {"days": 10})
        await make_due(paid_shop)
        await settled(paid_shop, states[1])
        payment = await paid_shop.payment(order.id)
        if states[1] == "SUCCEEDED":
            assert payment["refunded"] == payment["captured"]
            return
        assert payment["refunded"] == payment["refunded_to_card"] == 0
        booked = await balances(paid_shop)
        assert booked["refunds"] == 0
        assert booked["clearing:stripe"] == payment["amount"]
        to_wallet = wanted(order.id, destination=pb.REFUND_DESTINATION_WALLET)
        await service.payments.RefundOrder(to_wallet, metadata=key)
    assert await paid_shop.wallet(customer) == (payment["amount"], Decimal(0))


async def make_due(shop: PaidShop) -> None:
    await shop.shop.databases.admin.execute("update orders.refunds set next_run_at = now()")


async def test_the_answer_to_a_refund_is_lost(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        await paid_shop.provider.control(
            "POST", "/faults", {"method": "POST", "path": "/refunds", "kind": "cut"}
        )
        await service.payments.RefundOrder(wanted(order.id), metadata=paid_shop.shop.service_key)
        await make_due(paid_shop)
        await settled(paid_shop)
    assert len(await at_provider(paid_shop)) == 1


@pytest.mark.parametrize("made", [True, False])
async def test_a_process_dies_between_the_record_and_the_answer(
    paid_shop: PaidShop, made: bool
) -> None:
    """The next process finds the refund at the payment provider, or makes it under the same key."""
    buyer, _ = await buyer_id(paid_shop)
    admin: Any = paid_shop.shop.databases.admin
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
    payment = await paid_shop.payment(order.id)
    refund_id = await admin.fetchval(
        f"{INSERT} returning id",
        *whose(payment),
        payment["amount"],
        "USD",
    )
    await admin.execute("update orders.refunds set state = 'STARTED', started_at = now()")
    if made:
        port = Stripe(API(paid_shop.shop.http, paid_shop.stripe), paid_shop.stripe)
        await port.refund(
            payment["intent_id"], refund_id, payment["amount"], "USD", fraudulent=False
        )
    await make_due(paid_shop)
    async with paid_shop.open():
        await settled(paid_shop)
    assert len(await at_provider(paid_shop)) == 1


async def test_after_a_day_a_refund_is_only_searched(paid_shop: PaidShop) -> None:
    """A refund that was never made fails once no request of it can be on its way any more."""
    buyer, _ = await buyer_id(paid_shop)
    admin: Any = paid_shop.shop.databases.admin
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        payment = await paid_shop.payment(order.id)
        await admin.execute(INSERT, *whose(payment), Decimal(1), "USD")
        await admin.execute(
            "update orders.refunds set state = 'STARTED', started_at = now() - interval '26 hours',"
            " next_run_at = now()"
        )
        await settled(paid_shop, "FAILED")
    assert await at_provider(paid_shop) == []
    assert (await paid_shop.payment(order.id))["refunded"] == 0


@pytest.mark.parametrize("hours", [0, 26])
async def test_a_refund_waits_while_the_balance_is_too_low(paid_shop: PaidShop, hours: int) -> None:
    """It is made once the balance suffices, also when keys of requests have ended by then."""
    buyer, _ = await buyer_id(paid_shop)
    databases = paid_shop.shop.databases
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
        too_low = {"status": 400, "code": "balance_insufficient", "count": 0}
        await paid_shop.fault("error", "/refunds", method="POST", effect="none", **too_low)
        answer = await service.payments.RefundOrder(
            wanted(order.id), metadata=paid_shop.shop.service_key
        )
        assert [one.state for one in answer.refunds] == [pb.REFUND_STATE_PENDING]
        await databases.admin.execute(
            "update orders.refunds set started_at = started_at - $1 * interval '1 hour'", hours
        )
        await make_due(paid_shop)
        await databases.until("select looks > 1 and run is null from orders.refunds")
        [row] = await refunds(paid_shop)
        assert (row["state"], row["failure"]) == ("STARTED", "PAYMENT_BALANCE_TOO_LOW")
        await paid_shop.provider.control("DELETE", "/faults")
        await make_due(paid_shop)
        await settled(paid_shop)
    assert len(await at_provider(paid_shop)) == 1
    assert [row["failure"] for row in await refunds(paid_shop)] == [""]


async def test_the_database_refuses_what_no_program_may_do(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    admin: Any = paid_shop.shop.databases.admin
    async with paid_shop.open() as service:
        order = await bought(paid_shop, service, buyer)
    payment = await paid_shop.payment(order.id)
    for amount, currency in (
        (payment["amount"] + 1, "USD"),
        (Decimal(1), "EUR"),
        (Decimal("0.001"), "USD"),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(INSERT, *whose(payment), amount, currency)
    await admin.execute(INSERT, *whose(payment), Decimal(1), "USD")
    for change in (
        "update orders.refunds set state = 'SUCCEEDED'",
        "update orders.refunds set state = 'PENDING'",
        "update orders.refunds set amount = 2",
        "update orders.refunds set destination = 'WALLET'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(change)
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(INSERT, *whose(payment), payment["amount"], "USD")
