"""A link that shows one eSIM, its secrets, and the rules of its PIN."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

# 128 random bits, which are 22 characters.
TOKEN_BYTES = 16
PIN_DIGITS = 6
# After so many wrong PINs in a row the link is locked for this time, so guessing a PIN takes years.
MAX_WRONG_PINS = 5
LOCKED_FOR = timedelta(hours=1)
# How long the activation code of an installed eSIM is shown after its owner requested that.
SHOWN_AGAIN_FOR = timedelta(hours=24)


class ShareLinkStatus(StrEnum):
    """What a link does when it is opened."""

    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class ShareLink:
    """One stored link; its token is not known."""

    id: UUID
    esim_id: UUID
    has_pin: bool
    expires_at: datetime | None
    revoked_at: datetime | None
    locked_until: datetime | None
    code_shown_again_at: datetime | None
    opened_at: datetime | None
    created_at: datetime

    def status(self, now: datetime) -> ShareLinkStatus:
        """Return the status at a time; a link without expiry ends with its eSIM."""
        if self.revoked_at is not None:
            return ShareLinkStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return ShareLinkStatus.EXPIRED
        if self.locked_until is not None and self.locked_until > now:
            return ShareLinkStatus.LOCKED
        return ShareLinkStatus.ACTIVE


def new_token() -> str:
    """Return a new random token, which fits into a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_pin() -> str:
    """Return a new random PIN."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


def token_hash(token: str) -> bytes:
    """Return the hash under which a token is found; its entropy needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def pin_hash(token: str, pin: str) -> bytes:
    """Return the hash of a PIN, which can't be guessed without the token."""
    return hmac.digest(token.encode(), pin.encode(), "sha256")
