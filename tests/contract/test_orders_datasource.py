"""The orders datasource against the example responses and a running sandbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

import sandbox.server
from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.telemetry import metrics
from providers.esim_go.client import Provider, ProviderSettings
from sandbox.settings import Settings
from sandbox.switches import Switches
from services.orders.datasource import OrdersDataSource
from services.orders.order import Refund
from services.orders.provider.provider_bundle import read_bundles, read_refund
from services.orders.provider.provider_order import (
    read_esims,
    read_order,
    read_orders,
    read_validation,
)
from tests.fixtures.examples import Examples, each_set


@each_set
@pytest.mark.parametrize(
    ("name", "esims"),
    [
        ("order-transaction-assign.json", 2),
        ("order-transaction-existing-esim.json", 1),
        ("order-transaction-no-assign.json", 0),
        ("order-detail.json", 2),
    ],
)
def test_orders_are_parsed(examples: Examples, name: str, esims: int) -> None:
    body = examples.response(name)
    order = read_order(body)
    (line,) = body["order"]
    assert (order.item, order.quantity) == (line["item"], line["quantity"])
    assert [esim.iccid for esim in order.esims] == line.get("iccids", [])
    assert len(order.esims) == esims
    assert order.currency == body["currency"]
    assert isinstance(order.total, Decimal)
    assert str(order.total) == str(body["total"])
    assert order.completed
    assert order.created_at is not None
    assert order.created_at.tzinfo is UTC
    assert all(esim.installable for esim in order.esims)


@each_set
@pytest.mark.parametrize("name", ["orders-list.json", "orders-list-with-iccids.json"])
def test_lists_are_parsed_and_only_purchases_have_an_item(examples: Examples, name: str) -> None:
    body = examples.response(name)
    rows, pages = read_orders(body)
    orders = [read_order(row) for row in rows]
    assert pages is None
    purchases = [row["order"][0]["type"] == "bundle" for row in body]
    assert [order.item is not None for order in orders] == purchases
    assert set(purchases) == {True, False}


@each_set
def test_a_validation_is_parsed(examples: Examples) -> None:
    body = examples.response("order-validate.json")
    answer = read_validation(body)
    assert (answer.valid, answer.total, answer.currency) == (True, body["total"], body["currency"])


@each_set
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("assignments.json", 1),
        ("assignments-multiple.json", 2),
        ("assignments-install-url.json", 1),
    ],
)
def test_install_details_are_parsed(examples: Examples, name: str, number: int) -> None:
    esims = read_esims(examples.response(name))
    assert len(esims) == number
    assert all(esim.installable for esim in esims)


@each_set
def test_bundles_are_parsed(examples: Examples) -> None:
    bundles = read_bundles(examples.response("esim-bundles.json"))
    assert bundles
    assert all(b.assignment_id and b.bundle_name and b.reference for b in bundles)


@each_set
def test_a_revocation_reports_its_refund(examples: Examples) -> None:
    status = examples.response("revoke.json")["status"]
    expected = Refund.BALANCE if "to balance" in status else Refund.INVENTORY
    assert read_refund(status) is expected


@dataclass(frozen=True, slots=True)
class Bench:
    source: OrdersDataSource
    running: sandbox.server.Running
    bundle: str

    @property
    def switches(self) -> Switches:
        return self.running.world.switches

    async def fault(self, **wanted: Any) -> None:
        """Replace the next response to such a request."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{self.running.control_url}/faults", json={"status": 200, **wanted}
            ) as answer,
        ):
            assert answer.status < 300


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    running = await sandbox.server.start(Settings(port=0, switches=Switches(tokens_per_second=0)))
    with metrics.separate_registry():
        cache = Cache.open(None, namespace="orders")
        async with aiohttp.ClientSession() as http:
            provider = Provider(http, ProviderSettings(running.url, "sandbox-api-key"))
            bundle = next(b for b in running.world.catalogue.all() if not b.autostart)
            yield Bench(OrdersDataSource(provider, cache), running, bundle.name)
        await cache.close()
    await running.stop()


def since() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


async def test_a_purchase_is_returned_by_every_method(bench: Bench) -> None:
    bought = await bench.source.create_order(bench.bundle, 2)
    assert (bought.item, bought.quantity, len(bought.esims)) == (bench.bundle, 2, 2)
    assert await bench.source.get_order(bought.reference) == bought
    assert await bench.source.get_orders(since()) == [bought]
    assert await bench.source.get_order_assignments(bought.reference) == list(bought.esims)


async def test_an_order_that_was_not_requested_is_a_bad_response(bench: Bench) -> None:
    bought = await bench.source.create_order(bench.bundle, 1)
    other = {"orderReference": "another", "order": [{"type": "bundle", "item": "b", "quantity": 1}]}
    await bench.fault(method="GET", path="/orders/*", body=other)
    with pytest.raises(Failure) as raised:
        await bench.source.get_order(bought.reference)
    assert raised.value.reason == "PROVIDER_BAD_ANSWER"


async def test_validating_costs_nothing(bench: Bench) -> None:
    answer = await bench.source.validate_order(bench.bundle, 2)
    assert answer.valid
    assert answer.total is not None
    assert len(bench.running.world.ledger) == 0


async def test_an_unknown_bundle_is_refused(bench: Bench) -> None:
    for call in (bench.source.create_order, bench.source.validate_order):
        with pytest.raises(Failure) as raised:
            await call("esim_no_such", 1)
        assert raised.value.kind is Kind.REFUSED


