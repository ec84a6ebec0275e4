"""The parts of the eSIMs service, and how they depend on each other."""

from datetime import timedelta

from kit.background import Loop
from kit.db.notify import Notifications
from kit.process.service import Opened
from kit.values.clock import Clock
from providers.esim_go.client import Provider
from services.esims.callbacks.apply import Events
from services.esims.datasource import ESIMsDataSource
from services.esims.live import Live
from services.esims.refresh import Refresh
from services.esims.register import Registration
from services.esims.servicer import Parts
from services.esims.snapshots.expire import BundleExpiry
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow import Poller
from services.esims.snapshots.locate import Locations
from services.esims.suspend import Suspension
from services.esims.update_reference import ReferenceUpdates

# Seconds between rounds of an idle loop, each with one indexed query.
EVERY = 1.0


def wired(
    opened: Opened,
    provider: Provider,
    notifications: Notifications,
    clock: Clock,
    *,
    fresh_for: timedelta,
    read_wait: float,
) -> Parts:
    """Make the parts, and register their loops and what has to be closed."""
    database = opened.database
    source = ESIMsDataSource(provider, opened.cache)
    fetcher = Fetcher(database, source, fresh_for=fresh_for, wait=read_wait, clock=clock)
    opened.closing.push_async_callback(fetcher.close)
    references = ReferenceUpdates(database, source, clock)
    locations = Locations(database, source, clock)
    opened.closing.push_async_callback(locations.close)
    loops = [
        Loop(name, work, opened.stop, every=EVERY)
        for name, work in (
            ("read eSIMs that may have changed", Poller(database, fetcher, clock).poll),
            ("send references to the provider", references.send_pending),
            ("end bundles", BundleExpiry(database, clock).expire),
        )
    ]
    opened.loops.extend(loops)

    def wake() -> None:
        for loop in loops:
            loop.wake()

    return Parts(
        database=database,
        clock=clock,
        source=source,
        fetcher=fetcher,
        registration=Registration(database, clock, wake),
        suspension=Suspension(database, source, fetcher, clock),
        references=references,
        refresh=Refresh(database, source, fetcher, clock),
        events=Events(database, clock, source.forget, wake, locations.look_up),
        live=Live(database, notifications, fetcher, clock),
    )
