"""Disputes, warnings, customers and the balance, as the adapter of Stripe reports them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from services.orders.payments.port import Intent
from tests.component.stripe_adapter.conftest import Paying, start

SINCE = timedelta(hours=1)


async def taken(paying: Paying) -> Intent:
    return await paying.authorized(capture_now=True, order_id=None)


async def test_a_dispute_from_its_beginning_to_its_end(paying: Paying) -> None:
    intent, since = await taken(paying), datetime.now(UTC) - SINCE
    opened = await paying.provider.control("POST", f"/charges/{intent.charge_id}/dispute", {})
    dispute = await paying.port.get_dispute(opened["id"])
    assert (dispute.intent_id, dispute.charge_id) == (intent.id, intent.charge_id)
    assert (dispute.amount, dispute.currency) == (Decimal("12.50"), "EUR")
    assert (dispute.taken, dispute.withdrawn, dispute.closed) == (True, True, False)
    assert dispute.respond_by is not None
    assert [one.id async for one in paying.port.list_disputes(since)] == [dispute.id]
    await paying.provider.control("POST", f"/disputes/{dispute.id}/resolve", {"status": "won"})
    won = await paying.port.get_dispute(dispute.id)
    assert (won.status, won.taken, won.withdrawn, won.closed) == ("won", True, False, True)


async def test_an_inquiry_takes_nothing(paying: Paying) -> None:
    intent = await taken(paying)
    path = f"/charges/{intent.charge_id}/dispute"
    opened = await paying.provider.control("POST", path, {"inquiry": True})
    dispute = await paying.port.get_dispute(opened["id"])
    assert (dispute.taken, dispute.withdrawn) == (False, False)


async def test_early_fraud_warnings(paying: Paying) -> None:
    intent, since = await taken(paying), datetime.now(UTC) - SINCE
    path = f"/charges/{intent.charge_id}/early-fraud-warning"
    sent = await paying.provider.control("POST", path, {})
    warning = await paying.port.get_warning(sent["id"])
    assert (warning.intent_id, warning.charge_id) == (intent.id, intent.charge_id)
    assert warning.actionable
    assert [one.id async for one in paying.port.list_warnings(since)] == [warning.id]
    await paying.port.refund(intent.id, uuid4(), Decimal("12.50"), "EUR", fraudulent=True)
    assert not (await paying.port.get_warning(sent["id"])).actionable


async def test_a_customer_is_created_once_and_without_personal_data(paying: Paying) -> None:
    customer_id = uuid4()
    created = await paying.port.create_customer(customer_id)
    assert await paying.port.create_customer(customer_id) == created
    intent = await paying.port.start_intent(start(customer=created))
    [stored] = await paying.objects("payment_intents")
    assert (stored["customer"], stored["setup_future_usage"]) == (created, "on_session")
    assert intent.client_secret


async def test_movements_of_the_balance_name_their_payments(paying: Paying) -> None:
    since = datetime.now(UTC) - SINCE
    intent = await taken(paying)
    refund = await paying.port.refund(intent.id, uuid4(), Decimal(5), "EUR", fraudulent=False)
    until = datetime.now(UTC) + SINCE
    found = {one.source_id: one async for one in paying.port.balance_transactions(since, until)}
    assert intent.charge_id
    charge, back = found[intent.charge_id], found[refund.id]
    assert (charge.kind, charge.intent_id) == ("charge", intent.id)
    assert (back.kind, back.intent_id) == ("refund", intent.id)
    assert charge.fee > 0
    assert [one async for one in paying.port.balance_transactions(until, until + SINCE)] == []


async def test_long_lists_are_read_to_their_end(paying: Paying) -> None:
    intent = await taken(paying)
    for _ in range(105):
        await paying.port.refund(intent.id, uuid4(), Decimal("0.01"), "EUR", fraudulent=False)
    assert len(await paying.port.list_refunds(intent.id)) == 105
