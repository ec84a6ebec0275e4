"""Funnels and cohorts over gRPC: real orders, access, bad input, and the login of reports."""

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from kit.db.reports import ReportsDatabase
from protos.common.v1 import days_pb2
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import reports_pb2 as pb
from services.orders.reports.lifecycle import Lifecycle
from services.orders.reports.lifecycle_requests import cohorts, funnel
from services.orders.reports.wiring import NEEDS
from tests.component.orders.reports.reporting import Reporting, in_euros, reporting, today
from tests.component.orders.shop import Shop, reaches, request
from tests.fixtures.rpc.refusals import reason_of

YEARS = days_pb2.DayRange(from_day="2000-01-01", to_day="2999-12-31")
TEN_YEARS = days_pb2.DayRange(from_day="2017-01-01", to_day="2026-12-31")
THREE_YEARS = days_pb2.DayRange(from_day="2024-01-01", to_day="2026-12-31")
REVENUE = pb.COHORT_MEASURE_REVENUE


async def get_funnel(shown: Reporting, **fields: Any) -> pb.GetFunnelResponse:
    wanted = pb.GetFunnelRequest(**({"range": today()} | fields))
    answer: pb.GetFunnelResponse = await shown.reports.GetFunnel(wanted, metadata=shown.finance)
    return answer


async def get_cohorts(shown: Reporting, **fields: Any) -> pb.GetCohortsResponse:
    wanted = pb.GetCohortsRequest(**({"range": today()} | fields))
    answer: pb.GetCohortsResponse = await shown.reports.GetCohorts(wanted, metadata=shown.finance)
    return answer


def shape(step: pb.FunnelStep) -> tuple[int, int, int]:
    return step.orders, step.esims, step.top_ups


async def test_a_funnel_counts_what_happened_to_orders(shop: Shop) -> None:
    async with reporting(shop) as shown:
        empty = await get_funnel(shown)
        assert shape(empty.started) == (0, 0, 0)
        assert not empty.HasField("time_to_delivery")
        assert list(empty.failures) == []
        await shown.buy(quantity=2)
        await shown.buy()
        body = {"message": "insufficient balance"}
        await shop.fault(method="POST", path="/orders", status=400, body=body)
        refused = request(shop, idempotency_key="refused", quantity=3)
        failed = (await shown.orders.CreateOrder(refused, metadata=shown.buyer)).order
        await reaches(shop, failed.id, "FAILED")
        found = await get_funnel(shown)
        assert shape(found.started) == shape(found.authorized) == (3, 6, 0)
        assert shape(found.bought) == shape(found.delivered) == (2, 3, 0)
        assert shape(found.failed) == (1, 3, 0)
        assert shape(found.in_progress) == (0, 0, 0)
        [failure] = found.failures
        assert (failure.reason, failure.orders) == ("INSUFFICIENT_BALANCE", 1)
        took = found.time_to_delivery
        assert 0 < took.p50 <= took.p95 == took.p99
        assert found.time_zone == "UTC"
        filtered = await get_funnel(shown, filter=pb.SalesFilter(sources=[pb.SALES_SOURCE_BATCH]))
        assert shape(filtered.started) == (0, 0, 0)


