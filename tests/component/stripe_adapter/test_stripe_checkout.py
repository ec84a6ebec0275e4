"""Checkout sessions of Stripe: the payment on the payment provider's page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure
from services.orders.payments.port import Checkout, IntentState
from tests.component.stripe_adapter.conftest import Paying, start


async def pay(paying: Paying, session: Checkout) -> None:
    """Pay as the buyer does on the page."""
    path = f"/checkout_sessions/{session.id}/pay"
    await paying.provider.control("POST", path, {"card": "4242424242424242"})


async def test_a_session_is_made_once_and_leads_to_a_hold(paying: Paying) -> None:
    wanted = start()
    session = await paying.port.start_checkout(wanted)
    assert (await paying.port.start_checkout(wanted)).id == session.id
    assert (session.open, session.expired, session.intent_id) == (True, False, None)
    assert (session.amount, session.currency) == (Decimal("12.50"), "EUR")
    assert session.payment_id == str(wanted.payment_id)
    assert session.url.startswith("http")
    assert session.url not in repr(session)
    await pay(paying, session)
    paid = await paying.port.get_checkout(session.id)
    assert (paid.open, paid.expired) == (False, False)
    assert paid.intent_id is not None
    intent = await paying.port.get_intent(paid.intent_id)
    assert (intent.state, intent.payment_id) == (IntentState.AUTHORIZED, str(wanted.payment_id))
    taken = await paying.port.capture(intent.id, wanted.payment_id)
    assert (taken.state, taken.received) == (IntentState.PAID, Decimal("12.50"))


async def test_a_session_is_started_a_moment_before_the_payment_is_given_up(paying: Paying) -> None:
    wanted = start(expires_at=datetime.now(UTC) + timedelta(seconds=1))
    assert (await paying.port.start_checkout(wanted)).open


async def test_ending_a_session_keeps_the_buyer_from_paying(paying: Paying) -> None:
    session = await paying.port.start_checkout(start())
    ended = await paying.port.end_checkout(session.id)
    assert (ended.open, ended.expired, ended.url) == (False, True, "")
    assert (await paying.port.end_checkout(session.id)).expired


async def test_a_paid_session_is_returned_instead_of_ended(paying: Paying) -> None:
    session = await paying.port.start_checkout(start())
    await pay(paying, session)
    found = await paying.port.end_checkout(session.id)
    assert (found.open, found.expired) == (False, False)
    assert found.intent_id


async def test_an_unknown_session_can_not_be_ended(paying: Paying) -> None:
    with pytest.raises(Failure) as refused:
        await paying.port.end_checkout("cs_test_unknown")
    assert refused.value.reason == "PAYMENT_NOT_FOUND"


async def test_a_session_is_found_again_by_its_payment(paying: Paying) -> None:
    wanted, since = start(), datetime.now(UTC)
    assert await paying.port.find_checkout(wanted.payment_id, since) is None
    started = await paying.port.start_checkout(wanted)
    await paying.port.start_checkout(start())
    found = await paying.port.find_checkout(wanted.payment_id, since)
    assert found is not None
    assert found.id == started.id
    assert await paying.port.find_checkout(uuid4(), since) is None


async def test_a_top_up_on_the_page_is_taken_at_once(paying: Paying) -> None:
    session = await paying.port.start_checkout(start(capture_now=True, order_id=None))
    await pay(paying, session)
    paid = await paying.port.get_checkout(session.id)
    assert paid.intent_id is not None
    assert (await paying.port.get_intent(paid.intent_id)).state is IntentState.PAID
