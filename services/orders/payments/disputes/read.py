"""Reads disputes and early fraud warnings from the payment provider, and acts on them."""

import logging
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders.books import store as books
from services.orders.books.dispute_postings import disputed
from services.orders.books.posting import Posting, PostingKind, wallet_account
from services.orders.order import OrderStatus, RecoveryPoint
from services.orders.payment import Payment, PaymentState, RefundDestination, RefundReason
from services.orders.payments import order_store, state_store, store
from services.orders.payments.disputes import lost, report_store, won
from services.orders.payments.disputes import store as disputes
from services.orders.payments.disputes.report import Report, ReportKind
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.port import PaymentPort, ProviderDispute
from services.orders.payments.refunds import keys, refund_store
from services.orders.payments.refunds.shares import left, to_card
from services.orders.payments.wallets import wallet_store
from services.orders.peers import ESIMs

logger = logging.getLogger(__name__)

ACTOR = "payment"
NOTHING = Decimal(0)
# Between reads of a dispute that is open, or won and not settled; an event brings news at once.
OPEN_PAUSE = timedelta(hours=6)
# Until a payment that a warning is about is looked at again, if nothing was taken yet.
UNTAKEN_PAUSE = timedelta(hours=1)
# The same, while its order is being bought or delivered.
IN_WORK_PAUSE = timedelta(minutes=1)


class ReportReading:
    """Reads one report; returns the pause until the next read, None for none, and what operators should know.

    Raises Failure as the port and the esims service do.
    """

    def __init__(
        self, database: Database, port: PaymentPort, esims: ESIMs, settings: DisputeSettings
    ) -> None:
        self._database = database
        self._port = port
        self._esims = esims
        self._settings = settings

    async def read(self, report: Report) -> tuple[timedelta | None, str]:
        if report.kind is ReportKind.DISPUTE:
            return await self._dispute(report)
        return await self._warning(report)

    async def _dispute(self, report: Report) -> tuple[timedelta | None, str]:
        found = await self._port.get_dispute(report.id)
        async with self._database.system() as connection:
            payment = await _locked(connection, report.payment_id)
            if not _is_of(payment, found.intent_id, found.charge_id):
                return None, "it is about another payment"
            if not await report_store.still_leased(connection, report):
                return None, ""
            is_new, closed_now = await disputes.record(connection, found, payment.id)
            await books.post(
                connection,
                *await _postings(connection, found, payment),
                await _by_wallet(connection, found, payment),
                actor=ACTOR,
            )
            await _note(connection, payment, found, is_new=is_new, closed_now=closed_now)
            await lost.settle_deposit(connection, payment.id, ACTOR)
            again = not found.closed
            # One that was prevented has taken nothing, or for good.
            if found.status == "won" or (found.status == "prevented" and not found.withdrawn):
                again = await won.refund_rest(connection, payment, found)
        if is_new:
            logger.error(
                "payment %s is disputed: %s %s, %s",
                payment.id,
                found.id,
                found.reason,
                found.status,
            )
        if self._settings.suspend and report.acted_at is None and _is_serious(found):
            await self._suspend(payment)
            async with self._database.system() as connection:
                await report_store.record_act(connection, report.id)
        return (OPEN_PAUSE if again else None), ""

    async def _warning(self, report: Report) -> tuple[timedelta | None, str]:
        found = await self._port.get_warning(report.id)
        if not self._settings.refund_warnings or report.acted_at is not None:
            return None, "" if found.actionable else "not actionable"
        async with self._database.system() as connection:
            payment = await _locked(connection, report.payment_id)
            if not _is_of(payment, found.intent_id, found.charge_id):
                return None, "it is about another payment"
            if not found.actionable:
                return None, "not actionable"
            if payment.state in (PaymentState.AWAITING, PaymentState.AUTHORIZED):
                return UNTAKEN_PAUSE, "nothing was taken yet"
            if await _in_work(connection, payment):
                return IN_WORK_PAUSE, "its order is being bought"
            amount = NOTHING
            if payment.order_id is not None:
                # A part that was paid back in another way is no longer left, although it was paid by card.
                withdrawn = await disputes.withdrawn(connection, payment.id)
                amount = to_card(payment, left(payment, withdrawn), withdrawn)
            if amount:
                # Recorded once for each warning; the loop of refunds makes it.
                await refund_store.record(
                    connection,
                    payment,
                    RefundDestination.CARD,
                    amount,
                    RefundReason.FRAUD_WARNING,
                    key=keys.of_fraud_warning(report.id),
                    actor=ACTOR,
                    note="early fraud warning",
                )
                await _step(connection, payment, "refunded: fraud warning", f"{amount}")
        if amount:
            logger.error("payment %s is refunded because of warning %s", payment.id, report.id)
        if self._settings.suspend:
            await self._suspend(payment)
        async with self._database.system() as connection:
            await report_store.record_act(connection, report.id)
        return None, "" if amount else "nothing was left to refund"

    async def _suspend(self, payment: Payment) -> None:
        if payment.order_id is None:
            return
        for esim in await self._esims.of_order(payment.order_id):
            try:
                await self._esims.suspend(esim.id)
            except Failure as failure:
                # It is deleted, or has ended: nothing is left to suspend.
                if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND):
                    raise


