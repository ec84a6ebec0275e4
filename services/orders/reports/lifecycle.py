"""Reports of orders and customers over time: how far orders got, and who bought again."""

from collections.abc import Sequence
from datetime import date

from kit.db.reports import ReportsDatabase
from kit.errors import Failure, Kind
from kit.reports import periods
from kit.reports.periods import Days
from services.orders.reports import (
    cohort_store,
    funnel_store,
    progress,
    progress_store,
    sales_store,
)
from services.orders.reports.cohort import Cell, Cohort, CohortBy, Cohorts, Measure, WantedCohorts
from services.orders.reports.cohort_store import Amount, Repeats
from services.orders.reports.funnel import Funnel, WantedFunnel
from services.orders.reports.report import NONE
from services.orders.reports.sales import currency_needed

# Orders are counted one by one.
MAX_DAYS = 400
# Rows and columns of a table of cohorts. More can't be read.
MAX_PERIODS = 120


class Lifecycle:
    """Reads funnels and cohorts. `time_zone` is that of reports that name none."""

    def __init__(self, database: ReportsDatabase, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone

    async def funnel(self, wanted: WantedFunnel) -> Funnel:
        """Return how far the orders of a range got; raises Failure INVALID for a too long one."""
        if wanted.days.number > MAX_DAYS:
            raise _too_long(
                f"A funnel may have at most {MAX_DAYS} days, not {wanted.days.number}: use a shorter range",
                {"max_days": str(MAX_DAYS)},
            )
        zone = wanted.time_zone or self._time_zone
        async with self._database.snapshot() as connection:
            state = await sales_store.state(connection, zone)
            counts = await funnel_store.counts(connection, wanted, zone)
            known = await progress_store.complete_at(connection, progress.SOURCE)
        return Funnel(counts, zone, state.as_of, known)

    async def cohorts(self, wanted: WantedCohorts) -> Cohorts:
        """Return the cohorts of a range; raises Failure INVALID if it can't be made as requested."""
        zone, days = wanted.time_zone or self._time_zone, wanted.days
        starts = _starts(wanted)
        found: list[Amount] = []
        async with self._database.snapshot() as connection:
            state = await sales_store.state(connection, zone)
            repeats = await cohort_store.repeats(connection, days, starts, zone)
            if wanted.measure is Measure.REVENUE:
                found = await cohort_store.amounts(connection, days, starts, zone, wanted.currency)
        currencies = sorted({amount.currency for amount in found})
        if len(currencies) > 1:
            raise currency_needed(currencies, "name the currency into which they are converted")
        return Cohorts(
            _cohorts(wanted, periods.split(days, starts), repeats, found),
            wanted.currency or "".join(currencies),
            zone,
            state.as_of,
            state.complete,
            repeats.erased_orders,
            sum(amount.unconverted for amount in found),
        )


def _starts(wanted: WantedCohorts) -> list[date]:
    days, interval, month = wanted.days, wanted.by.interval, CohortBy.FIRST_PURCHASE_MONTH
    if periods.number(days, interval) <= MAX_PERIODS:
        return periods.starts(days, interval)
    fits = periods.number(days, month.interval) <= MAX_PERIODS
    text = (
        f"The range has more than {MAX_PERIODS} periods of one {interval}: use"
        f" {month if fits else 'a shorter range'}"
    )
    details = {"max_periods": str(MAX_PERIODS)} | ({"by": month.value} if fits else {})
    raise _too_long(text, details)


def _too_long(text: str, details: dict[str, str]) -> Failure:
    return Failure(Kind.INVALID, "RANGE_TOO_LONG", text, fields={"range": text}, details=details)


def _cohorts(
    wanted: WantedCohorts, split: Sequence[Days], repeats: Repeats, amounts: Sequence[Amount]
) -> list[Cohort]:
    """Return a cohort for each period, with a cell for each period from then on."""
    is_revenue = wanted.measure is Measure.REVENUE
    nets = {(amount.cohort, amount.period): amount.net for amount in amounts}
    found = []
    for number, period in enumerate(split):
        size, _ = repeats.cells.get((number, number), (0, 0))
        cells = []
        for later in range(number, len(split)):
            customers, orders = repeats.cells.get((number, later), (0, 0))
            cells.append(
                Cell(
                    split[later],
                    customers,
                    round(customers * 100 / size, 2) if size else 0.0,
                    orders,
                    nets.get((number, later), NONE) if is_revenue else None,
                )
            )
        found.append(Cohort(period, size, tuple(cells)))
    return found
