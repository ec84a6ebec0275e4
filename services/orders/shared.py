"""The parts of the orders service that several others depend on."""

from dataclasses import dataclass
from datetime import timedelta

from kit.process.service import Opened
from providers.esim_go.client import Provider
from services.orders.datasource import OrdersDataSource
from services.orders.metrics import Metrics
from services.orders.organizations.esims_copy import ESIMsCopy
from services.orders.organizations.propagate import Propagation
from services.orders.payments import wiring as payments
from services.orders.payments.stripe.connect import connect as connect_stripe
from services.orders.peers import Catalogue, ESIMs
from services.orders.purchase.charges import Charges
from services.orders.purchase.prices import Prices
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
    payments: payments.Basics
    propagation: Propagation
    settling: timedelta
    tolerance: timedelta


def make_shared(opened: Opened, settings: Settings, provider: Provider) -> Shared:
    """Make the parts that several others depend on."""
    datasource, metrics = OrdersDataSource(provider, opened.cache, opened.database.clock), Metrics()
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
            opened.database.clock,
            ttl=timedelta(seconds=settings.price_ttl),
            tolerance=settings.price_tolerance,
            holds=timedelta(seconds=settings.price_holds),
        ),
        Charges(metrics, tolerance=settings.price_tolerance),
        payments.basics(
            opened.database, settings.payments, connect_stripe(opened, settings.stripe)
        ),
        Propagation(
            ESIMsCopy(opened.peer(settings.esims_address), key, timeout=settings.propagation_wait)
        ),
        settling=timedelta(seconds=settings.settling),
        tolerance=timedelta(seconds=settings.clock_tolerance),
    )
