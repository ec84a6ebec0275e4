"""Payments of new orders: checks how a customer wants to pay, and records it with the claim."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.values import money
from kit.values.clock import Clock
from services.orders import balance_store
from services.orders.failures import BalanceTooLowError
from services.orders.order import PaidBy, RecoveryPoint
from services.orders.organizations.membership import Billing
from services.orders.payment import Choice, Payment, PaymentMethod, PaymentState, payable_unit
from services.orders.payments import store
from services.orders.payments.guards import Guards
from services.orders.payments.opening import credit, payers
from services.orders.payments.opening.payers import Payer
from services.orders.payments.port import PaymentPort
from services.orders.payments.settings import CHOICES, NOT_CONFIGURED, PaymentMode, PaymentSettings
from services.orders.payments.wallets import wallet_store
from services.orders.status_reasons import MESSAGE_NOT_SOLD, FailureReason

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

NOTHING = Decimal(0)
# If the process dies before it has called the payment provider, another one does after this time.
FIRST_LOOK = timedelta(seconds=10)
# How long an order may wait for a review if it is not paid by card; the hold of a card would end earlier.
MAX_HELD = timedelta(days=7)
ACTOR = "payment"
# Methods that need no step of the customer: an order that is paid by them is bought at once.
READY = frozenset({PaymentMethod.WALLET, PaymentMethod.INVOICE})


@dataclass(frozen=True, slots=True)
class Opening:
    """Who pays for a new order; `payment` belongs to it and is recorded after it, if the customer pays."""

    paid_by: PaidBy
    payment: Payment | None = None

    @property
    def point(self) -> RecoveryPoint:
        """First recovery point: CLAIMED, unless the order has to be paid or reviewed before it is bought."""
        if self.payment is None or (
            self.payment.state is PaymentState.AUTHORIZED and not self.payment.held
        ):
            return RecoveryPoint.CLAIMED
        return RecoveryPoint.AWAITING_PAYMENT


class Openings:
    """Decides how a new order is paid."""

    def __init__(self, settings: PaymentSettings, port: PaymentPort | None, clock: Clock) -> None:
        self._clock = clock
        self._settings = settings
        self._port = port
        self._policy = settings.refund_policy.to_json()
        self._guards = Guards(settings.guards)

    def check(self, payer: Payer, choice: Choice | None) -> Choice | None:
        """Return how the order is paid; None if it is not paid here.

        An organization pays as its billing says, whether or not customers pay. Raises Failure REFUSED:
        PAYMENTS_NOT_CONFIGURED, PAYMENT_REQUIRED or PAYMENT_METHOD_NOT_OFFERED.
        """
        settings = self._settings
        if payer.elsewhere:
            return None
        if settings.mode is not PaymentMode.UNDECIDED and payer.organization is not None:
            choice = payers.by_billing(payer.organization.billing, choice)
            if payer.organization.billing is not Billing.CARD:
                return choice
        if settings.mode is PaymentMode.OFF:
            return None
        if settings.mode is PaymentMode.UNDECIDED:
            episodes.record(
                "purchases are refused, as PAYMENTS is not set", NOT_CONFIGURED, level=logging.ERROR
            )
            raise Failure(
                Kind.REFUSED,
                "PAYMENTS_NOT_CONFIGURED",
                "This shop can't take payments yet, so nothing was bought; ask the shop",
            )
        offered = ", ".join(sorted(settings.methods))
        if choice is None:
            raise Failure(
                Kind.REFUSED,
                "PAYMENT_REQUIRED",
                f"Nothing was bought, as it has to be paid: set `payment` with one of {offered}",
                details={"methods": offered},
            )
        # Only an organization whose billing says so buys on account.
        unknown = choice.method not in settings.methods & CHOICES
        if unknown or (choice.use_wallet and PaymentMethod.WALLET not in settings.methods):
            what = choice.method if unknown else PaymentMethod.WALLET
            raise Failure(
                Kind.REFUSED,
                "PAYMENT_METHOD_NOT_OFFERED",
                f"This shop takes no payments by {what}, so nothing was bought: use one of {offered}",
                details={"methods": offered},
            )
        return choice

    async def prepare(
        self,
        connection: Connection,
        payer: Payer,
        choice: Choice | None,
        total: Decimal,
        currency: str,
    ) -> Opening:
        """Return how an order of that total is paid; `choice` is what `check` returned.

        Raises Failure REFUSED: WALLET_TOO_LOW, PAYMENT_AMOUNT_TOO_SMALL, or NOT_SOLD_NOW while the balance
        at eSIM Go is below its minimum.
        """
        if payer.elsewhere:
            return Opening(PaidBy.ELSEWHERE)
        if self._settings.min_balance > 0:
            balance = await balance_store.newest(connection)
            if balance is not None and balance < self._settings.min_balance:
                episodes.record(
                    "the balance at eSIM Go is below ORDERS_MIN_BALANCE",
                    "customers can't buy: the balance at eSIM Go is below ORDERS_MIN_BALANCE",
                    level=logging.ERROR,
                )
                raise BalanceTooLowError(Kind.REFUSED, FailureReason.NOT_SOLD_NOW, MESSAGE_NOT_SOLD)
        if choice is None:
            return Opening(PaidBy.NOBODY)
        method, from_wallet = await self._split(connection, choice, payer, total, currency)
        payment = await self._new(connection, payer, choice, method, total, from_wallet, currency)
        return Opening(PaidBy.CUSTOMER, payment)

    async def _split(
        self,
        connection: Connection,
        choice: Choice,
        payer: Payer,
        total: Decimal,
        currency: str,
    ) -> tuple[PaymentMethod, Decimal]:
        """Return by which method an order is paid, and how much of it the wallet pays."""
        if total == 0 or choice.method is PaymentMethod.WALLET:
            return PaymentMethod.WALLET, total
        if choice.method is not PaymentMethod.CARD:
            return choice.method, NOTHING
        least = self._port.minimum(currency) if self._port is not None else NOTHING
        from_wallet = NOTHING
        if choice.use_wallet:
            available = await wallet_store.available(connection, payer.wallet_owner, currency)
            if available >= total:
                return PaymentMethod.WALLET, total
            # The card pays at least the smallest amount that the payment provider charges, and its digits.
            from_wallet = max(NOTHING, min(available, total - least))
            from_wallet -= from_wallet % payable_unit(currency)
        if total - from_wallet < least:
            raise Failure(
                Kind.REFUSED,
                "PAYMENT_AMOUNT_TOO_SMALL",
                f"A card pays at least {money.plain(least)} {currency}, so nothing was bought: pay from"
                " the wallet, or order more",
                details={"minimum": str(least), "currency": currency},
            )
        return choice.method, from_wallet

    async def _new(
        self,
        connection: Connection,
        payer: Payer,
        choice: Choice,
        method: PaymentMethod,
        total: Decimal,
        from_wallet: Decimal,
        currency: str,
    ) -> Payment:
        now, session, customer_id = self._clock.wall(), payer.session, payer.customer_id
        organization = payer.organization
        paid, card = method in READY, method is PaymentMethod.CARD
        manual = method is PaymentMethod.MANUAL
        expires_at = now + (self._settings.manual_time if manual else self._settings.card_time)
        payment = blank(
            customer_id=customer_id,
            organization_id=organization.organization_id if organization else None,
            method=method,
            amount=total,
            wallet_amount=from_wallet,
            currency=currency,
            state=PaymentState.AUTHORIZED if paid else PaymentState.AWAITING,
            hosted=card and bool(choice.return_url),
            return_url=choice.return_url if card else "",
            save_method=card and choice.save_method,
            authorized_at=now if paid else None,
            expires_at=expires_at,
            client_address=choice.client_address,
            email_domain=payers.email_domain(session),
            account_created_at=await payers.account_created_at(connection, session, customer_id)
            or now,
            policy=self._policy,
            # The payment provider is called right after the claim: see Starts.first.
            requested_at=now if card else None,
            next_run_at=None if paid else expires_at if manual else now + FIRST_LOOK,
            created_at=now,
        )
        if method is not PaymentMethod.WALLET or organization is not None:
            # Cards are guarded once they are authorized. What organizations buy is bounded by their credit,
            # or by what they paid in advance, and by their budgets.
            return payment
        reason = await self._guards.reason(connection, payment, now, high_risk=False)
        return replace(
            payment,
            held_reason=reason,
            held_at=now if reason else None,
            next_run_at=now + MAX_HELD if reason else None,
        )

    async def lock(self, connection: Connection, opening: Opening) -> None:
        """Lock the wallet that pays: before a coupon, as the transaction that takes the money does."""
        payment = opening.payment
        if payment is not None and payment.wallet_amount:
            await wallet_store.lock(connection, payment.wallet_owner, payment.currency)

    async def record(
        self, connection: Connection, opening: Opening, order_id: UUID
    ) -> Payment | None:
        """Record the payment of an order that was claimed in the same transaction, and hold wallet money.

        On account, the amount is reserved of the organization's credit. Raises Failure REFUSED:
        WALLET_TOO_LOW, and what `credit.check` does; the transaction must then be rolled back.
        """
        if opening.payment is None:
            return None
        if opening.payment.method is PaymentMethod.INVOICE:
            await credit.check(connection, opening.payment)
        payment = await store.insert(connection, replace(opening.payment, order_id=order_id))
        if payment.wallet_amount and not await wallet_store.hold(
            connection,
            payment.wallet_owner,
            payment.currency,
            payment.wallet_amount,
            payment.id,
            ACTOR,
        ):
            raise Failure(
                Kind.REFUSED,
                "WALLET_TOO_LOW",
                f"The wallet has less than {money.plain(payment.wallet_amount)} {payment.currency}, so"
                " nothing was bought: top it up, or pay in another way",
            )
        return payment


def blank(**values: Any) -> Payment:
    """Return a new payment of which only these fields are set."""
    nothing: dict[str, Any] = {
        "id": uuid4(),
        "order_id": None,
        **dict.fromkeys(("captured", "refunded", "refunded_to_card"), NOTHING),
        **dict.fromkeys(("requested_at", "session_id", "intent_id", "charge_id"), None),
        **dict.fromkeys(("capture_before", "held_at", "reviewed_at", "organization_id"), None),
        **dict.fromkeys(("failure", "card_fingerprint", "card_last4", "held_reason"), ""),
        **dict.fromkeys(("reviewed_by", "reference", "detail"), ""),
        **dict.fromkeys(("declines", "looks"), 0),
        "updated_at": values["created_at"],
    }
    return Payment(**(nothing | values))
