"""Compares the ledger with the movements of the payment provider's balance, in both directions."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from services.orders.books import movement_store
from services.orders.books.difference import Books, Counts, Difference, shown
from services.orders.payments.port import (
    BalanceTransaction,
    IntentState,
    PaymentPort,
    ProviderRefundState,
)

# Read at a time, so that memory does not depend on the period.
WINDOW = timedelta(days=1)
MARGIN = timedelta(hours=1)
PAGE = 200
# A fee is recorded within an hour, unless the payment provider was unreachable.
LATE = timedelta(days=1)
CHARGES = ("charge", "payment")


class PaymentProviderCheck:
    """Reads the balance day by day. Movements of other programs on the same account are only counted."""

    def __init__(self, database: Database, port: PaymentPort, counts: Counts) -> None:
        self._database = database
        self._port = port
        self._counts = counts
        self._released: set[UUID] = set()

    async def run(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        """Yield differences; raises Failure if the payment provider can't be reached.

        Fees that are not posted are reported whatever their age.
        """
        async for found in self._without_fee(min(start, self._database.now() - LATE)):
            yield found
        at = start
        while at < end:
            until = min(at + WINDOW, end)
            async for found in self._window(at, until, settled=end - MARGIN):
                yield found
            at = until

    async def _without_fee(self, before: datetime) -> AsyncIterator[Difference]:
        after, more = "", True
        while more:
            async with self._database.system() as connection:
                page = await movement_store.without_fee(connection, before, after, PAGE)
            for row in page:
                yield _fee_not_posted(row["id"], row["fee"], row["currency"])
            more = len(page) == PAGE
            after = page[-1]["id"] if page else after

    async def _window(
        self, start: datetime, end: datetime, *, settled: datetime
    ) -> AsyncIterator[Difference]:
        charged: set[str] = set()
        page: list[BalanceTransaction] = []
        async for movement in self._port.balance_transactions(start - MARGIN, end + MARGIN):
            if movement.kind in CHARGES:
                charged.add(movement.intent_id)
            if start <= movement.at < end:
                page.append(movement)
            if len(page) == PAGE:
                for found in await self._compared(page):
                    yield found
                page = []
        for found in await self._compared(page):
            yield found
        async with self._database.system() as connection:
            taken = await movement_store.taken(connection, start, min(end, settled))
        for one in taken:
            if one.intent_id not in charged and (why := await self._missing(one)):
                yield _of("CAPTURE_NOT_AT_PROVIDER", one.payment_id, why)

    async def _compared(self, page: list[BalanceTransaction]) -> list[Difference]:
        if not page:
            return []
        self._counts.balance_transactions += len(page)
        async with self._database.system() as connection:
            matched = await movement_store.matched(connection, page)
        found: list[Difference] = []
        for movement in page:
            here = matched.get(movement.id)
            if here is None:
                self._counts.foreign += movement.intent_id != ""
                continue
            found += _compared(movement, here, self._database.now())
            if _is_released(movement, here) and here["payment_id"] not in self._released:
                self._released.add(here["payment_id"])
                found += await self._not_returned(movement.intent_id, here)
        return found

    async def _not_returned(self, intent_id: str, here: Any) -> list[Difference]:
        """Return a difference if a charge that is not booked here is not refunded completely.

        A payment that can't be credited, or was paid in another way, is refunded at the payment provider
        only, without a refund here.
        """
        intent = await self._port.get_intent(intent_id)
        refunds = await self._port.list_refunds(intent_id)
        given = (one.amount for one in refunds if one.state is not ProviderRefundState.FAILED)
        left = intent.received - sum(given, Decimal(0))
        if not left:
            return []
        standing = "was paid in another way" if here["by_hand"] else f"is {here['state']} here"
        text = (
            f"the payment provider took {shown(intent.received, intent.currency)}, but the payment"
            f" {standing}, and {shown(left, intent.currency)} of it are not refunded: refund it there"
        )
        return [_of("CHARGE_NOT_CAPTURED", here["payment_id"], text)]

    async def _missing(self, taken: movement_store.TakenByCard) -> str:
        """Return why a payment was not taken after all; empty if it was, at a time by another clock."""
        what = f"the ledger has {shown(taken.amount, taken.currency)}"
        try:
            intent = await self._port.get_intent(taken.intent_id)
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            return (
                f"{what}, but the payment provider does not know {taken.intent_id or 'its intent'}"
            )
        received = (intent.received, intent.currency)
        if intent.state is IntentState.PAID and received == (taken.amount, taken.currency):
            return ""
        return (
            f"{what}, but the payment provider took {shown(*received)} for {intent.id}, which is"
            f" {intent.state}: look at it there, and correct the ledger with your accountant"
        )


def _of(code: str, subject: object, text: str) -> Difference:
    return Difference(Books.PAYMENT_PROVIDER, code, str(subject), text)


def _is_released(movement: BalanceTransaction, here: Any) -> bool:
    """Return whether this charge or refund is of a payment that was not taken by the payment provider."""
    not_taken = here["by_hand"] or (here["state"] == "RELEASED" and not here["captured"])
    unrecorded = not_taken and here["refund_id"] is None
    return unrecorded and (movement.kind in CHARGES or movement.kind.startswith("refund"))


def _compared(movement: BalanceTransaction, here: Any, now: datetime) -> list[Difference]:
    """Return how a movement of one of our payments differs from what is recorded."""
    found: list[Difference] = []
    amount = shown(movement.amount, movement.currency)
    age = now - movement.at
    same_currency = movement.currency == here["currency"]
    if _is_released(movement, here):
        pass  # see PaymentProviderCheck._not_returned
    elif movement.kind in CHARGES:
        # A capture is recorded after it is made.
        under_way = here["state"] in ("AWAITING", "AUTHORIZED") and age < MARGIN
        if not here["captured"] and under_way:
            return []
        if not here["captured"]:
            text = f"the payment provider took {amount}, but the payment is {here['state']} here"
            found.append(_of("CHARGE_NOT_CAPTURED", here["payment_id"], f"{text}: refund it there"))
        elif same_currency and movement.amount != here["card_amount"]:
            expected = shown(here["card_amount"], here["currency"])
            text = (
                f"the payment provider took {amount} instead of {expected}: refund the difference"
            )
            found.append(_of("CHARGE_DIFFERS", here["payment_id"], text))
    elif movement.kind.startswith("refund"):
        found += _refund(movement, here, amount, same_currency=same_currency)
    elif movement.kind.startswith("dispute") and age > MARGIN:
        if here["dispute_id"] is None:
            text = (
                f"{movement.source_id} took {amount}, and is not recorded: it is read within hours"
            )
            found.append(_of("DISPUTE_UNKNOWN", here["payment_id"], text))
        elif not here["dispute_posted"]:
            text = f"it took {amount}, and is not in the ledger"
            found.append(_of("DISPUTE_NOT_POSTED", movement.source_id, text))
    if here["posted_at"] is None and age > LATE:
        found.append(_fee_not_posted(movement.id, movement.fee, movement.currency))
    return found


def _fee_not_posted(movement_id: str, fee: Decimal, currency: str) -> Difference:
    text = f"its fee of {shown(fee, currency)} is not in the ledger: see the log for why it was not read"
    return _of("FEE_NOT_POSTED", movement_id, text)


def _refund(
    movement: BalanceTransaction, here: Any, amount: str, *, same_currency: bool
) -> list[Difference]:
    if here["refund_id"] is None:
        if here["is_being_refunded"]:
            return []  # its id is recorded next
        text = (
            f"{movement.source_id} moved {amount} of this payment, and is not recorded here: if somebody"
            " made it at the payment provider, record it with `esimgo payments refund`, to manual"
        )
        return [_of("REFUND_UNKNOWN", here["payment_id"], text)]
    found = []
    if movement.kind == "refund" and here["refund_state"] in ("PLANNED", "STARTED"):
        text = (
            f"the payment provider made {movement.source_id}, but it is {here['refund_state']} here"
        )
        found.append(_of("REFUND_NOT_RECORDED", here["refund_id"], text))
    if same_currency and abs(movement.amount) != here["refund_amount"]:
        expected = shown(here["refund_amount"], here["currency"])
        text = f"the payment provider moved {amount} instead of {expected}: ask it why"
        found.append(_of("REFUND_AMOUNT_DIFFERS", here["refund_id"], text))
    return found
