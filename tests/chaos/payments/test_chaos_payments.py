"""The small runs of `make chaos-payments`, and the proof that they find built-in faults."""

from typing import Any

import pytest

from tests.chaos.payments.mutants import DROPPED
from tests.chaos.payments.orders_service import SHORTER
from tests.chaos.payments.run import Shop, shop
from tests.chaos.payments.wishes import Conduct, Later, Means, Mix

CARDS = Mix(means={Means.CARD: 1}, conducts={Conduct.PAYS: 1}, later={Later.KEEPS: 1})
# Seconds; a mutant may never finish its work.
SHORT = 20
LOST = {"kind": "cut", "method": "POST", "count": 3}


async def lose_answers(opened: Shop, path: str) -> None:
    """Lose the answers to the next requests, which have taken effect."""
    fault: dict[str, Any] = {**LOST, "path": path}
    await opened.machine.payments("POST", "/faults", fault)


def test_the_service_has_the_constants_that_runs_shorten() -> None:
    for module, values in SHORTER.items():
        for name, value in values.items():
            assert type(getattr(module, name)) is type(value)


async def test_money_and_esims_match_despite_failures() -> None:
    async with shop() as opened:
        for seed in (1, 2, 3):
            await opened.run(orders=16, kills=4, seed=seed)
        report = await opened.close_books()
    assert report.holds, str(report)
    assert report.kills.total() == 12
    assert report.looked_at("every delivered order was captured once") > 10
    assert report.looked_at("every FAILED order was released") > 0
    assert report.looked_at("every refund was recorded") > 0
    assert report.looked_at("sales facts and their sums say what the ledger says") > 30


async def test_random_idempotency_keys_are_detected() -> None:
    async with shop(mutant="random_keys") as opened:
        await lose_answers(opened, "/payment_intents")
        # Otherwise the service finds what it created, and does not create it again.
        fault = {**LOST, "method": "GET", "path": "/payment_intents"}
        await opened.machine.payments("POST", "/faults", fault)
        await opened.run(8, 0, 1, CARDS)
        report = await opened.close_books(SHORT)
    assert report.broken("no order has two intents")


async def test_a_missing_check_of_the_amount_is_detected() -> None:
    tampering = Mix(means={Means.CARD: 1}, conducts={Conduct.TAMPERS: 1}, later={Later.KEEPS: 1})
    async with shop(mutant="no_amount_check") as opened:
        await opened.run(8, 0, 1, tampering)
        report = await opened.close_books(SHORT)
    assert report.broken("every delivered order was captured once, for exactly its total")


# Six eSIMs are delivered seconds after the provider has accepted the order.
MANY = Mix(CARDS.manners, CARDS.means, CARDS.conducts, CARDS.later, quantities={6: 1})


@pytest.mark.parametrize("trigger", [True, False])
async def test_a_capture_before_the_registration_is_detected(trigger: bool) -> None:
    """The trigger refuses it, which the service did not foresee; without it, the rules find it."""
    mutant = "early_capture"
    async with shop(mutant=mutant, without="" if trigger else DROPPED[mutant]) as opened:
        await opened.run(6, 0, 1, MANY)
        report = await opened.close_books(SHORT)
    if trigger:
        assert report.broken("no process ended by itself, or met what it did not foresee")
        assert report.broken("nothing waits any more")
        assert not report.looked_at("every delivered order was captured once")
    else:
        assert not report.broken("no process ended by itself, or met what it did not foresee")
        assert report.broken("nothing was captured before its eSIMs were registered")


async def test_a_refund_without_a_record_is_detected() -> None:
    refunding = Mix(means={Means.CARD: 1}, conducts={Conduct.PAYS: 1}, later={Later.REFUNDED: 1})
    async with shop(mutant="unrecorded_refunds") as opened:
        await lose_answers(opened, "/refunds")
        await opened.run(6, 0, 1, refunding, later=60)
        report = await opened.close_books(SHORT)
    assert any("never recorded" in text for text in report.broken("every refund was recorded"))
