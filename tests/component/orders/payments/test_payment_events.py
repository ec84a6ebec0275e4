"""Events of the payment provider: each has its payment read again, whatever the order of arrival."""

import asyncio

import pytest

from protos.orders.v1 import payments_pb2 as pb
from tests.component.orders.payments.paid_shop import Error, PaidShop
from tests.component.orders.payments.provider_events import apply, event, unpaid

APPLIED = pb.PAYMENT_EVENT_OUTCOME_APPLIED
IGNORED = pb.PAYMENT_EVENT_OUTCOME_IGNORED
UNKNOWN = pb.PAYMENT_EVENT_OUTCOME_UNKNOWN_PAYMENT


async def test_an_event_has_the_order_bought_at_once(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        order_id, row = await unpaid(service, paid_shop)
        await paid_shop.pay(row["intent_id"])
        notified = event("payment_intent.amount_capturable_updated", intent_id=row["intent_id"])
        assert await apply(service, paid_shop, notified) == [APPLIED]
        await paid_shop.reaches(order_id, "COMPLETED")


async def test_the_same_event_fifty_times_at_once_buys_once(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        order_id, row = await unpaid(service, paid_shop)
        await paid_shop.pay(row["intent_id"])
        notified = event(intent_id=row["intent_id"])
        outcomes = await asyncio.gather(*(apply(service, paid_shop, notified) for _ in range(50)))
        assert all(one == [APPLIED] for one in outcomes)
        await paid_shop.reaches(order_id, "COMPLETED")
        assert paid_shop.shop.charges == 1
        assert await apply(service, paid_shop, notified) == [APPLIED]
    intent = await paid_shop.intent(row["intent_id"])
    assert intent["amount_received"] == intent["amount"]


async def test_events_that_lie_change_nothing(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        order_id, row = await unpaid(service, paid_shop)
        lies = [
            event("payment_intent.canceled", intent_id=row["intent_id"]),
            event("payment_intent.succeeded", intent_id=row["intent_id"]),
            event("charge.refunded", intent_id=row["intent_id"]),
        ]
        assert await apply(service, paid_shop, *lies) == [APPLIED] * 3
        await paid_shop.pay(row["intent_id"])
        await apply(service, paid_shop, *reversed(lies))
        await paid_shop.reaches(order_id, "COMPLETED")


async def test_payments_are_found_by_session_charge_and_metadata(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        _, row = await unpaid(service, paid_shop, return_url="https://shop.example/done")
        session = event("checkout.session.completed", object_id=row["session_id"])
        meta = event("charge.succeeded", intent_id="pi_not_known_yet", payment_id=str(row["id"]))
        assert await apply(service, paid_shop, session, meta) == [APPLIED, APPLIED]


async def test_each_event_has_its_outcome_in_their_order(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        _, row = await unpaid(service, paid_shop)
        intent = row["intent_id"]
        outcomes = await apply(
            service,
            paid_shop,
            event(intent_id="pi_of_another_application"),
            event(intent_id=intent),
            event(intent_id=intent, livemode=True),
            event("customer.created", intent_id=intent),
            event("charge.dispute.created", intent_id=intent),
            event(),
            event(payment_id="no uuid"),
            event("radar.early_fraud_warning.created", intent_id=intent, object_id="issfr_1"),
        )
    assert outcomes == [UNKNOWN, APPLIED, IGNORED, IGNORED, IGNORED, UNKNOWN, UNKNOWN, APPLIED]


async def test_only_services_report_events(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        with pytest.raises(Error):
            await service.payments.ApplyPaymentEvents(
                pb.ApplyPaymentEventsRequest(events=[event()]), metadata=buyer
            )
        with pytest.raises(Error):
            await apply(service, paid_shop)
