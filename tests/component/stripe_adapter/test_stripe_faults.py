"""The adapter of Stripe while answers are lost, cut, delayed or wrong: one effect, and an honest failure."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from kit.errors import Failure, Kind
from services.orders.payments.port import Intent, IntentState
from tests.component.stripe_adapter.conftest import Adapting, Paying, id_of, start
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from tests.fixtures.payments import run_payment_sandbox

CREATE = "/payment_intents"
# Kinds of the sandbox after which the request may have been carried out, and options of them.
UNCLEAR: dict[str, dict[str, Any]] = {
    "answer cut": {"kind": "cut"},
    "500 before": {"kind": "error"},
    "500 after": {"kind": "error", "effect": "done"},
    "503": {"kind": "error", "status": 503},
    "424": {"kind": "error", "status": 424},
    "timeout": {"kind": "timeout"},
    "timeout after": {"kind": "timeout", "effect": "done"},
    "slow": {"kind": "slow", "delay_seconds": 2 * PATIENCE},
    "conflict": {"kind": "conflict"},
    "html": {"kind": "html"},
    "empty": {"kind": "empty"},
    "redirect": {"kind": "redirect"},
}


# Those of them after which it was carried out.
DONE = ("answer cut", "500 after", "timeout after", "slow", "empty")
# Seconds after which the adapter gives up a request without an answer. Any other request is answered, and may
# take longer on a busy machine.
GIVE_UP = 3


def seconds(fault: str) -> float:
    """Return how long the adapter waits for the answer to a request with that fault."""
    return GIVE_UP if fault in ("timeout", "timeout after", "slow") else PATIENCE


async def failing(call: Awaitable[object]) -> Failure:
    """Return the failure of a call."""
    with pytest.raises(Failure) as raised:
        await call
    return raised.value


@pytest.mark.parametrize("fault", UNCLEAR)
async def test_a_start_of_unclear_outcome_is_repeated_or_found(
    paying: Paying, adapting: Adapting, fault: str
) -> None:
    port, wanted = paying.port, start()
    await paying.fault(path=CREATE, **UNCLEAR[fault])
    failure = await failing(adapting(timeout=seconds(fault)).start_intent(wanted))
    assert (failure.kind, failure.reason) == (Kind.UNCLEAR, "PAYMENT_OUTCOME_UNKNOWN")
    again: Intent | None
    if fault == "500 after":
        # A stored 500 is returned again and again: it is no outcome, and the intent is there or isn't.
        repeated = await failing(port.start_intent(wanted))
        assert repeated.kind is Kind.UNCLEAR
        again = await port.find_intent(wanted.payment_id, datetime.now(UTC))
    else:
        again = await port.start_intent(wanted)
    assert again is not None
    assert again.payment_id == str(wanted.payment_id)
    assert len(await paying.objects("payment_intents")) == 1


@pytest.mark.parametrize("fault", UNCLEAR)
async def test_a_capture_of_unclear_outcome_takes_the_money_once(
    paying: Paying, adapting: Adapting, fault: str
) -> None:
    intent, port = await paying.authorized(), adapting(timeout=seconds(fault))
    await paying.fault(path=f"{CREATE}/*/capture", **UNCLEAR[fault])
    if fault in DONE:
        # The intent itself says that it was captured, also while its key brings a stored 500.
        read = await port.capture(intent.id, id_of(intent))
    else:
        failure = await failing(port.capture(intent.id, id_of(intent)))
        assert failure.kind is Kind.UNCLEAR
        assert (await paying.port.get_intent(intent.id)).state is IntentState.AUTHORIZED
    read = await paying.port.capture(intent.id, id_of(intent))
    assert (read.state, read.received) == (IntentState.PAID, Decimal("12.50"))
    [charge] = await paying.objects("charges")
    assert charge["amount_captured"] == 1250


@pytest.mark.parametrize("fault", UNCLEAR)
async def test_an_end_of_unclear_outcome_is_read(
    paying: Paying, adapting: Adapting, fault: str
) -> None:
    """A stored 500 is no outcome: for a day, each repeat would bring it again."""
    port = adapting(timeout=seconds(fault))
    intent = await paying.port.start_intent(start())
    session = await paying.port.start_checkout(start(return_url="https://shop.example/paid"))
    for path in (f"{CREATE}/*/cancel", "/checkout/sessions/*/expire"):
        await paying.fault(path=path, **UNCLEAR[fault])
    if fault not in DONE:
        for call in (port.cancel(intent.id, id_of(intent)), port.end_checkout(session.id)):
            assert (await failing(call)).kind is Kind.UNCLEAR
    for _ in range(2):
        assert (await port.cancel(intent.id, id_of(intent))).state is IntentState.CANCELED
        assert not (await port.end_checkout(session.id)).open


async def test_an_unclear_outcome_stays_unclear_if_it_cannot_be_read(paying: Paying) -> None:
    intent = await paying.authorized()
    await paying.fault("cut", f"{CREATE}/*/capture")
    await paying.fault("error", f"{CREATE}/*")
    failure = await failing(paying.port.capture(intent.id, id_of(intent)))
    assert failure.kind is Kind.UNCLEAR
    assert (await paying.port.capture(intent.id, id_of(intent))).state is IntentState.PAID


async def test_a_refund_whose_answer_is_lost_is_made_once(paying: Paying) -> None:
    intent = await paying.authorized(capture_now=True)
    refund_id = uuid4()
    arguments = (intent.id, refund_id, Decimal(5), "EUR")
    await paying.fault("error", "/refunds", effect="done")
    for _ in range(2):  # the stored 500 is replayed
        failure = await failing(paying.port.refund(*arguments, fraudulent=False))
        assert failure.kind is Kind.UNCLEAR
    [listed] = await paying.port.list_refunds(intent.id)
    assert (listed.refund_id, listed.amount) == (str(refund_id), Decimal(5))


async def test_too_many_requests_surely_did_nothing(paying: Paying) -> None:
    await paying.fault("rate_limit", CREATE)
    failure = await failing(paying.port.start_intent(start()))
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "PAYMENT_PROVIDER_BUSY")
    assert failure.retry_after is not None
    assert 0 < failure.retry_after <= 300


async def test_a_provider_that_does_not_listen_surely_did_nothing(adapting: Adapting) -> None:
    [port_number] = free_ports(1)
    port = adapting(base_url=f"http://127.0.0.1:{port_number}")
    failure = await failing(port.start_intent(start()))
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "PAYMENT_PROVIDER_UNREACHABLE")


@pytest.mark.parametrize("fault", ["cut", "error", "timeout", "html", "empty", "redirect"])
async def test_reads_that_fail_are_unavailable(
    paying: Paying, adapting: Adapting, fault: str
) -> None:
    intent = await paying.port.start_intent(start())
    await paying.fault(fault, f"{CREATE}/*")
    failure = await failing(adapting(timeout=seconds(fault)).get_intent(intent.id))
    assert failure.kind is Kind.UNAVAILABLE
    assert (await paying.port.get_intent(intent.id)).id == intent.id


async def test_a_key_that_is_not_accepted_is_the_operators_problem(adapting: Adapting) -> None:
    failure = await failing(adapting(api_key="sk_test_of_nobody").start_intent(start()))
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "PAYMENT_PROVIDER_FORBIDDEN")


async def test_a_key_used_for_another_amount_is_unclear(paying: Paying) -> None:
    wanted = start()
    await paying.port.start_intent(wanted)
    failure = await failing(
        paying.port.start_intent(start(payment_id=wanted.payment_id, amount=Decimal(99)))
    )
    assert failure.kind is Kind.UNCLEAR
    [stored] = await paying.objects("payment_intents")
    assert stored["amount"] == 1250


async def test_objects_of_another_account_are_not_found(paying: Paying, adapting: Adapting) -> None:
    intent = await paying.authorized()
    async with run_payment_sandbox(paying.provider.http) as other:
        elsewhere = adapting(base_url=other.url)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: elsewhere.get_intent(intent.id),
            lambda: elsewhere.capture(intent.id, id_of(intent)),
            lambda: elsewhere.cancel(intent.id, id_of(intent)),
            lambda: elsewhere.refund(intent.id, UUID(int=1), Decimal(1), "EUR", fraudulent=False),
        ]
        for call in calls:
            failure = await failing(call())
            assert (failure.kind, failure.reason) == (Kind.REFUSED, "PAYMENT_NOT_FOUND")


async def test_a_live_key_reads_no_test_object(paying: Paying, adapting: Adapting) -> None:
    async with run_payment_sandbox(paying.provider.http, secret_key="sk_live_key") as other:
        live = adapting(base_url=other.url, api_key="sk_live_key")
        failure = await failing(live.start_intent(start()))
        # It was created, but can't be trusted.
        assert failure.kind is Kind.UNCLEAR
