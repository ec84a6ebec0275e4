"""The parts of payments, and how they depend on each other."""

import asyncio
from dataclasses import dataclass

from kit.db.database import Database
from services.orders.metrics import Metrics
from services.orders.payments.buying import Buying
from services.orders.payments.capture import Captures
from services.orders.payments.decide import Decisions
from services.orders.payments.disputes.wiring import DisputeParts
from services.orders.payments.events import PaymentEvents
from services.orders.payments.guards import Guards
from services.orders.payments.holds import Holds
from services.orders.payments.metrics import PaymentMetrics, RefundMetrics
from services.orders.payments.observe import Observation
from services.orders.payments.opening.opening import Openings
from services.orders.payments.paying import Paying
from services.orders.payments.port import PaymentPort
from services.orders.payments.refunds.refund import Refunding
from services.orders.payments.refunds.refund_facts import RefundFacts
from services.orders.payments.refunds.refund_order import OrderRefunds
from services.orders.payments.refunds.refund_run import RefundRuns
from services.orders.payments.release import Releases
from services.orders.payments.run import Payments
from services.orders.payments.servicer import PaymentsServicer
from services.orders.payments.settings import PaymentMode, PaymentSettings
from services.orders.payments.start import Starts
from services.orders.payments.taking import Taking
from services.orders.payments.wallets.top_up import TopUps


@dataclass(frozen=True, slots=True)
class Basics:
    """What a purchase needs of payments."""

    database: Database
    settings: PaymentSettings
    port: PaymentPort | None
    starts: Starts
    taking: Taking
    metrics: PaymentMetrics
    refunding: Refunding
    openings: Openings
    captures: Captures


def basics(database: Database, settings: PaymentSettings, port: PaymentPort | None) -> Basics:
    """Make the parts that a purchase needs."""
    metrics = PaymentMetrics()
    starts, taking = Starts(database, port), Taking(metrics)
    return Basics(
        database,
        settings,
        port,
        starts,
        taking,
        metrics,
        Refunding(RefundMetrics()),
        Openings(settings, port, database.clock),
        Captures(database, starts, taking, metrics),
    )


@dataclass(frozen=True, slots=True)
class PaymentParts:
    """What serves payments, and works on them."""

    payments: Payments
    refunds: RefundRuns
    paying: Paying
    decisions: Decisions
    servicer: PaymentsServicer


def parts(
    base: Basics,
    orders: Metrics,
    buying: Buying,
    *,
    reports: DisputeParts,
    live: bool,
    facts: RefundFacts,
    stop: asyncio.Event,
    every: float,
) -> PaymentParts:
    """Make the parts that need to start purchases; `live` is the payment provider's mode."""
    database, starts, taking = base.database, base.starts, base.taking
    guards = Guards(base.settings.guards)
    observation = Observation(database, starts, guards, taking, base.metrics, orders, buying)
    top_ups = TopUps(database, starts, base.settings, base.metrics)
    payments = Payments(
        database,
        observation,
        Releases(database, starts, taking, base.refunding),
        Holds(database, starts, taking, base.settings.at_expiry),
        base.metrics,
        stop=stop,
        every=every,
        required=base.settings.mode is PaymentMode.REQUIRED,
        top_up=top_ups.look,
    )
    paying = Paying(database, starts, payments)
    decisions = Decisions(database, taking, orders, buying, payments.wake, payments.look)
    refunds = RefundRuns(database, starts, base.refunding, RefundMetrics(), stop=stop, every=every)
    by_staff = OrderRefunds(database, base.refunding, refunds)
    events = PaymentEvents(database, payments.begin, refunds.wake, reports.wake, live=live)
    servicer = PaymentsServicer(
        database, paying, decisions, by_staff, facts, top_ups, events, reports.shown
    )
    return PaymentParts(payments, refunds, paying, decisions, servicer)