async def _locked(connection: Connection, payment_id: UUID) -> Payment:
    """Return a payment, with its order locked before it."""
    payment = await store.get(connection, payment_id)
    if payment is not None and payment.order_id is not None:
        await order_store.lock(connection, payment.order_id)
    payment = await state_store.lock(connection, payment_id)
    if payment is None:
        raise LookupError("a report without a payment")
    return payment


async def _in_work(connection: Connection, payment: Payment) -> bool:
    """Return whether the order of a payment that was taken early is being bought or delivered."""
    if payment.order_id is None or payment.state is not PaymentState.PAID:
        return False
    standing = await order_store.standing(connection, payment.order_id)
    if standing.status is OrderStatus.PROCESSING:
        return not standing.unpaid
    return standing.point is RecoveryPoint.REGISTERED


def _is_of(payment: Payment, intent_id: str, charge_id: str) -> bool:
    return intent_id == payment.intent_id or charge_id == payment.charge_id


def _is_serious(dispute: ProviderDispute) -> bool:
    """Return whether the cardholder's bank wants the money; an inquiry only asks about the payment."""
    return not dispute.status.startswith("warning_") and dispute.status not in ("won", "prevented")


async def _postings(
    connection: Connection, dispute: ProviderDispute, payment: Payment
) -> list[Posting | None]:
    """Return what the ledger lacks of what a dispute has taken or returned.

    Its amount may have changed since it was posted.
    """
    if not dispute.taken:
        return []
    posted = await books.disputed(connection, payment.id, dispute.id)
    taken = sum((amount for amount, _ in posted.values()), NOTHING)
    found: list[Posting | None] = []

    def add(more: Decimal) -> None:
        withdrawn = more > 0
        kind = PostingKind.DISPUTE if withdrawn else PostingKind.DISPUTE_RETURN
        _, before = posted.get(kind, (NOTHING, 0))
        found.append(
            disputed(
                dispute.id,
                abs(more),
                dispute.currency,
                payment,
                withdrawn=withdrawn,
                number=before + 1,
            )
        )

    if not posted:
        add(dispute.amount)
        taken = dispute.amount
    add((dispute.amount if dispute.withdrawn else NOTHING) - taken)
    return found


async def _by_wallet(
    connection: Connection, dispute: ProviderDispute, payment: Payment
) -> Posting | None:
    """Take the amount of a disputed top-up from the wallet, or give it back; return what to post of it."""
    if payment.order_id is not None or not dispute.taken or dispute.currency != payment.currency:
        return None
    if dispute.withdrawn:
        amount = min(dispute.amount, payment.amount)
        moved = await wallet_store.take_back(connection, payment.id, dispute.id, amount, ACTOR)
    else:
        moved = await wallet_store.give_back(connection, dispute.id, ACTOR)
    if moved is None:
        return None
    return disputed(
        dispute.id,
        moved.amount,
        payment.currency,
        payment,
        withdrawn=dispute.withdrawn,
        given_by=wallet_account(moved.wallet_id),
    )


async def _note(
    connection: Connection,
    payment: Payment,
    dispute: ProviderDispute,
    *,
    is_new: bool,
    closed_now: bool,
) -> None:
    if is_new:
        await _step(connection, payment, "disputed", f"{dispute.id} {dispute.reason}")
    if closed_now:
        await _step(connection, payment, "dispute closed", f"{dispute.id} {dispute.status}")


async def _step(connection: Connection, payment: Payment, event: str, note: str) -> None:
    """Add a step to the history of the order, if an order is paid."""
    if payment.order_id is not None:
        standing = await order_store.standing(connection, payment.order_id)
        await order_store.record(
            connection, payment.order_id, standing.status, event, actor=ACTOR, note=note
        )
