"""Settings of payments: who has to pay, by which methods, and how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlsplit

from kit.values.env import Env
from services.orders.payment import PaymentMethod
from services.orders.payments import guards
from services.orders.payments.policy import RefundPolicy, RefundPolicyError
from services.orders.payments.stripe.settings import StripeSettings
from services.orders.payments.wallets.top_up_limits import TopUpLimits, TopUpLimitsError

# eSIMs bought at this address cost money.
ESIM_GO_HOST = "api.esim-go.com"
STRIPE_URL = "https://api.stripe.com"
NOT_CONFIGURED = (
    "PAYMENTS is not set, so customers can't buy: set PAYMENTS=required to sell to those who pay"
    " (docs/payments.md), or PAYMENTS=off to let all signed-in users buy at your cost"
)


class PaymentMode(StrEnum):
    """Who pays for the orders of customers. UNDECIDED: it is not set, so nothing is sold to them."""

    OFF = "off"
    REQUIRED = "required"
    UNDECIDED = ""


class AtExpiry(StrEnum):
    """What happens to a hold that is about to expire while it is unclear whether its order was bought."""

    CAPTURE = "capture"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """The settings of payments. An unpaid order is given up after `card_time` or `manual_time`."""

    mode: PaymentMode = PaymentMode.OFF
    methods: frozenset[PaymentMethod] = frozenset({PaymentMethod.CARD, PaymentMethod.WALLET})
    card_time: timedelta = timedelta(minutes=30)
    manual_time: timedelta = timedelta(days=7)
    at_expiry: AtExpiry = AtExpiry.CAPTURE
    guards: Mapping[str, Decimal] = field(default_factory=dict)
    min_balance: Decimal = Decimal(0)
    refund_policy: RefundPolicy = field(default_factory=RefundPolicy)
    top_ups: TopUpLimits = field(default_factory=TopUpLimits)

    @classmethod
    def read(cls, env: Env, provider_url: str, stripe: StripeSettings) -> "PaymentSettings":
        """Declare and read the variables; `provider_url` is eSIM Go's address."""
        found = cls(
            mode=_mode(env, provider_url),
            methods=_methods(env),
            # Stripe's own pages allow 30 minutes to 24 hours.
            card_time=timedelta(
                minutes=env.number(
                    "PAYMENT_MINUTES",
                    "How long a customer has to pay an order by card, in minutes. Then the order fails"
                    " with PAYMENT_EXPIRED.",
                    30,
                    low=1,
                    high=1380,
                )
            ),
            manual_time=timedelta(
                days=env.number(
                    "MANUAL_PAYMENT_DAYS",
                    "How long an order waits for a manual payment, such as a bank transfer, in days.",
                    7,
                    low=0.01,
                    high=90,
                )
            ),
            at_expiry=AtExpiry(
                env.choice(
                    "UNCLEAR_AT_EXPIRY",
                    "What to do with a card's hold that ends within 24 hours while it is unclear whether"
                    " its order was bought: capture takes the money, and refunds it if nothing was"
                    " bought; release ends the hold without taking the money. The order goes to review in"
                    " both cases.",
                    "capture",
                    tuple(AtExpiry),
                )
            ),
            guards=_guards(env),
            min_balance=Decimal(
                str(
                    env.number(
                        "ORDERS_MIN_BALANCE",
                        "Balance at eSIM Go, in the currency of the account there, below which customers"
                        " can't buy; 0 means no limit. CreateOrderForCustomer is exempt.",
                        0,
                        low=0,
                        high=1_000_000_000,
                    )
                )
            ),
            refund_policy=_policy(env),
            top_ups=_top_ups(env),
        )
        found._check(env, provider_url, stripe)
        return found

    @property
    def cards(self) -> bool:
        """True if orders can be paid by card."""
        return PaymentMethod.CARD in self.methods

    def _check(self, env: Env, provider_url: str, stripe: StripeSettings) -> None:
        """Report settings that contradict each other."""
        key, live = stripe.api_key, stripe.live
        real_stripe = urlsplit(stripe.base_url).hostname == urlsplit(STRIPE_URL).hostname
        if self.mode is PaymentMode.REQUIRED and self.cards and not key:
            env.problems.append(
                "PAYMENTS=required with cards needs a key: set STRIPE_SECRET_KEY, or leave card out of"
                " PAYMENT_METHODS"
            )
        if live and not real_stripe:
            env.problems.append(
                f"STRIPE_SECRET_KEY is a live key, but STRIPE_BASE_URL is not {STRIPE_URL}: a live key"
                " must not be sent elsewhere"
            )
        if self.mode is PaymentMode.REQUIRED and key and not live and is_real(provider_url):
            env.problems.append(
                "STRIPE_SECRET_KEY is a test key, with which test cards would buy real eSIMs: set a live"
                " key, or let ESIM_GO_BASE_URL name the sandbox"
            )


