"""Settings of the adapter of Stripe."""

import re
from dataclasses import dataclass, field
from typing import Self

from kit.values.env import Env

KEY = re.compile(r"(?P<kind>sk|rk)_(?P<mode>live|test)_[A-Za-z0-9_]+")
METHOD = re.compile(r"[a-z0-9_]{2,40}")
# Payment methods with holds, as far as their capture can be set for each method.
HOLDABLE = frozenset(
    {
        *("card", "link", "paypal", "amazon_pay", "revolut_pay", "klarna", "affirm"),
        *("afterpay_clearpay", "alma", "billie", "mobilepay", "cashapp"),
    }
)


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """Key, address and methods; `timeout` is in seconds. Without a key, nothing can be paid by card."""

    api_key: str = field(default="", repr=False)
    base_url: str = "https://api.stripe.com"
    timeout: float = 20.0
    methods: tuple[str, ...] = ("card",)

    @property
    def live(self) -> bool:
        """True if real money moves."""
        match = KEY.fullmatch(self.api_key)
        return match is not None and match["mode"] == "live"

    @property
    def holds(self) -> bool:
        """True if every allowed payment method can be authorized first and captured later."""
        return HOLDABLE.issuperset(self.methods)

    @classmethod
    def read(cls, env: Env) -> Self:
        api_key = env.text(
            "STRIPE_SECRET_KEY",
            "Secret or restricted API key of your Stripe account (sk_... or rk_...). Empty: nothing"
            " can be paid by card.",
            "",
            secret=True,
        )
        base_url = env.url("STRIPE_BASE_URL", "Base URL of Stripe's API.", "https://api.stripe.com")
        # Stripe answers most calls within two seconds; a confirmation with 3-D Secure takes longer, but
        # those are made by the customer's browser.
        timeout = env.number(
            "STRIPE_TIMEOUT", "Timeout of a call to Stripe, in seconds.", 20, low=1, high=80
        )
        methods = tuple(
            word.strip()
            for word in env.text(
                "STRIPE_PAYMENT_METHODS",
                "Payment methods that customers may use, in Stripe's names and separated by commas."
                " Methods without holds are paid at once, and refunded if the order fails.",
                "card",
            ).split(",")
            if word.strip()
        )
        if api_key and not KEY.fullmatch(api_key):
            env.problems.append(
                "STRIPE_SECRET_KEY must begin with sk_live_, sk_test_, rk_live_ or rk_test_"
            )
        if not methods or not all(map(METHOD.fullmatch, methods)):
            env.problems.append("STRIPE_PAYMENT_METHODS must name payment methods, such as card")
        return cls(api_key, base_url.rstrip("/"), timeout, methods)
