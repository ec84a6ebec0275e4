"""The idempotency keys of refunds that the platform records itself."""

import re
from decimal import Decimal

from kit.values import money

NOT_DELIVERED = "not-delivered"
_OWN = re.compile(r"not-delivered|(won|warning):.*|cancelled-[0-9]+-[0-9.]+")


def of_won_dispute(dispute_id: str) -> str:
    return f"won:{dispute_id}"


def of_fraud_warning(report_id: str) -> str:
    return f"warning:{report_id}"


def of_cancellation(bundles: int, before: Decimal) -> str:
    """Return the key of a cancellation of so many bundles, after others that gave back `before`."""
    return f"cancelled-{bundles}-{money.plain(before):f}"


def is_own(key: str) -> bool:
    """Return whether a key has the form of those above.

    If another refund of the payment had one of them, the platform's own would count as recorded.
    """
    return _OWN.fullmatch(key) is not None