@pytest.mark.parametrize("shape", ["array", "object"])
async def test_every_page_is_read_even_if_pages_are_smaller_than_requested(
    bench: Bench, shape: str
) -> None:
    bench.switches.orders_shape = shape
    bench.switches.orders_page_most = 3
    bought = {(await bench.source.create_order(bench.bundle, 1)).reference for _ in range(8)}
    orders = await bench.source.get_orders(since())
    assert {order.reference for order in orders} == bought


@pytest.mark.parametrize("shape", ["array", "object"])
async def test_orders_placed_while_the_list_is_read_hide_no_older_ones(
    bench: Bench, shape: str
) -> None:
    bench.switches.orders_shape = shape
    bench.switches.orders_page_most = 2
    older = {(await bench.source.create_order(bench.bundle, 1)).reference for _ in range(6)}
    # The first page is made before two more orders are placed, so the second one repeats it.
    fault = {"method": "GET", "path": "/orders", "effect": "done", "delay_seconds": 0.5}
    faults = f"{bench.running.control_url}/faults"
    async with aiohttp.ClientSession() as http:
        await http.post(faults, json=fault)
        reading = asyncio.create_task(bench.source.get_orders(since()))
        while (await (await http.get(faults)).json())["faults"]:
            await asyncio.sleep(0)  # until the request has arrived
    for _ in range(2):
        await bench.source.create_order(bench.bundle, 1)
    assert older <= {order.reference for order in await reading}


async def test_a_list_whose_page_numbers_are_ignored_is_read_once(bench: Bench) -> None:
    bought = await bench.source.create_order(bench.bundle, 1)
    rows = [{"orderReference": bought.reference, "order": []}]
    await bench.fault(method="GET", path="/orders", status=200, body=rows, count=0)
    assert [o.reference for o in await bench.source.get_orders(since())] == [bought.reference]


async def test_a_page_that_is_null_is_the_end_of_the_list(bench: Bench) -> None:
    bench.switches.orders_page_most = 1
    await bench.source.create_order(bench.bundle, 1)
    newest = await bench.source.create_order(bench.bundle, 1)
    await bench.fault(method="GET", path="/orders", skip=1, body="null")
    assert await bench.source.get_orders(since()) == [newest]
    await bench.fault(method="GET", path="/orders", body="null")
    with pytest.raises(Failure):  # an error page that may hide orders
        await bench.source.get_orders(since())


async def test_orders_outside_the_requested_time_are_omitted(bench: Bench) -> None:
    await bench.source.create_order(bench.bundle, 1)
    bench.running.world.clock.advance(timedelta(days=2))
    later = await bench.source.create_order(bench.bundle, 1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert [o.reference for o in await bench.source.get_orders(tomorrow)] == [later.reference]
    before = await bench.source.get_orders(since(), tomorrow)
    assert [o.reference for o in before] != [later.reference]
    assert len(before) == 1


@pytest.mark.parametrize("key", ["smdpAddress", "rspUrl"])
async def test_install_details_are_bare_host_names_under_either_key(bench: Bench, key: str) -> None:
    bench.switches.assignments_address = key
    bench.switches.smdp_scheme = True
    bought = await bench.source.create_order(bench.bundle, 2)
    found = await bench.source.get_order_assignments(bought.reference)
    assert len(found) == 2
    assert all(e.smdp_address and "/" not in e.smdp_address for e in found)


async def test_cached_install_details_are_fetched_once(bench: Bench) -> None:
    bought = await bench.source.create_order(bench.bundle, 1)
    first = await bench.source.get_cached_order_assignments(bought.reference)
    second = await bench.source.get_cached_order_assignments(bought.reference)
    assert first == second == list(bought.esims)
    labels = {"kind": "order_assignments", "outcome": "hit"}
    assert metrics.registry().get_sample_value("esimgo_cache_requests_total", labels) == 1


@pytest.mark.parametrize(
    ("refunds", "to_balance", "expected"),
    [(True, True, Refund.BALANCE), (True, False, Refund.INVENTORY), (False, True, Refund.NONE)],
)
async def test_a_revocation_reports_its_refund_in_the_response_and_in_the_history(
    bench: Bench, refunds: bool, to_balance: bool, expected: Refund
) -> None:
    bench.switches.refunds = refunds
    bought = await bench.source.create_order(bench.bundle, 1)
    iccid = bought.esims[0].iccid
    [bundle] = await bench.source.get_bundles(iccid)
    assert bundle.unused
    assert bundle.belongs_to(bought.reference)

    async def cancel(*, validate: bool) -> str:
        return await bench.source.cancel_order(
            iccid, bench.bundle, bundle.assignment_id, to_balance=to_balance, validate=validate
        )

    assert read_refund(await cancel(validate=True)) is expected
    assert (await bench.source.get_bundles(iccid))[0].unused
    assert read_refund(await cancel(validate=False)) is expected
    assert all(b.state == "revoked" for b in await bench.source.get_bundles(iccid))
    refunded = {name for name, of in await bench.source.get_events(iccid) if of == bench.bundle}
    assert any("refunded" in name.lower() for name in refunded) is (expected is not Refund.NONE)
    with pytest.raises(Failure) as raised:
        await cancel(validate=False)
    assert raised.value.kind is Kind.REFUSED


async def test_an_unreadable_response_to_a_purchase_is_unclear(bench: Bench) -> None:
    await bench.fault(method="POST", path="/orders", body={"status": "completed"})
    with pytest.raises(Failure) as raised:
        await bench.source.create_order(bench.bundle, 1)
    assert raised.value.kind is Kind.UNCLEAR
