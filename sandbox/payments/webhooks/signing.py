"""The `Stripe-Signature` header."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

HEADER = "Stripe-Signature"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the HMAC-SHA256 of the time, a dot and the raw body as lower-case hex."""
    return hmac.digest(secret.encode(), b"%d." % timestamp + body, sha256).hex()


def header(secrets: Sequence[str], timestamp: int, body: bytes, *, decoy: bool) -> str:
    """Return the header with one v1 signature for each secret, and an invalid v0 one as a decoy."""
    parts = [f"t={timestamp}"]
    parts += [f"v1={signature(secret, timestamp, body)}" for secret in secrets]
    if decoy:
        parts.append(f"v0={signature('decoy', timestamp, body)}")
    return ",".join(parts)
