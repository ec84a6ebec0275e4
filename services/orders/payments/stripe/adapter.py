"""Stripe as a payment provider: intents, checkout sessions and customers."""

from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from kit.errors import Failure, Kind
from services.orders.payments.port import (
    BalanceTransaction,
    Checkout,
    FraudWarning,
    Intent,
    IntentState,
    ProviderDispute,
    ProviderRefund,
    Start,
)
from services.orders.payments.stripe import amounts, errors, objects
from services.orders.payments.stripe.api import API
from services.orders.payments.stripe.parameters import WITH_CHARGE, Parameters
from services.orders.payments.stripe.settings import StripeSettings

INTENT, SESSION, REFUND = "payment_intent", "checkout.session", "refund"
DISPUTE, WARNING, MOVEMENT = "dispute", "radar.early_fraud_warning", "balance_transaction"
# An object was created after it was requested, by clocks that may differ, and while its key was good.
CLOCKS = timedelta(minutes=5)
KEY_LIFETIME = timedelta(hours=24)
# States that an intent never leaves.
ENDED = (IntentState.PAID, IntentState.CANCELED)

T = TypeVar("T")


class Stripe:
    """Implements PaymentPort. Idempotency keys are made from the ids of what is done, one for each act."""

    def __init__(self, api: API, settings: StripeSettings) -> None:
        self._api = api
        self._parameters = Parameters(settings)

    def minimum(self, currency: str) -> Decimal:
        return amounts.minimum(currency)

    async def start_intent(self, start: Start) -> Intent:
        params = self._parameters.intent(start)
        endpoint = "POST /v1/payment_intents"
        shape = await self._api.write(
            endpoint,
            self._api.v1.payment_intents.create_async,
            params,
            kind=INTENT,
            key=f"pi:{start.payment_id}",
        )
        with self._api.checked(endpoint, write=True):
            return objects.intent(shape)

    async def start_checkout(self, start: Start) -> Checkout:
        params = self._parameters.checkout(start)
        endpoint = "POST /v1/checkout/sessions"
        create = self._api.v1.checkout.sessions.create_async
        key = f"cs:{start.payment_id}"
        shape = await self._api.write(endpoint, create, params, kind=SESSION, key=key)
        with self._api.checked(endpoint, write=True):
            return objects.checkout(shape)

    async def find_intent(self, payment_id: UUID, since: datetime) -> Intent | None:
        endpoint = "GET /v1/payment_intents"
        params = {"created": _while_key_was_good(since), "expand": ["data.latest_charge"]}
        rows = self._api.rows(
            endpoint, self._api.v1.payment_intents.list_async, params, kind=INTENT
        )
        async for shape in rows:
            with self._api.checked(endpoint):
                if shape.metadata(objects.PAYMENT) == str(payment_id):
                    return objects.intent(shape)
        return None

    async def find_checkout(self, payment_id: UUID, since: datetime) -> Checkout | None:
        endpoint = "GET /v1/checkout/sessions"
        params = {"created": _while_key_was_good(since)}
        rows = self._api.rows(
            endpoint, self._api.v1.checkout.sessions.list_async, params, kind=SESSION
        )
        async for shape in rows:
            with self._api.checked(endpoint):
                if shape.metadata(objects.PAYMENT) == str(payment_id):
                    return objects.checkout(shape)
        return None

    async def get_intent(self, intent_id: str) -> Intent:
        endpoint = "GET /v1/payment_intents/{intent}"
        retrieve, params = self._api.v1.payment_intents.retrieve_async, {"expand": WITH_CHARGE}
        shape = await self._api.read(endpoint, retrieve, intent_id, params, kind=INTENT)
        with self._api.checked(endpoint):
            return objects.intent(shape)

    async def get_checkout(self, session_id: str) -> Checkout:
        endpoint = "GET /v1/checkout/sessions/{session}"
        retrieve = self._api.v1.checkout.sessions.retrieve_async
        shape = await self._api.read(endpoint, retrieve, session_id, {}, kind=SESSION)
        with self._api.checked(endpoint):
            return objects.checkout(shape)

    async def end_checkout(self, session_id: str) -> Checkout:
        endpoint = "POST /v1/checkout/sessions/{session}/expire"
        expire = self._api.v1.checkout.sessions.expire_async
        try:
            shape = await self._api.write(
                endpoint, expire, session_id, {}, kind=SESSION, key=f"exp:{session_id}"
            )
        except Failure as failure:
            # A complete or expired session can't be expired; whatever the code, the session says so. It also
            # says whether a request without an answer was carried out: its repeats may bring a stored 500.
            if failure.kind is not Kind.UNCLEAR and failure.reason != "PAYMENT_REFUSED":
                raise
            found = await self._read_instead(failure, self.get_checkout(session_id))
            if found.open:
                raise
            return found
        with self._api.checked(endpoint, write=True):
            return objects.checkout(shape)

    async def declines(self, intent_id: str) -> int:
        endpoint = "GET /v1/charges"
        params = {"payment_intent": intent_id}
        failed = 0
        async for shape in self._api.rows(
            endpoint, self._api.v1.charges.list_async, params, kind="charge"
        ):
            with self._api.checked(endpoint):
                failed += shape.word("status") == "failed"
        return failed

    async def capture(self, intent_id: str, payment_id: UUID) -> Intent:
        endpoint = "POST /v1/payment_intents/{intent}/capture"
        method = self._api.v1.payment_intents.capture_async
        return await self._change(endpoint, method, intent_id, f"cap:{payment_id}")

    async def cancel(self, intent_id: str, payment_id: UUID) -> Intent:
        endpoint = "POST /v1/payment_intents/{intent}/cancel"
        method = self._api.v1.payment_intents.cancel_async
        return await self._change(endpoint, method, intent_id, f"can:{payment_id}")

    async def _change(self, endpoint: str, method: Any, intent_id: str, key: str) -> Intent:
        """Make a change, or return the intent as it is if its state does not allow the change any more.

        Without a clear answer, the intent says whether it has ended. Otherwise the outcome stays unclear:
        the first request may still be on its way.
        """
        try:
            shape = await self._api.write(
                endpoint, method, intent_id, {"expand": WITH_CHARGE}, kind=INTENT, key=key
            )
        except Failure as failure:
            if failure.kind is Kind.UNCLEAR:
                found = await self._read_instead(failure, self.get_intent(intent_id))
                if found.state not in ENDED:
                    raise
                return found
            if failure.details.get("provider_code") not in errors.MOVED_ON:
                raise
            return await self.get_intent(intent_id)
        with self._api.checked(endpoint, write=True):
            return objects.intent(shape)

    async def _read_instead(self, failure: Failure, reading: Awaitable[T]) -> T:
        """Return what is read after a failure; raise that failure if it can't be read either."""
        try:
            return await reading
        except Failure:
            raise failure from None

    async def refund(
        self, intent_id: str, refund_id: UUID, amount: Decimal, currency: str, *, fraudulent: bool
    ) -> ProviderRefund:
        endpoint = "POST /v1/refunds"
        params = {
            "payment_intent": intent_id,
            "amount": amounts.to_minor(amount, currency),
            "reason": "fraudulent" if fraudulent else "requested_by_customer",
            "metadata": {objects.REFUND: str(refund_id)},
        }
        create = self._api.v1.refunds.create_async
        shape = await self._api.write(endpoint, create, params, kind=REFUND, key=f"ref:{refund_id}")
        with self._api.checked(endpoint, write=True):
            return objects.refund(shape)

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        endpoint = "GET /v1/refunds"
        params = {"payment_intent": intent_id}
        found = []
        async for shape in self._api.rows(
            endpoint, self._api.v1.refunds.list_async, params, kind=REFUND
        ):
            with self._api.checked(endpoint):
                found.append(objects.refund(shape))
        return found

    async def get_dispute(self, dispute_id: str) -> ProviderDispute:
        endpoint = "GET /v1/disputes/{dispute}"
        retrieve = self._api.v1.disputes.retrieve_async
        shape = await self._api.read(endpoint, retrieve, dispute_id, {}, kind=DISPUTE)
        with self._api.checked(endpoint):
            return objects.dispute(shape)

    def list_disputes(self, since: datetime) -> AsyncIterator[ProviderDispute]:
        endpoint, params = "GET /v1/disputes", {"created": {"gte": int(since.timestamp())}}
        method = self._api.v1.disputes.list_async
        return self._api.readable(endpoint, method, params, objects.dispute, kind=DISPUTE)

    async def get_warning(self, warning_id: str) -> FraudWarning:
        endpoint = "GET /v1/radar/early_fraud_warnings/{warning}"
        retrieve = self._api.v1.radar.early_fraud_warnings.retrieve_async
        shape = await self._api.read(endpoint, retrieve, warning_id, {}, kind=WARNING)
        with self._api.checked(endpoint):
            return objects.warning(shape)

    def list_warnings(self, since: datetime) -> AsyncIterator[FraudWarning]:
        endpoint = "GET /v1/radar/early_fraud_warnings"
        params = {"created": {"gte": int(since.timestamp())}}
        method = self._api.v1.radar.early_fraud_warnings.list_async
        return self._api.readable(endpoint, method, params, objects.warning, kind=WARNING)

    async def create_customer(self, customer_id: UUID) -> str:
        endpoint = "POST /v1/customers"
        params = {"metadata": {"customer_id": str(customer_id)}}
        create, key = self._api.v1.customers.create_async, f"cus:{customer_id}"
        shape = await self._api.write(endpoint, create, params, kind="customer", key=key)
        with self._api.checked(endpoint, write=True):
            return shape.id()

    def balance_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[BalanceTransaction]:
        endpoint = "GET /v1/balance_transactions"
        params = {
            "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
            "expand": ["data.source"],
        }
        method = self._api.v1.balance_transactions.list_async
        return self._api.readable(
            endpoint, method, params, objects.balance_transaction, kind=MOVEMENT
        )


def _while_key_was_good(since: datetime) -> dict[str, int]:
    """Return the filter for objects that were requested first at `since`, under a key."""
    first, last = since - CLOCKS, since + KEY_LIFETIME + CLOCKS
    return {"gte": int(first.timestamp()), "lte": int(last.timestamp())}
