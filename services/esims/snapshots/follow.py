"""Polls eSIMs at the provider until their bundle is in force, and again when it ends."""

from datetime import datetime, timedelta
from uuid import UUID

from kit.db.database import Database
from kit.telemetry import tracing
from kit.values.clock import Clock
from services.esims import store
from services.esims.esim import ESIM, needs_following
from services.esims.snapshots import follow_store
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow_store import Due

# Longer than a fetch with its retries; then another replica, or this one after a crash, polls the eSIM.
LEASE = timedelta(seconds=60)
# eSIMs of one round: two requests each, and the platform has ten a second for everything.
AT_ONCE = 5
# Bundles are mostly set up at once, so the first polls come soon: after 5, 10, 20, .. seconds.
FIRST_PAUSE = timedelta(seconds=5)
# A bundle that waits for its journey is polled four times a day: 10,000 of them cost one request a
# second.
MAX_PAUSE = timedelta(hours=6)
# Most journeys begin within a quarter of buying; afterwards only customers' requests refresh the status.
FOLLOWED_FOR = timedelta(days=90)


class Watch:
    """Polls eSIMs that are due; the due time is a column, so that it survives a restart."""

    def __init__(self, database: Database, fetcher: Fetcher, clock: Clock) -> None:
        self._database = database
        self._fetcher = fetcher
        self._clock = clock

    async def look(self) -> int:
        """Fetch the eSIMs that are due, schedule their next polls, and return how many were due."""
        async with self._database.system() as connection:
            due = await follow_store.claim_follows(connection, self._clock.wall(), LEASE, AT_ONCE)
        if not due:
            return 0
        with tracing.root_span("look at eSIMs", {"esimgo.esims": len(due)}):
            await self._read(due)
        return len(due)

    async def _read(self, due: list[Due]) -> None:
        await self._fetcher.refresh_all([item.esim for item in due])
        now = self._clock.wall()
        async with self._database.system() as connection:
            after: dict[UUID, ESIM] = {
                esim.id: esim
                for esim in await store.get_many(connection, [item.esim.id for item in due])
            }
            await follow_store.schedule_follows(
                connection,
                [(item, next_look(after[item.esim.id], item, now)) for item in due],
                now,
            )


def next_look(esim: ESIM, due: Due, now: datetime) -> datetime | None:
    """Return the time of the next poll of an eSIM; None: not before a bundle on it ends."""
    # A poll without an answer is repeated, also one that was only to confirm a suspension. The answer to
    # an earlier query of another replica may miss the change that this poll is for.
    answered = esim.as_of is not None and esim.as_of >= due.until - LEASE
    if answered and not needs_following(esim):
        return None
    pause = min(FIRST_PAUSE * 2 ** min(due.count - 1, 20), MAX_PAUSE)
    at = now + pause
    return at if at - esim.created_at < FOLLOWED_FOR else None
