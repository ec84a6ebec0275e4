"""Opens a share link: checks its token and PIN, and returns what it shows."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.values.clock import Clock
from services.esims import bundle_store, store
from services.esims.bundle import Bundle
from services.esims.esim import ESIM, ProviderState
from services.esims.profile import FINAL
from services.esims.snapshots.fetch import Fetcher
from services.esims.travelers import share_link, share_link_store
from services.esims.travelers.share_link import (
    LOCKED_FOR,
    MAX_WRONG_PINS,
    SHOWN_AGAIN_FOR,
    ShareLink,
    ShareLinkStatus,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The eSIM behind a link; `with_code` False: its activation code must not be shown."""

    esim: ESIM
    bundles: Sequence[Bundle]
    code_hidden: bool
    with_code: bool


class Opening:
    """Opens links for anyone with the token, and the PIN if there is one."""

    def __init__(self, database: Database, fetcher: Fetcher, clock: Clock) -> None:
        self._database = database
        self._fetcher = fetcher
        self._clock = clock

    async def open(self, token: str, pin: str, time_left: float | None) -> Shown:
        """Return what the link shows, refreshed if there is time; raises Failure as OpenShareLink says."""
        now = self._clock.wall()
        async with self._database.system() as connection:
            outcome = await _opened(connection, token, pin, now)
        # Outside, as a failure would undo the count of wrong PINs.
        if isinstance(outcome, Failure):
            raise outcome
        link = outcome
        async with self._database.system() as connection:
            [esim] = await store.get_many(connection, [link.esim_id])
        await self._fetcher.refresh([esim], time_left=time_left)
        async with self._database.system() as connection:
            [esim] = await store.get_many(connection, [link.esim_id])
            bundles = await bundle_store.list_of_esims(connection, [link.esim_id])
        hidden = _is_hidden(esim, link, now)
        ended = esim.status in FINAL or esim.provider_state is ProviderState.DEACTIVATED
        return Shown(esim, bundles, hidden, with_code=not hidden and not ended)


async def _opened(
    connection: Connection, token: str, pin: str, now: datetime
) -> ShareLink | Failure:
    """Return the link, or why it can't be opened, which the caller raises after the commit."""
    found = await share_link_store.lock(connection, share_link.token_hash(token))
    if found is None:
        return Failure(
            Kind.NOT_FOUND,
            "SHARE_LINK_NOT_FOUND",
            "There is no such link; check that it was copied completely",
        )
    status = found.link.status(now)
    if status is ShareLinkStatus.REVOKED or status is ShareLinkStatus.EXPIRED:
        ended = "was revoked" if status is ShareLinkStatus.REVOKED else "has expired"
        return Failure(
            Kind.REFUSED,
            f"SHARE_LINK_{status}",
            f"This link {ended}; ask the person who sent it for a new one",
        )
    if status is ShareLinkStatus.LOCKED:
        return _locked(found.link.locked_until, now)
    if found.pin_hash is not None:
        if not pin:
            return Failure(
                Kind.FORBIDDEN,
                "SHARE_LINK_PIN_REQUIRED",
                "This link needs the six-digit PIN that you received with it",
            )
        if not hmac.compare_digest(found.pin_hash, share_link.pin_hash(token, pin)):
            wrong = found.wrong_pins + 1
            until = now + LOCKED_FOR if wrong >= MAX_WRONG_PINS else None
            await share_link_store.record_wrong_pin(
                connection, found.link.id, 0 if until else wrong, until
            )
            return _locked(until, now) if until else _wrong(MAX_WRONG_PINS - wrong)
    await share_link_store.record_opened(connection, found.link.id, now)
    return found.link


def _is_hidden(esim: ESIM, link: ShareLink, now: datetime) -> bool:
    """True if a device has installed the eSIM, and the code was not shown again recently."""
    shown_at = link.code_shown_again_at
    shown = shown_at is not None and now < shown_at + SHOWN_AGAIN_FOR
    return esim.installed_at is not None and not shown


def _wrong(left: int) -> Failure:
    tries = "1 try" if left == 1 else f"{left} tries"
    return Failure(
        Kind.FORBIDDEN,
        "SHARE_LINK_PIN_WRONG",
        f"This PIN is wrong; {tries} left before the link is locked for an hour",
        details={"tries_left": str(left)},
    )


def _locked(until: datetime | None, now: datetime) -> Failure:
    seconds = 0.0 if until is None else (until - now).total_seconds()
    minutes = max(1, round(seconds / 60))
    return Failure(
        Kind.EXHAUSTED,
        "SHARE_LINK_LOCKED",
        f"Too many wrong PINs were entered; try again in {minutes} minutes, or ask for a new link",
        retry_after=max(1.0, seconds),
    )