def is_real(provider_url: str) -> bool:
    """Return whether this is the real provider, which sells real eSIMs."""
    return urlsplit(provider_url).hostname == ESIM_GO_HOST


def _mode(env: Env, provider_url: str) -> PaymentMode:
    text = env.text(
        "PAYMENTS",
        "required: customers pay before anything is bought for them. off: signed-in users buy at your"
        " cost, such as in a company. Empty: off, except with eSIM Go's real address, where customers"
        " then can't buy. CreateOrderForCustomer is not affected.",
        "",
    ).lower()
    if text not in ("", "off", "required"):
        env.problems.append(f"PAYMENTS must be off or required, not {text!r}")
    if text == "required":
        return PaymentMode.REQUIRED
    if text == "off" or not is_real(provider_url):
        return PaymentMode.OFF
    env.notices.append(NOT_CONFIGURED)
    return PaymentMode.UNDECIDED


# How customers may pay. Whether an organization buys on account is decided by its billing instead.
CHOICES = frozenset(PaymentMethod) - {PaymentMethod.INVOICE}


def _methods(env: Env) -> frozenset[PaymentMethod]:
    names = ", ".join(method.lower() for method in PaymentMethod if method in CHOICES)
    text = env.text(
        "PAYMENT_METHODS",
        f"How customers may pay, separated by commas: {names}. manual: the finance staff records the"
        " payment.",
        "card,wallet",
    )
    words = {word.strip().upper() for word in text.split(",") if word.strip()}
    if not words or not words <= CHOICES:
        env.problems.append(f"PAYMENT_METHODS must name some of {names}, not {text!r}")
        return frozenset()
    return frozenset(map(PaymentMethod, words))


def _guards(env: Env) -> dict[str, Decimal]:
    text = env.text(
        "PAYMENT_GUARDS",
        "Limits above which a paid order is not bought until a person has looked at it, as name=value"
        f" separated by commas: {', '.join(guards.NAMES)}. Amounts count payments in the order's"
        " currency; hours and days are the last 60 minutes and 24 hours. young_account_hours applies to"
        " orders above young_account_amount (0 by default); high_risk=1 to payments that the payment"
        " provider rates as risky. off means no limit.",
        "high_risk=1",
    )
    if text.lower() == "off":
        return {}
    try:
        return guards.parse(text)
    except guards.GuardsError as error:
        env.problems.append(f"PAYMENT_GUARDS: {error}")
        return {}


def _policy(env: Env) -> RefundPolicy:
    text = env.text(
        "REFUND_POLICY",
        "What customers get back when they cancel a paid order, as name=value separated by commas:"
        " window_days (14), only_if_not_installed (true), only_if_unused (true), fee (percent that is kept,"
        " 0), to (card: back to where it came from, or wallet). An order keeps the policy with which it was"
        " bought.",
        "",
    )
    try:
        return RefundPolicy.parse(text)
    except RefundPolicyError as error:
        env.problems.append(f"REFUND_POLICY: {error}")
        return RefundPolicy()


def _top_ups(env: Env) -> TopUpLimits:
    text = env.text(
        "WALLET_TOP_UPS",
        "Smallest and largest top-up of a wallet by currency, such as USD=5-500,EUR=5-500. Only these"
        " currencies can be topped up. Empty: all, from the smallest amount that a card can pay.",
        "",
    )
    try:
        return TopUpLimits.parse(text)
    except TopUpLimitsError as error:
        env.problems.append(f"WALLET_TOP_UPS: {error}")
        return TopUpLimits()
