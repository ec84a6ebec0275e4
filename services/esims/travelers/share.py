"""Creates, lists and revokes the links of an eSIM."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.values.clock import Clock
from services.esims import find
from services.esims.esim import ESIM, ProviderState
from services.esims.profile import FINAL
from services.esims.travelers import share_link, share_link_store
from services.esims.travelers.share_link import ShareLink
from services.esims.travelers.share_link_store import NewLink

# One for each of a traveler's devices and relatives; more are a mistake of a program.
MAX_WORKING = 10
MAX_LISTED = 100


@dataclass(frozen=True, slots=True)
class Created:
    """A new link with its secrets, which are not stored; the PIN is empty without one."""

    link: ShareLink
    token: str = field(repr=False)
    pin: str = field(repr=False)


class Sharing:
    """Manages links for who may change the eSIM; each method raises Failure as `find.to_change` does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, session: Session, esim_id: UUID, expires_at: datetime | None, *, with_pin: bool
    ) -> Created:
        """Create a link; raises Failure REFUSED (ESIM_ENDED, TOO_MANY_SHARE_LINKS)."""
        await find.to_change(self._database, session, esim_id)
        token = share_link.new_token()
        pin = share_link.new_pin() if with_pin else ""
        now = self._clock.wall()
        async with self._database.system() as connection:
            esim = await find.locked_to_change(connection, session, esim_id)
            _require_usable(esim)
            # The eSIM's row is locked, so links that are created at the same time count each other.
            if await share_link_store.count_working(connection, esim_id, now) >= MAX_WORKING:
                raise Failure(
                    Kind.REFUSED,
                    "TOO_MANY_SHARE_LINKS",
                    f"This eSIM has {MAX_WORKING} links that work; revoke one first",
                )
            link = await share_link_store.insert(
                connection,
                NewLink(
                    esim_id=esim_id,
                    token_hash=share_link.token_hash(token),
                    pin_hash=share_link.pin_hash(token, pin) if with_pin else None,
                    expires_at=expires_at,
                    created_by=str(session.user_id or "service"),
                ),
            )
        return Created(link, token, pin)

    async def list_links(self, session: Session, esim_id: UUID) -> list[ShareLink]:
        """Return the newest links of an eSIM, also those that have ended."""
        await find.to_change(self._database, session, esim_id)
        async with self._database.session(session) as connection:
            return await share_link_store.list_of_esim(connection, esim_id, MAX_LISTED)

    async def revoke(self, session: Session, link_id: UUID) -> ShareLink:
        """End a link at once; repeatable. Raises Failure NOT_FOUND (SHARE_LINK_NOT_FOUND)."""
        link = await self._find(session, link_id)
        async with self._database.system() as connection:
            await find.locked_to_change(connection, session, link.esim_id)
            return await share_link_store.revoke(connection, link_id, self._clock.wall())

    async def show_code(self, session: Session, link_id: UUID) -> ShareLink:
        """Show the activation code again, until the next installation.

        Raises Failure NOT_FOUND (SHARE_LINK_NOT_FOUND), and REFUSED (SHARE_LINK_ENDED).
        """
        link = await self._find(session, link_id)
        async with self._database.system() as connection:
            await find.locked_to_change(connection, session, link.esim_id)
            shown = await share_link_store.show_code(connection, link_id, self._clock.wall())
        if shown is None:
            raise Failure(
                Kind.REFUSED,
                "SHARE_LINK_ENDED",
                "This link is revoked or has expired; create a new one",
            )
        return shown

    async def _find(self, session: Session, link_id: UUID) -> ShareLink:
        """Return a link of an eSIM that the session may change."""
        async with self._database.session(session) as connection:
            link = await share_link_store.get(connection, link_id)
        if link is None:
            raise Failure(
                Kind.NOT_FOUND,
                "SHARE_LINK_NOT_FOUND",
                "No share link of your eSIMs has this id; list the links of the eSIM",
            )
        await find.to_change(self._database, session, link.esim_id)
        return link


def _require_usable(esim: ESIM) -> None:
    if esim.status in FINAL or esim.provider_state is ProviderState.DEACTIVATED:
        raise Failure(
            Kind.REFUSED,
            "ESIM_ENDED",
            "This eSIM has expired or was cancelled, so there is nothing to share; buy another one",
        )
