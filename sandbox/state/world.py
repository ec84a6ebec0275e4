"""The complete state of one sandbox, without any I/O."""

import heapq
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal

from sandbox.settings import Settings
from sandbox.state.bundles import Bundle
from sandbox.state.catalogue import Catalogue
from sandbox.state.clock import Clock, ClockRow, wall_clock
from sandbox.state.exchange_rates import DailyRates
from sandbox.state.ids import Counters, Ids
from sandbox.state.records import (
    Account,
    Assignment,
    CatalogueChange,
    Delivery,
    Esim,
    LedgerEntry,
    Lot,
    Order,
)
from sandbox.state.rows import AnyTable, Table

# The key of singleton rows.
ONLY = "only"


class World:
    """The tables, the clock and the timers; operations are functions in the other files."""

    def __init__(
        self,
        settings: Settings,
        bundles: Iterable[Bundle],
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._all_bundles = tuple(bundles)
        self._wall = wall
        self.switches = settings.switches
        self.begin(settings)

    def begin(self, settings: Settings) -> None:
        """Reset to the initial state: no eSIM sold, and the machine's clock."""
        self.settings = settings
        self.esims = Table("esim", Esim)
        self.assignments = Table("assignment", Assignment)
        self.orders = Table("order", Order)
        self.lots = Table("lot", Lot)
        self.ledger = Table("ledger", LedgerEntry)
        self.deliveries = Table("delivery", Delivery)
        self.catalogue_changes = Table("catalogue", CatalogueChange)
        self._accounts = Table("account", Account)
        self._clocks = Table("clock", ClockRow)
        self._daily_rates = Table("rates", DailyRates)
        self._counters = Table("counters", Counters)
        self._accounts.add(ONLY, Account(settings.balance, settings.callback_url or ""))
        self._daily_rates.add(ONLY, DailyRates())
        self.clock = Clock(self._clocks.add(ONLY, ClockRow()), self._wall)
        self.ids = Ids(settings.seed, self._counters.add(ONLY, Counters()))
        self.catalogue = Catalogue(self._all_bundles, self.catalogue_changes)
        self._timers: list[tuple[datetime, int, str, str]] = []
        self._timers_set = 0

    @property
    def account(self) -> Account:
        """The organisation's money and callback address."""
        return self._accounts[ONLY]

    @property
    def daily_rates(self) -> DailyRates:
        """What the file of exchange rates contains."""
        return self._daily_rates[ONLY]

    def machine_day(self) -> date:
        """Return the day in UTC by the machine's clock, which the sandbox's own clock may be ahead of."""
        return self._wall().date()

    def tables(self) -> list[AnyTable]:
        return [
            self.esims,
            self.assignments,
            self.orders,
            self.lots,
            self.ledger,
            self.deliveries,
            self.catalogue_changes,
            self._accounts,
            self._clocks,
            self._daily_rates,
            self._counters,
        ]

    def restored(self) -> None:
        """Restore what derives from the tables, after they were loaded from a file."""
        self.clock.row = self._clocks[ONLY]
        self.ids = Ids(self.settings.seed, self._counters[ONLY])
        self.catalogue.replay()
        if self.settings.callback_url is not None:
            self.account.callback_url = self.settings.callback_url

    def at(self, due: datetime, kind: str, key: str) -> None:
        """Set a timer; `timers.settle` runs it at its time."""
        self._timers_set += 1
        heapq.heappush(self._timers, (due, self._timers_set, kind, key))

    def due_timer(self, now: datetime) -> tuple[datetime, str, str] | None:
        """Remove and return the earliest timer that is due, if any."""
        if not self._timers or self._timers[0][0] > now:
            return None
        due, _, kind, key = heapq.heappop(self._timers)
        return due, kind, key

    def book(self, kind: str, amount: Decimal, reference: str, at: datetime) -> None:
        """Change the balance, with an entry in the ledger."""
        self.account.balance += amount
        sequence = self.ids.sequence()
        entry = LedgerEntry(sequence, at, kind, amount, self.account.balance, reference)
        self.ledger.add(str(sequence), entry)
