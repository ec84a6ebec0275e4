"""Applies events of the payment provider: each only says what has to be read again, in any order."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure, invalid
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payment import PaymentState
from services.orders.payments import event_store, lease_store
from services.orders.payments.disputes import report_store
from services.orders.payments.disputes.report import ReportKind
from services.orders.payments.refunds import refund_store

logger = logging.getLogger(__name__)

MAX_EVENTS = 500
# Kinds of objects, by the beginning of a type. The first that fits counts.
DISPUTES = "charge.dispute."
WARNINGS = "radar.early_fraud_warning."
SESSIONS = "checkout.session."
REFUNDS = ("refund.", "charge.refund")
OTHERS = ("payment_intent.", "charge.", "review.")
# The service has created the intent.
CREATED = "payment_intent.created"
# These report nothing new once the payment is known to be authorized.
NEWS_OF_UNPAID = frozenset(
    {
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.processing",
    }
)
UNPAID = (PaymentState.AWAITING,)
# Looks again at a payment in one of these states, once the transaction commits.
Look = Callable[[Connection, UUID, Sequence[PaymentState]], Awaitable[None]]


class PaymentEvents:
    """Makes what events are about due, and calls what works on it once that is committed.

    `refunds` and `reports` wake the loops of these. `live` is the mode of the payment provider's key; events
    of the other mode are ignored.
    """

    def __init__(
        self,
        database: Database,
        look: Look,
        refunds: Callable[[], None],
        reports: Callable[[], None],
        *,
        live: bool,
    ) -> None:
        self._database = database
        self._look = look
        self._refunds = refunds
        self._reports = reports
        self._live = live

    async def apply(self, request: pb.ApplyPaymentEventsRequest) -> pb.ApplyPaymentEventsResponse:
        """Return the outcome of each event, in order. Raises Failure when the database is unavailable."""
        if not 1 <= len(request.events) <= MAX_EVENTS:
            number = len(request.events)
            raise invalid({"events": f"must contain 1 to {MAX_EVENTS}, not {number}"})
        return pb.ApplyPaymentEventsResponse(
            outcomes=[await self._apply(event) for event in request.events]
        )

    async def _apply(self, event: pb.PaymentEvent) -> "pb.PaymentEventOutcome.ValueType":
        if event.livemode is not self._live:
            logger.warning(
                "event %s is ignored: it is of %s mode",
                event.id[:100],
                "live" if event.livemode else "test",
            )
            return pb.PAYMENT_EVENT_OUTCOME_IGNORED
        kinds = (DISPUTES, WARNINGS, SESSIONS, *REFUNDS, *OTHERS)
        if not event.type.startswith(kinds) or event.type == CREATED:
            return pb.PAYMENT_EVENT_OUTCOME_IGNORED
        try:
            async with self._database.system() as connection:
                return await self._make_due(connection, event)
        except Failure:
            raise
        except Exception:
            # One poison event must not block the rest.
            logger.exception("event %s could not be applied", event.id[:100])
            return pb.PAYMENT_EVENT_OUTCOME_NOT_APPLIED

    async def _make_due(
        self, connection: Connection, event: pb.PaymentEvent
    ) -> "pb.PaymentEventOutcome.ValueType":
        payment_id = await event_store.find(
            connection,
            _uuid(event.payment_id),
            event.intent_id or None,
            event.charge_id or None,
            event.object_id if event.type.startswith(SESSIONS) else None,
        )
        if payment_id is None:
            return pb.PAYMENT_EVENT_OUTCOME_UNKNOWN_PAYMENT
        if event.type.startswith((DISPUTES, WARNINGS)):
            if not event.object_id:
                return pb.PAYMENT_EVENT_OUTCOME_IGNORED
            kind = (
                ReportKind.DISPUTE if event.type.startswith(DISPUTES) else ReportKind.FRAUD_WARNING
            )
            await report_store.make_due(connection, event.object_id, kind, payment_id)
            after_commit(self._reports)
            return pb.PAYMENT_EVENT_OUTCOME_APPLIED
        states = UNPAID if event.type in NEWS_OF_UNPAID else lease_store.UNFINISHED
        await self._look(connection, payment_id, states)
        if event.type.startswith(REFUNDS):
            # One that succeeded can still fail, which only its own event says.
            await refund_store.wake(connection, payment_id)
            after_commit(self._refunds)
        return pb.PAYMENT_EVENT_OUTCOME_APPLIED


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
