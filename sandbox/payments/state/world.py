"""The whole state of the payment sandbox, in memory."""

import contextvars
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.payments.errors import Json
from sandbox.payments.settings import PaymentSettings
from sandbox.payments.state.balance import BalanceTransaction
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.clock import DAY, Clock, Timers
from sandbox.payments.state.dispute import Dispute, EarlyFraudWarning
from sandbox.payments.state.events import Event, EventLog
from sandbox.payments.state.idempotency import KeyStore
from sandbox.payments.state.ids import Ids
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import Customer, PaymentMethod
from sandbox.payments.state.refund import Refund
from sandbox.payments.state.session import Session

if TYPE_CHECKING:
    # Their modules use the world.
    from sandbox.payments.state.files import StoredFile
    from sandbox.payments.state.payouts import Payout
    from sandbox.payments.state.reviews import Review

# Card payments are available two days later, as for accounts in the US.
AVAILABLE_AFTER = 2 * DAY


@dataclass(frozen=True, slots=True)
class Caller:
    """The API request that is executing; both are None for what happens without a request."""

    request: str | None = None
    idempotency_key: str | None = None


_NO_CALLER = Caller()


@dataclass
class Switches:
    """Behaviour that tests change.

    `short_balance` makes refunds wait for funds. `checkout_waits` makes the page wait for the delivery of
    `checkout.session.completed` before it redirects, for up to ten seconds. `refund_seconds` is the time
    until the refunds of the two refund cards change. `async_capture_seconds` is the time until the
    balance transaction of an `automatic_async` payment appears. `strict_return_url` refuses to confirm
    without a return_url if methods that redirect are enabled.
    """

    short_balance: bool = False
    checkout_waits: bool = True
    refund_seconds: int = 3600
    async_capture_seconds: int = 1
    strict_return_url: bool = True


class World:
    """All objects by id, in the order of their creation."""

    def __init__(self, settings: PaymentSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        # The base of the URLs of hosted pages, known once the port is open.
        self.base_url = settings.public_url
        self.webhook_url = settings.webhook_url
        self.webhook_secrets = settings.webhook_secrets
        self._caller: contextvars.ContextVar[Caller] = contextvars.ContextVar(
            "caller", default=_NO_CALLER
        )
        self.log = EventLog(self.settings.webhook_types)
        self.begin()

    def begin(self) -> None:
        """Delete everything except the clock and the webhook endpoint."""
        on_news = self.log.on_news
        self.ids = Ids(self.settings.seed)
        self.timers = Timers(self.clock)
        self.requests: deque[Json] = deque(maxlen=1000)
        self.switches = Switches()
        self.keys = KeyStore(self.clock)
        self.log = EventLog(self.settings.webhook_types)
        self.log.on_news = on_news
        self.intents: dict[str, PaymentIntent] = {}
        self.charges: dict[str, Charge] = {}
        self.refunds: dict[str, Refund] = {}
        self.sessions: dict[str, Session] = {}
        self.disputes: dict[str, Dispute] = {}
        self.warnings: dict[str, EarlyFraudWarning] = {}
        self.payouts: dict[str, Payout] = {}
        self.reviews: dict[str, Review] = {}
        self.files: dict[str, StoredFile] = {}
        self.balance: dict[str, BalanceTransaction] = {}
        self.customers: dict[str, Customer] = {}
        self.methods: dict[str, PaymentMethod] = {}

    def now(self) -> int:
        """Return the sandbox's time in seconds since 1970."""
        return self.clock.now()

    def acting_for(self, caller: Caller) -> contextvars.Token[Caller]:
        """Name the API request to which the following events belong."""
        return self._caller.set(caller)

    def acted(self, token: contextvars.Token[Caller]) -> None:
        """End what `acting_for` began."""
        self._caller.reset(token)

    def run_due(self) -> None:
        """Execute everything that is due by the clock."""
        token = self.acting_for(_NO_CALLER)
        try:
            self.timers.run_due()
        finally:
            self.acted(token)

    def emit(self, type_: str, snapshot: Json, previous: Json | None = None) -> Event:
        """Record an event with the current state of its object, and plan its delivery."""
        caller = self._caller.get()
        event = Event(
            id=self.ids.new("evt"),
            created=self.now(),
            type=type_,
            object=snapshot,
            previous=previous,
            request=caller.request,
            idempotency_key=caller.idempotency_key,
        )
        self.log.record(event, self.ids.new("evt"), self.clock.exact())
        return event

    def book(
        self,
        amount: int,
        currency: str,
        type_: str,
        source: str,
        *,
        fee: int = 0,
        reporting_category: str | None = None,
        available_on: int | None = None,
        **fields: Any,
    ) -> BalanceTransaction:
        """Record one movement of the merchant's balance; it is available now unless stated otherwise."""
        transaction = BalanceTransaction(
            id=self.ids.new("txn"),
            created=self.now(),
            amount=amount,
            fee=fee,
            currency=currency,
            type=type_,
            reporting_category=reporting_category or type_,
            source=source,
            available_on=self.now() if available_on is None else available_on,
            **fields,
        )
        self.balance[transaction.id] = transaction
        return transaction
