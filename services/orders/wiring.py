"""The parts of the orders service, and how they depend on each other."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kit.background import Loop
from kit.db.notify import Notifications
from kit.process.service import Opened
from providers.esim_go.client import Provider
from services.orders.books.check import BooksCheck, DailyCheck
from services.orders.books.movements import Movements
from services.orders.books.servicer import BooksServicer
from services.orders.books.unposted import UnpostedOrders
from services.orders.cancellation.cancel import Cancellation
from services.orders.cancellation.examine import Examination
from services.orders.cancellation.give_back import CancelledRefunds
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
from services.orders.payments import wiring as payments
from services.orders.payments.disputes import wiring as disputes
from services.orders.payments.refund_facts import RefundFacts
from services.orders.payments.run import Payments
from services.orders.payments.servicer import PaymentsServicer
from services.orders.payments.settings import PaymentMode
from services.orders.payments.stripe.connect import connect as connect_stripe
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
    payments: payments.Basics
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
        payments.basics(
            opened.database, settings.payments, connect_stripe(opened, settings.stripe)
        ),
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
        Purchase(
            database,
            datasource,
            delivery,
            settlement,
            shared.prices,
            shared.charges,
            shared.payments.captures,
        ),
        cancellation,
        shared.metrics,
        stop=shared.opened.stop,
        lease=timedelta(seconds=shared.settings.longest_run),
        every=shared.settings.recovery_every,
    )


def _start(recovery: Recovery, order_id: UUID) -> None:
    """Start a purchase without waiting for it."""
    recovery.start(order_id)


def _slow_loops(shared: Shared, check: BooksCheck) -> list[Loop]:
    """Make the loops that compare, post and delete in the background."""
    opened, settings, database = shared.opened, shared.settings, shared.opened.database
    audit = Audit(
        database,
        shared.datasource,
        shared.metrics,
        every=timedelta(seconds=settings.audit_every),
        settling=shared.settling,
        tolerance=shared.tolerance,
    )
    return [
        audit.loop(opened.stop),
        Retention(database, days=settings.history_days, stop=opened.stop).loop(),
        Backfill(database, stop=opened.stop).loop(),
        UnpostedOrders(database, stop=opened.stop).loop(),
        Movements(database, shared.payments.port).loop(opened.stop),
        DailyCheck(database, check).loop(opened.stop),
    ]


@dataclass(frozen=True, slots=True)
class Wired:
    """What the process serves, and the work that it finishes before it stops."""

    orders: OrdersServicer
    coupons: CouponsServicer
    payments: PaymentsServicer
    books: BooksServicer
    recovery: Recovery
    looks: Payments


def wired(
    opened: Opened, settings: Settings, provider: Provider, notifications: Notifications
) -> Wired:
    """Make the servicers and the background work, and register their loops."""
    database, shared = opened.database, _shared(opened, settings, provider)
    examination = Examination(database, shared.datasource)
    refunds = CancelledRefunds(database, shared.esims, shared.payments.refunding)
    cancellation = Cancellation(database, shared.datasource, examination, shared.esims, refunds)
    recovery = _recovery(shared, cancellation)
    provider.holds.on_release(recovery.wake)
    reports = disputes.parts(
        database, shared.payments.port, shared.esims, settings.disputes, stop=opened.stop
    )
    paid = payments.parts(
        shared.payments,
        shared.metrics,
        lambda order_id: _start(recovery, order_id),
        reports=reports,
        live=settings.stripe.live,
        facts=RefundFacts(database, shared.esims),
        stop=opened.stop,
        every=settings.recovery_every,
    )
    discounts = Discounts(database)
    limits = PurchaseLimits(settings.purchase_limits, settings.max_unfinished, shared.metrics)
    check = BooksCheck(database, shared.datasource, shared.payments.port)
    opened.loops.extend([recovery.loop(), paid.payments.loop(), paid.refunds.loop()])
    opened.loops.extend([*_slow_loops(shared, check), *reports.loops()])
    servicer = OrdersServicer(
        database,
        shared.datasource,
        settings.buyers,
        Claims(
            database,
            shared.catalogue,
            shared.esims,
            shared.prices,
            discounts,
            limits,
            shared.payments.openings,
            recovery.begin,
            lease=recovery.lease,
        ),
        Offers(
            shared.catalogue,
            shared.datasource,
            shared.prices,
            discounts,
            paid_here=settings.payments.mode is PaymentMode.REQUIRED,
        ),
        cancellation,
        Previews(examination, refunds),
        recovery,
        paid,
        Live(database, notifications),
        Review(database, shared.datasource, recovery, shared.charges, tolerance=shared.tolerance),
        wait=settings.purchase_wait,
    )
    coupons = CouponsServicer(database, shared.catalogue, discounts)
    return Wired(
        servicer, coupons, paid.servicer, BooksServicer(database, check), recovery, paid.payments
    )
