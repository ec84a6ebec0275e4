"""The parts of disputes, and how they depend on each other."""

import asyncio
from dataclasses import dataclass

from kit.background import Loop
from kit.db.database import Database
from services.orders.payments.disputes.evidence import Evidence
from services.orders.payments.disputes.read import ReportReading
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.disputes.show import ShownDisputes
from services.orders.payments.disputes.watch import DisputeWatch
from services.orders.payments.port import PaymentPort
from services.orders.peers import ESIMs


@dataclass(frozen=True, slots=True)
class DisputeParts:
    """What shows disputes, and the watch over them; None without a payment provider."""

    shown: ShownDisputes
    watch: DisputeWatch | None

    def wake(self) -> None:
        """Look for due reports now."""
        if self.watch is not None:
            self.watch.wake()

    def loops(self) -> list[Loop]:
        return self.watch.loops() if self.watch is not None else []


def parts(
    database: Database,
    port: PaymentPort | None,
    esims: ESIMs,
    settings: DisputeSettings,
    *,
    stop: asyncio.Event,
) -> DisputeParts:
    """Make the parts of disputes."""
    shown = ShownDisputes(database, Evidence(database, esims))
    if port is None:
        return DisputeParts(shown, None)
    reading = ReportReading(database, port, esims, settings)
    watch = DisputeWatch(database, port, reading, poll_every=settings.poll_every, stop=stop)
    return DisputeParts(shown, watch)
