"""The adapter of Stripe against the sandbox: every act, once and again."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from services.orders.payments.port import IntentState, ProviderRefundState
from tests.component.stripe_adapter.conftest import Adapting, Paying, id_of, start


async def test_starts_an_intent_that_only_holds(paying: Paying) -> None:
    wanted = start()
    intent = await paying.port.start_intent(wanted)
    assert (intent.state, intent.amount, intent.currency) == (
        IntentState.OPEN,
        Decimal("12.50"),
        "EUR",
    )
    assert intent.payment_id == str(wanted.payment_id)
    assert intent.client_secret
    assert intent.client_secret not in repr(intent)
    [stored] = await paying.objects("payment_intents")
    assert stored["metadata"] == {
        "payment_id": str(wanted.payment_id),
        "order_id": str(wanted.order_id),
    }
    assert stored["capture_method"] == "manual"


async def test_starting_twice_or_at_once_makes_one_intent(paying: Paying) -> None:
    wanted = start()
    found = []
    for answer in await asyncio.gather(
        *(paying.port.start_intent(wanted) for _ in range(5)), return_exceptions=True
    ):
        if isinstance(answer, Failure):  # the first request with the key still ran
            assert answer.kind is Kind.UNCLEAR
        else:
            assert not isinstance(answer, BaseException)
            found.append(answer.id)
    found.append((await paying.port.start_intent(wanted)).id)
    assert len(set(found)) == 1
    assert len(await paying.objects("payment_intents")) == 1


async def test_an_authorized_payment_reports_its_card_and_the_end_of_its_hold(
    paying: Paying,
) -> None:
    intent = await paying.authorized()
    assert intent.state is IntentState.AUTHORIZED
    assert (intent.capturable, intent.received) == (Decimal("12.50"), Decimal(0))
    assert intent.capture_before is not None
    assert timedelta(days=6) < intent.capture_before - datetime.now(UTC) < timedelta(days=8)
    assert intent.card_last4 == "4242"
    assert intent.card_fingerprint
    assert intent.charge_id
    assert not intent.high_risk


async def test_capturing_twice_takes_the_amount_once(paying: Paying) -> None:
    intent = await paying.authorized()
    taken = await paying.port.capture(intent.id, id_of(intent))
    again = await paying.port.capture(intent.id, id_of(intent))
    assert taken.state is again.state is IntentState.PAID
    assert taken.received == again.received == Decimal("12.50")
    # Another key, as after a day: the state does not allow it, and the intent is read.
    later = await paying.port.capture(intent.id, uuid4())
    assert later.state is IntentState.PAID


async def test_canceling_releases_the_hold_and_says_so_again(paying: Paying) -> None:
    intent = await paying.authorized()
    released = await paying.port.cancel(intent.id, id_of(intent))
    assert (released.state, released.received) == (IntentState.CANCELED, Decimal(0))
    assert (await paying.port.cancel(intent.id, uuid4())).state is IntentState.CANCELED
    assert (await paying.port.capture(intent.id, uuid4())).state is IntentState.CANCELED


async def test_a_captured_payment_is_not_canceled(paying: Paying) -> None:
    intent = await paying.authorized()
    await paying.port.capture(intent.id, id_of(intent))
    assert (await paying.port.cancel(intent.id, id_of(intent))).state is IntentState.PAID


async def test_a_top_up_is_taken_at_once(paying: Paying) -> None:
    intent = await paying.authorized(capture_now=True, order_id=None)
    assert (intent.state, intent.received) == (IntentState.PAID, Decimal("12.50"))


async def test_declines_are_counted_and_explained_without_the_banks_reason(paying: Paying) -> None:
    intent = await paying.port.start_intent(start())
    await paying.pay(intent, "4000000000009995")
    assert (await paying.port.get_intent(intent.id)).failure == "The card has not enough funds."
    await paying.pay(intent, "4000000000009979")
    read = await paying.port.get_intent(intent.id)
    assert (read.state, read.failure) == (
        IntentState.OPEN,
        "The card was declined; use another one.",
    )
    assert await paying.port.declines(intent.id) == 2


async def test_a_payment_of_elevated_risk_is_reported(paying: Paying) -> None:
    intent = await paying.port.start_intent(start())
    await paying.pay(intent, "4000000000009235")
    read = await paying.port.get_intent(intent.id)
    assert (read.state, read.high_risk) == (IntentState.AUTHORIZED, True)


async def test_an_expired_hold_is_canceled(paying: Paying) -> None:
    intent = await paying.authorized()
    await paying.provider.control("POST", "/clock/advance", {"days": 8})
    read = await paying.port.get_intent(intent.id)
    assert (read.state, read.reason) == (IntentState.CANCELED, "expired")
    assert (await paying.port.capture(intent.id, id_of(intent))).state is IntentState.CANCELED


async def test_an_intent_is_found_again_by_its_payment(paying: Paying) -> None:
    wanted = start()
    since = datetime.now(UTC)
    assert await paying.port.find_intent(wanted.payment_id, since) is None
    started = await paying.port.start_intent(wanted)
    for _ in range(3):
        await paying.port.start_intent(start())
    found = await paying.port.find_intent(wanted.payment_id, since)
    assert found is not None
    assert found.id == started.id
    assert await paying.port.find_intent(uuid4(), since) is None


async def test_refunds_are_made_once_for_each_id(paying: Paying) -> None:
    intent = await paying.authorized()
    await paying.port.capture(intent.id, id_of(intent))
    first, second = uuid4(), uuid4()

    async def refund(of: object, amount: str) -> str:
        made = await paying.port.refund(
            intent.id,
            of,  # type: ignore[arg-type] # only its text is used
            Decimal(amount),
            "EUR",
            fraudulent=False,
        )
        assert made.state is ProviderRefundState.SUCCEEDED
        return made.id

    assert await refund(first, "2.50") == await refund(first, "2.50")
    await refund(second, "10")
    with pytest.raises(Failure) as refused:
        await refund(uuid4(), "0.01")
    assert (refused.value.kind, refused.value.reason) == (Kind.REFUSED, "PAYMENT_ALREADY_REFUNDED")
    listed = await paying.port.list_refunds(intent.id)
    assert {(one.refund_id, one.amount) for one in listed} == {
        (str(first), Decimal("2.50")),
        (str(second), Decimal(10)),
    }
    assert {one.intent_id for one in listed} == {intent.id}


async def test_a_refund_that_fails_later_says_why(paying: Paying) -> None:
    intent = await paying.port.start_intent(start(capture_now=True))
    await paying.pay(intent)
    made = await paying.port.refund(intent.id, uuid4(), Decimal(5), "EUR", fraudulent=True)
    await paying.provider.control("POST", f"/refunds/{made.id}/fail", {})
    [listed] = await paying.port.list_refunds(intent.id)
    assert (listed.state, listed.failure) == (
        ProviderRefundState.FAILED,
        "expired_or_canceled_card",
    )


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("1500", "JPY", 1500), ("5.120", "KWD", 5120), ("300", "ISK", 30000), ("200", "HUF", 20000)],
)
async def test_currencies_with_other_digits(
    paying: Paying, amount: str, currency: str, minor: int
) -> None:
    intent = await paying.port.start_intent(start(amount=Decimal(amount), currency=currency))
    assert (intent.amount, intent.currency) == (Decimal(amount), currency)
    [stored] = await paying.objects("payment_intents")
    assert (stored["amount"], stored["currency"]) == (minor, currency.lower())


async def test_too_small_an_amount_is_refused_before_a_call(paying: Paying) -> None:
    with pytest.raises(Failure) as refused:
        await paying.port.start_intent(start(amount=Decimal("0.49")))
    assert refused.value.reason == "PAYMENT_AMOUNT_TOO_SMALL"
    assert await paying.objects("payment_intents") == []


async def test_methods_without_holds_are_paid_at_once(paying: Paying, adapting: Adapting) -> None:
    port = adapting(methods=("card", "ideal"))
    intent = await port.start_intent(start())
    [stored] = await paying.objects("payment_intents")
    assert stored["payment_method_options"]["card"]["capture_method"] == "manual"
    assert stored["capture_method"] != "manual"
    await paying.pay(intent)
    assert (await port.get_intent(intent.id)).state is IntentState.AUTHORIZED
