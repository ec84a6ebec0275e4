"""The parts of the catalogue service, and how they depend on each other."""

from kit.db.notify import Notifications
from kit.process.service import Opened
from providers.esim_go.client import Provider
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.live import Live
from services.catalogue.networks.refresh import Networks
from services.catalogue.prices.rate_updates import RateUpdates
from services.catalogue.servicer import CatalogueServicer
from services.catalogue.servicer_prices import PricesServicer
from services.catalogue.settings import Settings
from services.catalogue.snapshot.refresh import Snapshots
from services.catalogue.sync.sync import Sync


def wired(
    opened: Opened, settings: Settings, provider: Provider, notifications: Notifications
) -> tuple[CatalogueServicer, PricesServicer, Sync]:
    """Make the servicers and the sync, and register their loops."""
    sync = Sync(
        opened.database,
        CatalogueDataSource(provider, opened.cache),
        every=settings.sync_seconds,
        allow_shrink=settings.allow_shrink,
        stop=opened.stop,
    )
    snapshots = Snapshots(opened.database, opened.stop)
    networks = Networks(opened.database, provider, opened.stop)
    updates = RateUpdates(
        opened.database,
        opened.http,
        url=settings.rates_url,
        every=settings.rates_seconds,
        stop=opened.stop,
    )
    opened.loops.extend([snapshots.loop, sync.loop(), networks.loop, updates.loop])
    live = Live(opened.database, notifications)
    catalogue = CatalogueServicer(opened.database, sync, live, snapshots)
    return catalogue, PricesServicer(opened.database, updates), sync
