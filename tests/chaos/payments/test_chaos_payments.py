"""The small runs of `make chaos-payments`, and the proof that they detect built-in faults."""

from typing import Any

import pytest

from tests.chaos.payments.mutants import DROPPED
from tests.chaos.payments.orders_service import SHORTER
from tests.chaos.payments.run import Shop, open_shop
from tests.chaos.payments.workload import Afterwards, Method, Mix, Payer

CARDS = Mix(methods={Method.CARD: 1}, payers={Payer.PAYS: 1}, afterwards={Afterwards.KEEPS: 1})
# Seconds; a mutant may never finish its work.
SHORT = 20
LOST = {"kind": "cut", "method": "POST", "count": 3}


async def lose_responses(shop: Shop, path: str) -> None:
    """Lose the responses to the next requests, which do take effect."""
    fault: dict[str, Any] = {**LOST, "path": path}
    await shop.machine.payments("POST", "/faults", fault)


def test_the_service_has_the_constants_that_runs_shorten() -> None:
    for module, values in SHORTER.items():
        for name, value in values.items():
            assert type(getattr(module, name)) is type(value)


async def test_money_and_esims_match_despite_failures() -> None:
    async with open_shop() as shop:
        for seed in (1, 2, 3):
            await shop.run(orders=16, kills=4, seed=seed)
        report = await shop.close_books()
    assert report.holds, str(report)
    assert report.kills.total() == 12
    assert report.checked("every delivered order was captured once") > 10
    assert report.checked("every FAILED order was released") > 0
    assert report.checked("every refund was recorded") > 0
    assert report.checked("sales facts and their sums agree with the ledger") > 30


async def test_random_idempotency_keys_are_detected() -> None:
    async with open_shop(mutant="random_keys") as shop:
        await lose_responses(shop, "/payment_intents")
        # Otherwise the service would find the intent that it created, and not create another one.
        fault = {**LOST, "method": "GET", "path": "/payment_intents"}
        await shop.machine.payments("POST", "/faults", fault)
        await shop.run(8, 0, 1, CARDS)
        report = await shop.close_books(SHORT)
    assert report.violations("no order has two intents")


async def test_a_missing_check_of_the_amount_is_detected() -> None:
    tampering = Mix(
        methods={Method.CARD: 1}, payers={Payer.TAMPERS: 1}, afterwards={Afterwards.KEEPS: 1}
    )
    async with open_shop(mutant="no_amount_check") as shop:
        await shop.run(8, 0, 1, tampering)
        report = await shop.close_books(SHORT)
    assert report.violations("every delivered order was captured once, for exactly its total")


# Six eSIMs are delivered seconds after the provider has accepted the order.
MANY = Mix(CARDS.behaviors, CARDS.methods, CARDS.payers, CARDS.afterwards, quantities={6: 1})


@pytest.mark.parametrize("trigger", [True, False])
async def test_a_capture_before_the_registration_is_detected(trigger: bool) -> None:
    """The trigger refuses it, which the service logs as unexpected; without it, the audit detects it."""
    mutant = "early_capture"
    async with open_shop(mutant=mutant, without="" if trigger else DROPPED[mutant]) as shop:
        await shop.run(6, 0, 1, MANY)
        report = await shop.close_books(SHORT)
    if trigger:
        assert report.violations("no process exited or logged an unexpected error")
        assert report.violations("no work is unfinished")
        assert not report.checked("every delivered order was captured once")
    else:
        assert not report.violations("no process exited or logged an unexpected error")
        assert report.violations("nothing was captured before its eSIMs were registered")


async def test_a_refund_without_a_record_is_detected() -> None:
    refunding = Mix(
        methods={Method.CARD: 1}, payers={Payer.PAYS: 1}, afterwards={Afterwards.REFUNDED: 1}
    )
    async with open_shop(mutant="unrecorded_refunds") as shop:
        await lose_responses(shop, "/refunds")
        await shop.run(6, 0, 1, refunding, faults_after=60)
        report = await shop.close_books(SHORT)
    assert any("never recorded" in text for text in report.violations("every refund was recorded"))
