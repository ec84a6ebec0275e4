"""Verifies the signatures of Stripe's events, with Stripe's official library."""

import time
from collections.abc import Sequence
from enum import StrEnum

import stripe

HEADER = "Stripe-Signature"
# Seconds between signing and reception; Stripe signs each attempt again.
TOLERANCE = 300


class Verdict(StrEnum):
    """The result of a verification; all but VALID are codes of refusals."""

    VALID = "VALID"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    UNSIGNED = "UNSIGNED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    OLD_TIMESTAMP = "OLD_TIMESTAMP"


def verify(
    body: bytes, headers: Sequence[str], secrets: Sequence[str], now: float | None = None
) -> Verdict:
    """Verify the raw body against any of the secrets; `headers` are all values of the header.

    `now` is in seconds since 1970, by default by the clock of this machine.
    """
    if not secrets:
        return Verdict.NOT_CONFIGURED
    if not headers:
        return Verdict.UNSIGNED
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Verdict.BAD_SIGNATURE
    if len(headers) > 1:
        return Verdict.BAD_SIGNATURE
    signed = [secret for secret in secrets if _is_signed(text, headers[0], secret, None)]
    if not signed:
        return Verdict.BAD_SIGNATURE
    # The library compares the time with the clock of this machine. It takes 0 for no limit.
    tolerance = TOLERANCE + (0 if now is None else round(time.time() - now)) or 1
    recent = any(_is_signed(text, headers[0], secret, tolerance) for secret in signed)
    return Verdict.VALID if recent else Verdict.OLD_TIMESTAMP


def _is_signed(text: str, header: str, secret: str, tolerance: int | None) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(text, header, secret, tolerance))
    # It compares the signature with text that may not be ASCII, which raises TypeError.
    except (stripe.SignatureVerificationError, TypeError, ValueError):
        return False
