"""Keeps the metrics of sales up to date."""

import asyncio

from kit.background import Loop
from kit.db.reports import ReportsDatabase
from services.orders.reports import sales_store, survey_store
from services.orders.reports.metrics import SalesMetrics

# Seconds between two surveys. Each reads at most 30 days of sums.
SURVEY_EVERY = 30.0


class SalesSurvey:
    """Reads the sums of sales by day, which every replica exports the same."""

    def __init__(self, database: ReportsDatabase, metrics: SalesMetrics, time_zone: str) -> None:
        self._database = database
        self._metrics = metrics
        self._time_zone = time_zone

    def loop(self, stop: asyncio.Event) -> Loop:
        return Loop("survey sales", self.round, stop, every=SURVEY_EVERY)

    async def round(self) -> None:
        """Export the figures, unless days are still being summed in the time zone of the setting."""
        async with self._database.snapshot() as connection:
            state = await sales_store.state(connection, self._time_zone)
            if not state.summed:
                return
            found = await survey_store.survey(connection, self._time_zone)
        self._metrics.survey(found)
