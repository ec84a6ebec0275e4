"""The payment sandbox's books add up after any sequence of payments, refunds, disputes and waits."""

import random
from typing import Any

import pytest

from sandbox.payments.control.snapshot import totals
from sandbox.payments.errors import ApiError
from sandbox.payments.settings import PaymentSettings
from sandbox.payments.state import confirming, disputes, intents, payouts, refunds
from sandbox.payments.state.cards import CARDS
from sandbox.payments.state.clock import DAY, HOUR, Clock
from sandbox.payments.state.world import World

ACTS = ("create", "confirm", "capture", "cancel", "refund", "fail", "resolve", "wait", "pay_out")
WEIGHTS = (4, 8, 5, 1, 6, 2, 3, 2, 1)


def act(world: World, choose: random.Random, name: str) -> None:
    """Do one thing to a random object; raise ApiError if its state doesn't permit it."""
    if name == "create":
        method = choose.choice(("manual", "automatic", "automatic_async"))
        params: dict[str, Any] = {"amount": choose.randint(50, 9999), "currency": "usd"}
        allowed = {"capture_method": method, "allowed_payment_method_types": ["card"]}
        intents.create(world, params | allowed)
    elif name == "wait":
        world.clock.advance(choose.choice((HOUR, DAY, 8 * DAY, 130 * DAY)))
        world.run_due()
    elif name == "pay_out":
        payouts.pay_out(world, "usd")
    elif name in ("fail", "resolve"):
        settle(world, choose, name)
    elif world.intents:
        id_ = choose.choice(list(world.intents))
        if name == "confirm":
            card = choose.choice(CARDS).method
            confirming.confirm_by_server(world, id_, {"payment_method": card})
        elif name == "capture":
            part = choose.randint(1, world.intents[id_].amount)
            intents.capture(world, id_, choose.choice(({}, {"amount_to_capture": part})))
        elif name == "cancel":
            intents.cancel(world, id_, {})
        else:
            part = choose.randint(1, 9999)
            refunds.create(world, {"payment_intent": id_} | choose.choice(({}, {"amount": part})))


def settle(world: World, choose: random.Random, name: str) -> None:
    if name == "fail" and world.refunds:
        refunds.fail(world, choose.choice(list(world.refunds.values())), "declined")
    elif name == "resolve" and world.disputes:
        outcomes: tuple[disputes.Outcome, ...] = ("won", "lost", "warning_closed")
        found = choose.choice(list(world.disputes.values()))
        disputes.resolve(world, found, choose.choice(outcomes))


@pytest.mark.parametrize("seed", range(60))
def test_the_books_add_up(seed: int) -> None:
    clock = Clock(wall=lambda: 1_700_000_000.0)
    world = World(PaymentSettings(seed=seed), clock)
    choose = random.Random(seed)
    for name in choose.choices(ACTS, WEIGHTS, k=200):
        try:
            act(world, choose, name)
        except ApiError:
            continue
    # Balance transactions of asynchronous captures appear.
    clock.advance(10)
    world.run_due()
    for intent in world.intents.values():
        charges = [one for one in world.charges.values() if one.payment_intent == intent.id]
        succeeded = [one for one in charges if one.status == "succeeded"]
        assert len(succeeded) <= 1
        assert intent.amount_received == sum(one.amount_captured for one in charges)
        assert (intent.status == "succeeded") == (intent.amount_received > 0)
        assert (intent.amount_capturable > 0) == (intent.status == "requires_capture")
    for charge in world.charges.values():
        assert 0 <= charge.amount_refunded <= charge.amount_captured <= charge.amount
        counted = sum(
            one.amount
            for one in world.refunds.values()
            if one.charge == charge.id and one.status != "failed"
        )
        assert counted == charge.amount_refunded
        assert (charge.balance_transaction is not None) == charge.captured
    check_balance(world)


def check_balance(world: World) -> None:
    """Compare the balance with what the objects say."""
    sums = totals(world).get("usd", {})
    open_or_lost = sum(
        one.amount
        for one in world.disputes.values()
        if one.balance_transactions and not one.refundable
    )
    paid_out = sum(one.amount for one in world.payouts.values() if one.status == "paid")
    net = sum(one.net for one in world.balance.values())
    assert net == (
        sums.get("captured", 0)
        - sums.get("refunded", 0)
        - sums.get("fees", 0)
        - open_or_lost
        - paid_out
    )
    assert net == sums.get("net", 0)
