"""Compares the ledger with the payments, refunds, orders and wallets that are recorded here."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from kit.db.database import Database
from kit.values import currencies
from services.orders.books import check_store, postings, store
from services.orders.books.check_store import FIRST, CheckedOrder, CheckedPayment, CheckedRefund
from services.orders.books.difference import Books, Counts, Difference, shown
from services.orders.books.posting import Entry, Posting
from services.orders.payment import PaymentState, RefundState

Posted = dict[str, tuple[str, list[Entry]]]
# A refund that the payment provider has not accepted after this time needs a person.
STUCK = timedelta(days=2)
SOON = timedelta(minutes=10)
RUNBOOK = "see docs/runbooks/payments.md#the-books-differ"


class LedgerCheck:
    """Reads pages of rows, and yields a difference for each that the ledger does not have as it should.

    What is still wrong and can be found by its state is reported whatever its age: refunds that were not
    made, money of failed and of cancelled orders, and deposits of delivered ones.
    """

    def __init__(self, database: Database, counts: Counts) -> None:
        self._database = database
        self._counts = counts

    async def run(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        async with self._database.system() as connection:
            unbalanced = await check_store.unbalanced(connection, start, end)
            self._counts.ledger_transactions = await check_store.count(connection, start, end)
        for row in unbalanced:
            off = shown(row["off"], row["currency"])
            yield _of(Books.LEDGER, "UNBALANCED", row["id"], f"its entries sum to {off}; {RUNBOOK}")
        async for found in self._payments(start, end):
            yield found
        async for found in self._refunds(start, end):
            yield found
        async for found in self._orders(start, end):
            yield found
        async for found in self._deposits(start):
            yield found
        async for found in self._wallets():
            yield found

    async def _payments(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        after = FIRST
        while True:
            async with self._database.system() as connection:
                page = await check_store.payments(connection, after, start, end)
                keys = [key for one in page for key in _keys(one)]
                posted = await store.posted(connection, keys)
            self._counts.payments += len(page)
            for one in page:
                for found in _payment(one, posted, self._database.now()):
                    yield found
            if len(page) < check_store.PAGE:
                return
            after = page[-1].payment.id

    async def _refunds(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        after = FIRST
        while True:
            async with self._database.system() as connection:
                page = await check_store.refunds(connection, after, start, end)
            for one in page:
                for found in _refund(one, self._database.now()):
                    yield found
            if len(page) < check_store.PAGE:
                return
            after = page[-1].refund.id

    async def _orders(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        after = FIRST
        while True:
            async with self._database.system() as connection:
                page = await check_store.orders(connection, after, start, end)
                keys = [f"{kind}:{one.order.id}" for one in page for kind in ("sale", "cost")]
                posted = await store.posted(connection, keys)
            self._counts.orders += len(page)
            for one in page:
                if not one.waits:
                    for found in _order(one, posted):
                        yield found
            if len(page) < check_store.PAGE:
                return
            after = page[-1].order.id

    async def _deposits(self, before: datetime) -> AsyncIterator[Difference]:
        """Yield what is left of deposits of orders that changed last before the period."""
        after: UUID | None = FIRST
        while after is not None:
            async with self._database.system() as connection:
                page = await check_store.deposits(connection, after, before)
            for row in page:
                if row["left"]:
                    yield _deposit_left(row["id"], row["left"], row["currency"])
            after = page[-1]["id"] if page else None

    async def _wallets(self) -> AsyncIterator[Difference]:
        after = FIRST
        while True:
            async with self._database.system() as connection:
                page = await check_store.wallets(connection, after)
            for row in page:
                currency = row["currency"]
                here = (row["available"], row["held"])
                entries = (row["entries_available"], row["entries_held"])
                if here != entries:
                    text = (
                        f"it has {shown(here[0], currency)} and holds {shown(here[1], currency)}, but its"
                        f" entries sum to {shown(entries[0], currency)} and {shown(entries[1], currency)};"
                        f" {RUNBOOK}"
                    )
                    yield _of(Books.WALLETS, "WALLET_ENTRIES_DIFFER", row["id"], text)
                if sum(here) != row["ledger"]:
                    text = (
                        f"it has {shown(here[0] + here[1], currency)}, but the ledger says"
                        f" {shown(row['ledger'], currency)}; {RUNBOOK}"
                    )
                    yield _of(Books.WALLETS, "WALLET_LEDGER_DIFFERS", row["id"], text)
            if len(page) < check_store.PAGE:
                return
            after = page[-1]["id"]


def _of(books: Books, code: str, subject: UUID | str, message: str) -> Difference:
    return Difference(books, code, str(subject), message)


def _keys(one: CheckedPayment) -> tuple[str, ...]:
    kind = "take" if one.payment.order_id else "top_up"
    return (f"{kind}:{one.payment.id}",)


def _payment(one: CheckedPayment, posted: Posted, now: datetime) -> list[Difference]:
    payment = one.payment
    what = "CAPTURE" if payment.order_id else "TOP_UP"
    found: list[Difference] = []
    [key] = _keys(one)
    if not payment.captured:
        if one.posted:
            text = f"it is {payment.state}, but the ledger has its money; {RUNBOOK}"
            found.append(_of(Books.ORDERS, f"{what}_POSTED_WITHOUT_MONEY", payment.id, text))
        return found
    expected = _expected(one)
    found += _compared(Books.ORDERS, what, str(payment.id), key, expected, posted)
    if one.posted > 1:
        text = f"its money is in the ledger {one.posted} times; {RUNBOOK}"
        found.append(_of(Books.ORDERS, f"{what}_POSTED_TWICE", payment.id, text))
    # A failed order gives its payment back within seconds, unless the payment provider is unavailable.
    under_way = payment.state is PaymentState.PAID and now - payment.updated_at < SOON
    rest = payment.captured - payment.refunded - one.withdrawn
    if one.order_status == "FAILED" and rest > 0 and not under_way:
        text = (
            f"its order {payment.order_id} failed, but {shown(rest, payment.currency)} are not refunded:"
            " use `esimgo payments refund`"
        )
        found.append(_of(Books.ORDERS, "FAILED_ORDER_KEEPS_MONEY", payment.id, text))
    due = min(rest, one.promised)
    if one.order_status != "FAILED" and due > 0:
        text = (
            f"its order {payment.order_id} was cancelled, but the refund of"
            f" {shown(due, payment.currency)} failed: use `esimgo payments refund`"
        )
        found.append(_of(Books.ORDERS, "CANCELLED_ORDER_KEEPS_MONEY", payment.id, text))
    return found


def _expected(one: CheckedPayment) -> Posting | None:
    """Return what should be posted; None if a wallet is missing, so that nothing equals it."""
    payment = one.payment
    if payment.order_id is None:
        return postings.topped_up(payment, one.wallet_id) if one.wallet_id else None
    if payment.wallet_amount and one.wallet_id is None:
        return None
    return postings.taken(payment, one.wallet_id if payment.wallet_amount else None)


def _compared(
    books: Books, what: str, subject: str, key: str, expected: Posting | None, posted: Posted
) -> list[Difference]:
    """Return how an act differs from what should be posted."""
    if key not in posted:
        if expected is None:
            return []
        return [
            _of(books, f"{what}_NOT_POSTED", subject, f"{_said(expected)} is missing; {RUNBOOK}")
        ]
    kind, entries = posted[key]
    if expected is not None and expected.equals(kind, entries):
        return []
    here = _said(expected) if expected else "nothing"
    text = f"the ledger has {_lines(entries)} instead of {here}; {RUNBOOK}"
    return [_of(books, f"{what}_DIFFERS", subject, text)]


def _said(posting: Posting) -> str:
    return _lines(list(posting.entries))


def _lines(entries: list[Entry]) -> str:
    return ", ".join(f"{e.account} {shown(e.amount, e.currency)}" for e in entries)


def _refund(one: CheckedRefund, now: datetime) -> list[Difference]:
    refund = one.refund
    amount = shown(refund.amount, refund.currency)

    def found(code: str, text: str) -> list[Difference]:
        return [_of(Books.ORDERS, code, refund.id, f"{text}; {RUNBOOK}")]

    if refund.state is RefundState.SUCCEEDED:
        if one.posted is None:
            return found("REFUND_NOT_POSTED", f"the refund of {amount} is not in the ledger")
        if one.posted != refund.amount:
            text = f"the ledger has {shown(one.posted, refund.currency)} instead of {amount}"
            return found("REFUND_DIFFERS", text)
        return []
    if refund.state is RefundState.FAILED:
        if one.posted is not None and not one.reversed:
            return found("REFUND_NOT_REVERSED", f"the refund of {amount} failed, but is posted")
        return []
    if one.posted is not None:
        return found("REFUND_POSTED_EARLY", f"the refund of {amount} is posted, but not settled")
    if refund.state is not RefundState.PENDING and now - refund.created_at > STUCK:
        return found("REFUND_STUCK", f"the refund of {amount} was not made in {STUCK.days} days")
    return []


def _order(one: CheckedOrder, posted: Posted) -> list[Difference]:
    order = one.order
    subject = str(order.id)
    sale = postings.sold(order, paid_here=order.has_payment)
    found = _compared(Books.ORDERS, "SALE", subject, f"sale:{order.id}", sale, posted)
    cost = postings.cost(order)
    found += _compared(Books.ORDERS, "COST", subject, f"cost:{order.id}", cost, posted)
    exact, currency = postings.charged(order)
    returned = currencies.rounded(exact * one.returned / order.quantity, currency)
    # While an order is being cancelled, what is paid back is not posted yet.
    if returned != one.returned_cost and not one.is_being_cancelled:
        text = (
            f"eSIM Go paid back {shown(returned, currency)}, but the ledger has"
            f" {shown(one.returned_cost, currency)}; {RUNBOOK}"
        )
        found.append(_of(Books.ORDERS, "COST_RETURN_DIFFERS", subject, text))
    if one.deposits:
        found.append(_deposit_left(order.id, -one.deposits, order.currency))
    return found


def _deposit_left(order_id: UUID, left: Decimal, currency: str) -> Difference:
    text = f"it is delivered, but {shown(left, currency)} of its deposit are left; {RUNBOOK}"
    return _of(Books.LEDGER, "DEPOSIT_LEFT", order_id, text)