async def test_a_customer_who_buys_again_counts_once(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        await shown.buy(quantity=2)
        shown.buyer = await shop.session("other@example.com")
        await shown.buy()
        [cohort] = (await get_cohorts(shown)).cohorts
        assert (cohort.customers, cohort.period) == (2, today())
        [cell] = cohort.cells
        assert (cell.number, cell.customers, cell.percent, cell.orders) == (0, 2, 100, 3)
        assert not cell.HasField("net")
        sold = (await shown.sales()).totals[0].figures
        revenue = await get_cohorts(shown, measure=REVENUE)
        assert revenue.cohorts[0].cells[0].net == sold.net


async def test_an_erased_customer_is_in_no_cohort(shop: Shop) -> None:
    async with reporting(shop) as shown:
        order = await shown.buy()
        await shown.buy()
        customer = (await shop.row(order.id))["customer_id"]
        await shown.orders.EraseCustomer(
            orders_pb2.EraseCustomerRequest(customer_id=str(customer)), metadata=shop.service_key
        )
        found = await get_cohorts(shown)
        assert (found.cohorts[0].customers, found.erased_orders) == (0, 2)
        # The orders stay in the funnel.
        assert shape((await get_funnel(shown)).delivered) == (2, 2, 0)


async def test_amounts_in_several_currencies_need_one(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        in_euros(shop)
        await shown.buy()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await get_cohorts(shown, measure=REVENUE)
        assert reason_of(refused.value) == "CURRENCY_NEEDED"
        assert "EUR, USD: name the currency" in str(refused.value.details())
        in_dollars = await get_cohorts(shown, measure=REVENUE, currency="USD")
        assert in_dollars.cohorts[0].cells[0].net.currency_code == "USD"
        assert in_dollars.unconverted_facts == 0
        in_yen = await get_cohorts(shown, measure=REVENUE, currency="JPY")
        assert in_yen.unconverted_facts > 0
        assert (await get_cohorts(shown)).cohorts[0].customers == 1


WRONG_FUNNELS: list[tuple[dict[str, Any], str, str]] = [
    ({"range": YEARS}, "RANGE_TOO_LONG", "at most 400 days"),
    ({"range": days_pb2.DayRange(from_day="2026-01-02", to_day="2026-01-01")}, "", "range.to"),
    ({"range": None}, "", "range.from"),
    ({"time_zone": "Mars/Olympus"}, "", "IANA time zone"),
    ({"filter": pb.SalesFilter(durations=[-1])}, "", "durations[0]"),
]
WEEK = pb.COHORT_BY_FIRST_PURCHASE_WEEK
WRONG_COHORTS: list[tuple[dict[str, Any], str, str]] = [
    ({"range": YEARS}, "RANGE_TOO_LONG", "a shorter range"),
    ({"range": YEARS, "by": WEEK}, "RANGE_TOO_LONG", "a shorter range"),
    ({"range": THREE_YEARS, "by": WEEK}, "RANGE_TOO_LONG", "use FIRST_PURCHASE_MONTH"),
    ({"range": TEN_YEARS, "by": WEEK}, "RANGE_TOO_LONG", "use FIRST_PURCHASE_MONTH"),
    ({"by": 7}, "", "by"),
    ({"measure": 7}, "", "measure"),
    ({"currency": "USD"}, "", "must be empty for REPEAT_PURCHASE"),
    ({"currency": "Dollar", "measure": REVENUE}, "", "ISO 4217"),
    ({"time_zone": "Mars/Olympus"}, "", "IANA time zone"),
]


async def test_bad_input_is_refused_with_what_would_work(shop: Shop) -> None:
    async with reporting(shop) as shown:
        for get, wrong in ((get_funnel, WRONG_FUNNELS), (get_cohorts, WRONG_COHORTS)):
            for fields, reason, text in wrong:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await get(shown, **fields)
                assert (fields, reason_of(refused.value)) == (fields, reason or "INVALID_ARGUMENT")
                assert text in str(refused.value.details()), fields
        long = await get_cohorts(shown, range=THREE_YEARS)
        assert len(long.cohorts) == len(long.cohorts[0].cells) == 36
        first, last = long.cohorts[0], long.cohorts[-1]
        assert (first.period.from_day, first.cells[-1].number) == ("2024-01-01", 35)
        assert (last.period.from_day, len(last.cells)) == ("2026-12-01", 1)


async def test_only_the_finance_staff_sees_them(shop: Shop) -> None:
    async with reporting(shop) as shown:
        for role in (None, "support"):
            shown.finance = await shop.session("someone@example.com", role=role)
            for get in (get_funnel, get_cohorts):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await get(shown)
                assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_login_of_reports_reads_them_and_no_secrets(shop: Shop) -> None:
    databases = shop.databases
    async with reporting(shop) as shown:
        await shown.buy()
    url = databases.server.url(databases.name, "orders_reports")
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, url, owner="orders", needs=NEEDS)
        lifecycle = Lifecycle(reports, "UTC")
        counts = (await lifecycle.funnel(funnel(pb.GetFunnelRequest(range=today())))).counts
        assert counts.delivered.orders == 1
        wanted = cohorts(pb.GetCohortsRequest(range=today(), measure=REVENUE))
        assert (await lifecycle.cohorts(wanted)).cohorts[0].customers == 1
        for secret in (
            "select operator_detail from orders.esim_orders",
            "select to_jsonb(o) from orders.esim_orders o",
            "select matching_id from orders.order_esims",
            "select client_address from orders.payments",
        ):
            with pytest.raises(Exception, match="permission denied"):
                async with reports.snapshot() as connection:
                    await connection.fetch(secret)
        await reports.close()


async def test_a_top_up_is_not_an_esim_to_install(shop: Shop) -> None:
    async with reporting(shop) as shown:
        order = await shown.buy()
        force = "update orders.esim_orders set target_esim_id = $2, target_iccid = $3 where id = $1"
        await shown.force(force, UUID(order.id), uuid4(), "8" * 19)
        progress = """insert into orders.esim_progress (esim_id, order_id, first_used_at, version)
                      values ($1, $2, now(), 1)"""
        other = await shown.buy(quantity=2)
        await shown.force(progress, uuid4(), UUID(other.id))
        found = await get_funnel(shown)
        assert shape(found.delivered) == (2, 3, 1)
        # What was used was installed, even if no callback said so.
        assert shape(found.installed) == shape(found.used) == (1, 1, 0)
