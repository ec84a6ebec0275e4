"""The parts of the eSIMs service, and how they depend on each other."""

from dataclasses import dataclass

from kit.background import Loop
from kit.changes import servicer as changes
from kit.changes.deletion import Deletion
from kit.changes.reader import Reader
from kit.db.notify import Notifications
from kit.process.service import Opened
from kit.rpc.guard import Service
from kit.values.clock import Clock
from providers.esim_go.client import Provider
from services.esims.callbacks.apply import Events
from services.esims.datasource import ESIMsDataSource
from services.esims.live import Live
from services.esims.refresh import Refresh
from services.esims.register import Registration
from services.esims.servicer import Parts
from services.esims.settings import Settings
from services.esims.snapshots.expire import BundleExpiry
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.follow import Poller
from services.esims.snapshots.locate import Locations
from services.esims.suspend import Suspension
from services.esims.travelers.open_link import Opening
from services.esims.travelers.replicate import SOURCE, MembershipReplica
from services.esims.travelers.servicer import Parts as TravelersParts
from services.esims.travelers.share import Sharing
from services.esims.update_reference import ReferenceUpdates
from services.esims.usage import wiring as usage

# Seconds between rounds of an idle loop, each with one indexed query.
EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Made:
    """The parts of both servicers, and the service of this owner's changes."""

    esims: Parts
    travelers: TravelersParts
    changes: Service


def wired(
    opened: Opened,
    provider: Provider,
    notifications: Notifications,
    clock: Clock,
    settings: Settings,
) -> Made:
    """Make the parts, and register their loops and what has to be closed."""
    database = opened.database
    source = ESIMsDataSource(provider, opened.cache)
    fetcher = Fetcher(
        database, source, fresh_for=settings.fresh_for, wait=settings.read_wait, clock=clock
    )
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
    if settings.orders_address:
        memberships = Reader(
            SOURCE,
            opened.peer(settings.orders_address),
            settings.service.sessions.service_role_key,
            MembershipReplica(database),
            opened.stop,
        )
        opened.loops.append(memberships.loop())
    deletion = Deletion(
        database, "esims", days=settings.changes_days, keep_newest=("esim",), stop=opened.stop
    )
    opened.loops.append(deletion.loop())
    opened.loops.extend(
        usage.loops(
            database,
            time_zone=settings.reports.time_zone,
            sample_days=settings.usage_sample_days,
            stop=opened.stop,
        )
    )

    def wake() -> None:
        for loop in loops:
            loop.wake()

    esims = Parts(
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
    travelers = TravelersParts(
        database=database,
        clock=clock,
        sharing=Sharing(database, clock),
        opening=Opening(database, fetcher, clock),
    )
    return Made(esims, travelers, changes.service(database, "esims", notifications, opened.stop))
