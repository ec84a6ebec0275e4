"""Metrics of sales, for dashboards and the alert on how long the balance lasts."""

from kit.telemetry import metrics
from services.orders.reports.report import Figures
from services.orders.reports.survey_store import Survey

PERIODS = ("today", "30d")
AMOUNTS = ("gross", "tax", "refunds", "disputes", "net", "cost", "fees", "margin")
MB = 1_000_000


class SalesMetrics:
    """Gauges of the last survey. A currency or destination without sales in it has no series."""

    def __init__(self) -> None:
        period_and_currency = ("period", "currency")
        self._orders = metrics.gauge(
            "esimgo_sales_orders", "Orders that were sold today and in 30 days", period_and_currency
        )
        self._amounts = metrics.gauge(
            "esimgo_sales_amount",
            "Amounts of sales today and in 30 days, by figure",
            ("figure", *period_and_currency),
        )
        self._data = metrics.gauge(
            "esimgo_sales_data_bytes", "Data in the plans that were sold today", ("period",)
        )
        self._areas = metrics.gauge(
            "esimgo_sales_area_orders", "Orders of 30 days by sold destination", ("area",)
        )
        self._spending = metrics.gauge(
            "esimgo_provider_spending_per_day",
            "Average cost of a day since midnight of the day before yesterday",
            ("currency",),
        )

    def survey(self, found: Survey) -> None:
        """Replace the figures by those of a survey."""
        # Nothing is awaited in between, so no scrape is answered without them.
        for gauge in (self._orders, self._amounts, self._data, self._areas, self._spending):
            gauge.clear()
        by_key = {(one.period, one.currency): one.figures for one in found.sold}
        for period in PERIODS:
            for currency in {one.currency for one in found.sold}:
                self._set(period, currency, by_key.get((period, currency), Figures()))
        self._data.labels("today").set(found.data_mb * MB)
        for area, number in found.areas.items():
            self._areas.labels(area).set(number)
        for currency, cost in found.spending.items():
            self._spending.labels(currency).set(cost)

    def _set(self, period: str, currency: str, figures: Figures) -> None:
        self._orders.labels(period, currency).set(figures.orders)
        for name in AMOUNTS:
            self._amounts.labels(name, period, currency).set(float(getattr(figures, name)))
