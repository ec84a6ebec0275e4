"""The parts of the orders service, and how they depend on each other."""

from dataclasses import dataclass
from datetime import timedelta

from kit.background import Loop
from kit.changes import servicer as changes
from kit.changes.deletion import Deletion
from kit.db.notify import Notifications
from kit.process.service import Opened
from kit.rpc.guard import Service
from providers.esim_go.client import Provider
from services.orders.api_keys import wiring as api_keys
from services.orders.batches import wiring as batches
from services.orders.books.check import BooksCheck, DailyCheck
from services.orders.books.movements import Movements
from services.orders.books.servicer import BooksServicer
from services.orders.books.unposted import UnpostedOrders
from services.orders.budgets import wiring as budgets
from services.orders.cancellation.cancel import Cancellation
from services.orders.cancellation.examine import Examination
from services.orders.cancellation.give_back import CancelledRefunds
from services.orders.cancellation.preview import Previews
from services.orders.coupons.redeem import Discounts
from services.orders.coupons.servicer import CouponsServicer
from services.orders.export_links import wiring as export_links
from services.orders.exports import wiring as exports
from services.orders.live import Live
from services.orders.operators.audit import Audit
from services.orders.operators.backfill import Backfill
from services.orders.operators.retention import Retention
from services.orders.operators.review import Review
from services.orders.organizations import wiring as organizations
from services.orders.organizations.departures import Departures
from services.orders.payments import wiring as payments
from services.orders.payments.buying import Buying
from services.orders.payments.disputes import wiring as disputes
from services.orders.payments.refunds.refund_facts import RefundFacts
from services.orders.payments.run import Payments
from services.orders.payments.servicer import PaymentsServicer
from services.orders.payments.settings import PaymentMode
from services.orders.purchase.advance import Purchase
from services.orders.purchase.balances import Balances
from services.orders.purchase.claim import Claims
from services.orders.purchase.deliver import Delivery
from services.orders.purchase.limits import PurchaseLimits
from services.orders.purchase.offers import Offers
from services.orders.purchase.settle import Settlement
from services.orders.purchase.turn import BatchTurn
from services.orders.recovery.recover import Recovery
from services.orders.reports import wiring as reports
from services.orders.servicer import OrdersServicer
from services.orders.servicer_operators import Operations
from services.orders.settings import Settings
from services.orders.shared import Shared, make_shared
from services.orders.statements import wiring as statements


def _recovery(shared: Shared, cancellation: Cancellation) -> Recovery:
    database, datasource = shared.opened.database, shared.datasource
    delivery = Delivery(database, datasource, shared.esims)
    settlement = Settlement(
        database, datasource, shared.charges, settling=shared.settling, tolerance=shared.tolerance
    )
    balances = Balances(database, shared.opened.stop)
    shared.opened.closing.push_async_callback(balances.close)
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
            BatchTurn(
                database,
                pause=timedelta(seconds=shared.settings.batch_pause),
                longest_call=timedelta(seconds=shared.settings.provider.timeout),
            ),
            balances,
        ),
        cancellation,
        shared.metrics,
        stop=shared.opened.stop,
        lease=timedelta(seconds=shared.settings.longest_run),
        every=shared.settings.recovery_every,
    )


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
    # Those that this process serves besides.
    further: list[Service]


def wired(
    opened: Opened, settings: Settings, provider: Provider, notifications: Notifications
) -> Wired:
    """Make the servicers and the background work, and register their loops."""
    database, shared = opened.database, make_shared(opened, settings, provider)
    examination = Examination(database, shared.datasource)
    refunds = CancelledRefunds(database, shared.esims, shared.payments.refunding)
    cancellation = Cancellation(database, shared.datasource, examination, shared.esims, refunds)
    recovery = _recovery(shared, cancellation)
    provider.holds.on_release(recovery.wake)
    disputed = disputes.parts(
        database, shared.payments.port, shared.esims, settings.disputes, stop=opened.stop
    )
    paid = payments.parts(
        shared.payments,
        shared.metrics,
        Buying(recovery.begin, recovery.lease),
        reports=disputed,
        live=settings.stripe.live,
        facts=RefundFacts(database, shared.esims),
        stop=opened.stop,
        every=settings.recovery_every,
    )
    discounts = Discounts(database)
    limits = PurchaseLimits(settings.purchase_limits, settings.max_unfinished, shared.metrics)
    check = BooksCheck(database, shared.datasource, shared.payments.port)
    opened.loops.extend([recovery.loop(), paid.payments.loop(), paid.refunds.loop()])
    opened.loops.extend([*_slow_loops(shared, check), *disputed.loops()])
    claims = Claims(
        database,
        shared.catalogue,
        shared.esims,
        shared.prices,
        discounts,
        limits,
        shared.payments.openings,
        recovery.begin,
        shared.metrics,
        lease=recovery.lease,
    )
    bulk = _batches(shared, claims, notifications)
    opened.loops.append(bulk.loop)
    servicer = OrdersServicer(
        database,
        shared.datasource,
        settings.buyers,
        claims,
        Offers(
            database,
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
        Operations(
            database,
            Review(
                database,
                shared.datasource,
                recovery,
                shared.charges,
                paid.payments.look,
                tolerance=shared.tolerance,
            ),
            Departures(database, shared.propagation),
        ),
        wait=settings.purchase_wait,
    )
    coupons = CouponsServicer(database, shared.catalogue, discounts)
    return Wired(
        servicer,
        coupons,
        paid.servicer,
        BooksServicer(database, check),
        recovery,
        paid.payments,
        [*_further(shared, notifications), bulk.service],
    )


def _batches(shared: Shared, claims: Claims, notifications: Notifications) -> batches.BatchParts:
    settings = shared.settings
    return batches.parts(
        shared.opened.database,
        shared.catalogue,
        shared.esims,
        shared.payments.openings,
        claims,
        notifications,
        settings.buyers,
        settings.service.sessions.service_role_key,
        pause=settings.batch_pause,
        stop=shared.opened.stop,
        every=settings.recovery_every,
    )


def _further(shared: Shared, notifications: Notifications) -> list[Service]:
    """Make the services that depend on no purchase."""
    opened, settings = shared.opened, shared.settings
    billing, issuing = statements.service(opened.database, settings.statements, opened.stop)
    opened.loops.append(issuing)
    opened.loops.append(
        Deletion(
            opened.database,
            "orders",
            days=settings.changes_days,
            keep_newest=("membership",),
            stop=opened.stop,
        ).loop()
    )
    reading = opened.reports(settings.reports, owner="orders", needs=reports.NEEDS)
    zone = settings.reports.time_zone
    return [
        organizations.service(
            opened.database,
            shared.propagation,
            invitations_valid=timedelta(days=settings.invitation_days),
            url=settings.invitation_url,
        ),
        *api_keys.services(opened, shared.propagation, live=settings.live),
        changes.service(opened.database, "orders", notifications, opened.stop),
        budgets.service(opened.database),
        billing,
        export_links.service(opened.database),
        reports.service(opened, reading, zone, opened.peer(settings.esims_address)),
        exports.service(opened.database, reading, zone),
    ]
