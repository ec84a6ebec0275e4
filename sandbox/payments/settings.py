"""Settings of the payment sandbox."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 4012
DEFAULT_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 - not a secret: the sandbox has no other key
DEFAULT_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - the same
# What an endpoint is subscribed to that is set up as docs/webhooks.md says.
DEFAULT_WEBHOOK_TYPES = (
    *("payment_intent.amount_capturable_updated", "payment_intent.processing"),
    *("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"),
    *("checkout.session.*", "refund.*", "charge.dispute.*"),
    *("radar.early_fraud_warning.*", "review.*"),
)


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """Settings of one payment sandbox.

    Events are sent to `webhook_url`, or only recorded if it is empty or their type matches none of
    `webhook_types`, which are names and patterns such as `refund.*`. Each attempt carries one signature
    for each of `webhook_secrets`, as during a rotation. `public_url` is the base of the URLs of hosted
    pages; empty means the address on which the sandbox listens. With a `seed` the same requests produce
    the same ids; without one, ids never repeat over restarts.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    secret_key: str = field(default=DEFAULT_SECRET_KEY, repr=False)
    webhook_url: str = ""
    webhook_secrets: tuple[str, ...] = field(default=(DEFAULT_WEBHOOK_SECRET,), repr=False)
    webhook_types: tuple[str, ...] = DEFAULT_WEBHOOK_TYPES
    public_url: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.secret_key:
            raise ValueError("the secret key must not be empty")
        if not self.webhook_secrets or not all(self.webhook_secrets):
            raise ValueError("at least one webhook secret is required, and none may be empty")
        if not 0 <= self.port <= 65_535:
            raise ValueError("the port must be from 0 to 65535")


def from_environment(environment: Mapping[str, str] = os.environ) -> PaymentSettings:
    """Read SANDBOX_PAYMENTS_*; raise ValueError for an invalid value.

    A secret may also be in a file named by NAME_FILE, as containers get secrets.
    """

    def value(name: str, default: str) -> str:
        variable = f"SANDBOX_PAYMENTS_{name}"
        if file := environment.get(f"{variable}_FILE"):
            return Path(file).read_text().strip()
        return environment.get(variable, "").strip() or default

    seed = value("SEED", "")
    secrets = value("WEBHOOK_SECRET", DEFAULT_WEBHOOK_SECRET)
    return PaymentSettings(
        host=value("HOST", "127.0.0.1"),
        port=_whole("PORT", value("PORT", str(DEFAULT_PORT))),
        secret_key=value("SECRET_KEY", DEFAULT_SECRET_KEY),
        webhook_url=value("WEBHOOK_URL", ""),
        webhook_secrets=tuple(secret.strip() for secret in secrets.split(",")),
        webhook_types=tuple(
            one.strip()
            for one in value("WEBHOOK_TYPES", ",".join(DEFAULT_WEBHOOK_TYPES)).split(",")
        ),
        public_url=value("PUBLIC_URL", "").rstrip("/"),
        seed=_whole("SEED", seed) if seed else None,
    )


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"SANDBOX_PAYMENTS_{name} must be a whole number, not {text!r}") from None
