"""Metrics of five real processes: those of docs/metrics.md exist and change, and each panel gets data."""

import asyncio
import re
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.fixtures.busy_shop import SETTINGS, BusyShop
from tests.fixtures.gateway import Client
from tests.fixtures.local import prometheus
from tests.fixtures.local.one_machine import Starting
from tests.fixtures.local.scraping import PROCESSES, Scrape, scrape
from tests.fixtures.patience import PATIENCE

ROOT = Path(__file__).parents[2]

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\| ([\w, ]+) \|", re.MULTILINE)
# Metrics that never change.
STEADY = {
    *("target_info", "db_client_connection_max", "esimgo_provider_balance_threshold"),
    # Metrics of conditions that don't occur here: slow readers, a database that refuses writes or
    # sends no notifications, a provider that requests a pause, a process that waits, a lost Redis.
    *("esimgo_rpc_connections_closed_total", "esimgo_rpc_unread_bytes"),
    *("esimgo_db_writable", "esimgo_provider_held_seconds", "esimgo_ready"),
    "esimgo_redis_failures_total",
    "esimgo_db_notifications_lost_seconds",
    # The file of exchange rates is read at the start, and no price depends on it here,
    # as plans are sold at their cost.
    *("esimgo_exchange_rates_fetches_total", "esimgo_exchange_rates_skipped"),
    *("esimgo_exchange_rates_held", "esimgo_exchange_rates_stale"),
    "esimgo_catalogue_unsellable_plans",
    # Nothing is paid here.
    *("esimgo_payments_changes_total", "esimgo_payments_open", "esimgo_payments_oldest_seconds"),
    *("esimgo_payments_held", "esimgo_payments_unclear", "esimgo_payments_mismatched_total"),
    *("esimgo_payments_unknown_outcomes_total", "esimgo_refunds_changes_total"),
    *("esimgo_refunds_open", "esimgo_refunds_oldest_seconds"),
    "esimgo_refunds_unknown_outcomes_total",
    # No organization buys here, and nothing is compared within the test.
    "esimgo_batches_finished_total",
    "esimgo_batches_open",
    "esimgo_batches_orders_total",
    "esimgo_batches_waiting_for_balance",
    "esimgo_batches_waiting_seconds",
    "esimgo_sales_checked_seconds",
    "esimgo_sales_differences",
    "esimgo_statements_issued_total",
    # Samples are summed within seconds, and sums are right.
    *("esimgo_usage_lag_seconds", "esimgo_usage_differences"),
    "esimgo_statements_overdue",
}

ASKED = 5


def posts(seen: Scrape) -> float:
    """Return how many requests the gateway answered successfully."""
    name = "http_server_request_duration_seconds_count"
    return seen.value("gateway", name, http_request_method="POST", http_response_status_code="200")


@dataclass(frozen=True, slots=True)
class Documented:
    kind: str
    labels: set[str]
    where: set[str]


def documented() -> dict[str, Documented]:
    """Return the page's rows by metric name."""
    found = {}
    for name, kind, labels, where in ROW.findall((ROOT / "docs" / "metrics.md").read_text()):
        assert name not in found, f"{name} is documented twice"
        shown_by = set(PROCESSES) if where == "all" else set(where.split(", "))
        found[name] = Documented(
            kind, {x.strip() for x in labels.split(",") if x.strip()}, shown_by
        )
    return found


async def test_exactly_the_documented_metrics_exist_and_change_and_all_panels_get_data(
    starting: Starting, one_machine: dict[str, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    assert len(list(prometheus.queries())) > 50
    one_machine.update(SETTINGS)
    async with starting() as up, AsyncExitStack() as parts:
        await up.until("myESIMs")
        api: str | None = None
        if shutil.which("prometheus") is not None:
            api = await parts.enter_async_context(prometheus.running(up, tmp_path))
        before = await scrape(up, http)
        shop = BusyShop(up, http)
        await shop.run_all()
        after = await scrape(up, http)
        # Repeated bytes are not parsed again, but counted as any other request.
        anonymous = Client(f"http://127.0.0.1:{up.environment['GATEWAY_PORT']}", http)
        for _ in range(ASKED):
            assert (await anonymous.ask("{ featuredPlans { id } }")).status == 200
        # A request is counted after its response was sent.
        async with asyncio.timeout(PATIENCE):
            while posts(await scrape(up, http, ["gateway"])) < posts(after) + ASKED:
                await asyncio.sleep(0.1)
        if api is not None:
            await prometheus.check(shop, api)
    page = documented()
    assert len(page) > 35
    assert set(after.kinds) == set(page)
    assert {name: after.kinds[name] for name in page} == {n: row.kind for n, row in page.items()}
    assert {n: after.where[n] - row.where for n, row in page.items()} == {n: set() for n in page}
    assert {n: after.labels.get(n, set()) for n in page} == {n: r.labels for n, r in page.items()}
    # Gauges that rise and fall are observed on the way.
    moments = [*shop.scrapes, after]
    still = {n for n in page if not any(seen.changed(n, before) for seen in moments)}
    assert still <= STEADY
    if api is None:
        pytest.skip("the panels and rules need Prometheus (Debian: apt-get install prometheus)")
