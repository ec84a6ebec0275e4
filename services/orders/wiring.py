"""The parts of the orders service, and how they depend on each other."""

from dataclasses import dataclass
from datetime import timedelta

from kit.db.notify import Notifications
from kit.process.service import Opened
from providers.esim_go.client import Provider
from services.orders.cancellation.cancel import Cancellation
from services.orders.cancellation.examine import Examination
from services.orders.cancellation.preview import Previews
from services.orders.coupons.redeem import Discounts
from services.orders.coupons.servicer import CouponsServicer
from services.orders.datasource import OrdersDataSource
from services.orders.live import Live
from services.orders.metrics import Metrics
from services.orders.operators.audit import Audit
from services.orders.operators.backfill import Backfill
from services.orders.operators.retention import Retention
from services.orders.operators.review import Review
from services.orders.peers import Catalogue, ESIMs
from services.orders.purchase.advance import Purchase
from services.orders.purchase.charges import Charges
from services.orders.purchase.claim import Claims
from services.orders.purchase.deliver import Delivery
from services.orders.purchase.limits import PurchaseLimits
from services.orders.purchase.offers import Offers
from services.orders.purchase.prices import Prices
from services.orders.purchase.settle import Settlement
from services.orders.recovery.recover import Recovery
from services.orders.servicer import OrdersServicer
from services.orders.settings import Settings


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts that several others depend on."""

    opened: Opened
    settings: Settings
    datasource: OrdersDataSource
    metrics: Metrics
    catalogue: Catalogue
    esims: ESIMs
    prices: Prices
    charges: Charges
    settling: timedelta
    tolerance: timedelta


def _shared(opened: Opened, settings: Settings, provider: Provider) -> Shared:
    """Make the parts that several others depend on."""
    datasource, metrics = OrdersDataSource(provider, opened.cache), Metrics()
    metrics.low_balance(settings.low_balance)
    key = settings.service.sessions.service_role_key
    return Shared(
        opened,
        settings,
        datasource,
        metrics,
        Catalogue(opened.peer(settings.catalogue_address), key, timeout=settings.peer_wait),
        ESIMs(opened.peer(settings.esims_address), key, timeout=settings.peer_wait),
        Prices(
            datasource,
            ttl=timedelta(seconds=settings.price_ttl),
            tolerance=settings.price_tolerance,
            holds=timedelta(seconds=settings.price_holds),
        ),
        Charges(metrics, tolerance=settings.price_tolerance),
        settling=timedelta(seconds=settings.settling),
        tolerance=timedelta(seconds=settings.clock_tolerance),
    )


def _recovery(shared: Shared, cancellation: Cancellation) -> Recovery:
    database, datasource = shared.opened.database, shared.datasource
    delivery = Delivery(database, datasource, shared.esims)
    settlement = Settlement(
        database, datasource, shared.charges, settling=shared.settling, tolerance=shared.tolerance
    )
    return Recovery(
        database,
        Purchase(database, datasource, delivery, settlement, shared.prices, shared.charges),
        cancellation,
        shared.metrics,
        stop=shared.opened.stop,
        lease=timedelta(seconds=shared.settings.longest_run),
        every=shared.settings.recovery_every,
    )


def wired(
    opened: Opened, settings: Settings, provider: Provider, notifications: Notifications
) -> tuple[OrdersServicer, CouponsServicer, Recovery]:
    """Make the servicers and the recovery, and register their loops."""
    database, shared = opened.database, _shared(opened, settings, provider)
    examination = Examination(database, shared.datasource)
    cancellation = Cancellation(database, shared.datasource, examination, shared.esims)
    recovery = _recovery(shared, cancellation)
    provider.holds.on_release(recovery.wake)
    discounts = Discounts(database)
    limits = PurchaseLimits(settings.purchase_limits, settings.max_unfinished, shared.metrics)
    audit = Audit(
        database,
        shared.datasource,
        shared.metrics,
        every=timedelta(seconds=settings.audit_every),
        settling=shared.settling,
        tolerance=shared.tolerance,
    )
    retention = Retention(database, days=settings.history_days, stop=opened.stop)
    backfill = Backfill(database, stop=opened.stop)
    opened.loops.extend(
        [recovery.loop(), audit.loop(opened.stop), retention.loop(), backfill.loop()]
    )
    servicer = OrdersServicer(
        database,
        shared.datasource,
        settings.buyers,
        Claims(database, shared.catalogue, shared.esims, shared.prices, discounts, limits),
        Offers(shared.catalogue, shared.datasource, shared.prices, discounts),
        cancellation,
        Previews(examination),
        recovery,
        Live(database, notifications),
        Review(database, shared.datasource, recovery, shared.charges, tolerance=shared.tolerance),
        wait=settings.purchase_wait,
    )
    return servicer, CouponsServicer(database, shared.catalogue, discounts), recovery
