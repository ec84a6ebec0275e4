"""Change streams of eSIMs for subscribers: the eSIMs as they are now, and again after each change."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kit import background
from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Connection, Database
from kit.db.notify import Notifications
from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.values.clock import Clock
from services.esims import bundle_store, find, list_esims, list_store, store
from services.esims.bundle import Bundle, Usage, by_esim, usage_of
from services.esims.esim import ESIM
from services.esims.list_store import Filter
from services.esims.profile import awaits_install
from services.esims.settings import FRESH_FOR
from services.esims.snapshots.fetch import MAX_WITH_STATE, Fetcher

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# The channel that the triggers on the tables notify.
CHANNEL = "esimgo_esims"
# A notice about a membership has this before the id of the person.
MEMBER = "member:"
# As many as in one page of a list: a customer with more eSIMs has to list the rest in pages.
MAX_INITIAL = 500
# A customer who watches an eSIM that isn't installed is probably installing it, and not every install causes
# a callback. So the service polls, and doubles the pause up to the usual age of stored values.
FIRST_POLL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """Which eSIMs to watch: those named, or else all of the customer's or of the organization's."""

    esim_ids: Sequence[UUID]
    customer_id: UUID | None
    organization_id: UUID | None = None

    def includes(self, esim: ESIM, session: Session) -> bool:
        """True for an eSIM that the session may see and that is among those to watch."""
        if self.esim_ids:
            return True
        if self.organization_id is not None:
            return esim.organization_id == self.organization_id
        if esim.traveler is not None and esim.traveler.user_id == self.customer_id:
            return True
        own = esim.organization_id is None or session.role in SUFFICIENT[Role.ADMIN]
        return esim.customer_id == self.customer_id and own


@dataclass(frozen=True, slots=True)
class ESIMUpdate:
    """An eSIM with its usage; `updated_at` is when any of its values was last reported."""

    esim: ESIM
    usage: Usage
    updated_at: datetime


class Live:
    """Watches eSIMs in the database, whichever process changes them."""

    def __init__(
        self, database: Database, notifications: Notifications, fetcher: Fetcher, clock: Clock
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._fetcher = fetcher
        self._clock = clock

    async def watch(
        self, session: Session, watched: WatchRequest
    ) -> AsyncIterator[list[ESIMUpdate]]:
        """Yield all watched eSIMs, then those that changed since the last message, without end.

        Raises Failure NOT_FOUND for a named eSIM that the session may not see, or no longer, and for an
        organization of which it is no member, or no longer; UNAVAILABLE when the database is.
        """
        ids: Sequence[UUID | None] = watched.esim_ids
        ids = ids or [watched.organization_id or watched.customer_id]
        # What a member may see depends on the membership as well.
        topics = [*map(str, ids), f"{MEMBER}{session.user_id}"]
        with self._notifications.subscribe(topics) as listener:
            seen = await self._all(session, watched)
            yield seen
            if watched.esim_ids:
                # Stale ones are refreshed in the background, and their changes arrive here.
                await self._fetcher.refresh([one.esim for one in seen], time_left=0)
            polling = background.start(
                self._poll_for_installs(session, watched.esim_ids), "poll for installs"
            )
            try:
                while True:
                    changed = await listener.changes()
                    if changed is None or any(id_.startswith(MEMBER) for id_ in changed):
                        yield await self._all(session, watched)
                    elif seen := await self._some(session, watched, [UUID(id_) for id_ in changed]):
                        yield seen
            finally:
                polling.cancel()

    async def _poll_for_installs(self, session: Session, ids: Sequence[UUID]) -> None:
        """Refresh eSIMs that are not installed until they are; their changes arrive as any other."""
        pause = FIRST_POLL
        while 1 <= len(ids) <= MAX_WITH_STATE:
            await asyncio.sleep(pause.total_seconds())
            try:
                async with self._database.session(session) as connection:
                    esims = await store.get_many(connection, ids)
            except Failure as failure:
                episodes.record(
                    "polling for installs is retried later",
                    "polling for an install is retried later: %s",
                    failure.reason,
                    level=logging.INFO,
                )
                continue
            waiting = [esim for esim in esims if awaits_install(esim)]
            if not waiting:
                return
            # Other watchers poll too: skip what one of them has just refreshed.
            now = self._clock.wall()
            self._fetcher.refresh_later(
                [e for e in waiting if e.is_stale(now, pause / 2, state_too=True)]
            )
            pause = min(2 * pause, FRESH_FOR)

    async def _all(self, session: Session, watched: WatchRequest) -> list[ESIMUpdate]:
        if watched.esim_ids:
            return await self._some(session, watched, watched.esim_ids)
        asked = Filter(customer_id=watched.customer_id, organization_id=watched.organization_id)
        async with self._database.session(session) as connection:
            only = await list_esims.visible(connection, session, asked)
            return await _with_bundles(
                connection, await list_store.list_page(connection, only, None, MAX_INITIAL)
            )

    async def _some(
        self, session: Session, watched: WatchRequest, ids: Sequence[UUID]
    ) -> list[ESIMUpdate]:
        """Return those of the eSIMs that the session may see, without others than the watched."""
        async with self._database.session(session) as connection:
            esims = await store.get_many(connection, ids)
            if watched.esim_ids and len(esims) < len(set(ids)):
                raise find.not_found()
            return await _with_bundles(
                connection, [esim for esim in esims if watched.includes(esim, session)]
            )


async def _with_bundles(connection: Connection, esims: Sequence[ESIM]) -> list[ESIMUpdate]:
    bundles = by_esim(await bundle_store.list_of_esims(connection, [esim.id for esim in esims]))
    return [_update(esim, bundles[esim.id]) for esim in esims]


def _update(esim: ESIM, bundles: Sequence[Bundle]) -> ESIMUpdate:
    updated_at = max([esim.updated_at, *(bundle.read_at for bundle in bundles)])
    return ESIMUpdate(esim, usage_of(bundles, as_of=esim.bundles_read_at), updated_at)
