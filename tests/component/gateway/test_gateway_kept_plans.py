"""The plans of orders and eSIMs come from memory until the catalogue reports a change."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.sandboxes import Auth

ORDER = "query ($id: ID!) { orderDetails(id: $id) { dataPlan { title availableQuantity } } }"
PLAN_ID = "00000000-0000-4000-8000-000000000001"


class Catalogue:
    """The stand-in's plan and its streams of revisions, which the test continues and ends."""

    def __init__(self, gateway: Gateway) -> None:
        self._stand_in = gateway.catalogue
        self._revision: int | None = None
        self._reported = asyncio.Event()
        gateway.catalogue.answers["WatchRevision"] = self._revisions

    async def _revisions(self, _: Any) -> AsyncIterator[catalogue_pb2.WatchRevisionResponse]:
        while self._revision is not None:
            reported = self._reported
            yield catalogue_pb2.WatchRevisionResponse(revision=self._revision)
            await reported.wait()

    def report(self, revision: int | None) -> None:
        """Report a revision on every stream; None ends them and all later ones."""
        self._revision = revision
        self._reported.set()
        self._reported = asyncio.Event()

    def name_plan(self, title: str) -> None:
        plan = catalogue_pb2.DataPlan(id=PLAN_ID, title=title)
        answer = catalogue_pb2.BatchGetPlansResponse(plans=[plan])
        self._stand_in.answers["BatchGetPlans"] = answer

    @property
    def reads(self) -> int:
        return int(self._stand_in.calls["BatchGetPlans"])


@pytest.fixture
def catalogue(gateway: Gateway) -> Catalogue:
    order = orders_pb2.Order(id="o", plan_id=PLAN_ID)
    gateway.orders.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order)
    return Catalogue(gateway)


async def plan_of_order(client: Client, order_id: str = "o") -> Any:
    return (await client.ask(ORDER, id=order_id)).data["orderDetails"]["dataPlan"]


async def until_kept(client: Client, catalogue: Catalogue) -> None:
    """Read the order until its plan comes from memory."""
    async with asyncio.timeout(PATIENCE):
        before = -1
        while before != (before := catalogue.reads):
            await plan_of_order(client)


async def until_title(client: Client, title: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await plan_of_order(client))["title"] != title:
            await asyncio.sleep(0)


async def test_a_cached_plan_is_read_again_when_the_catalogue_changes_or_stops_reporting(
    gateway: Gateway, ann: Client, catalogue: Catalogue
) -> None:
    async with gateway.another(ann, response_cache_seconds=0) as client:
        catalogue.name_plan("first")
        catalogue.report(1)
        await until_kept(client, catalogue)
        catalogue.name_plan("second")
        assert (await plan_of_order(client))["title"] == "first"
        catalogue.report(2)
        await until_title(client, "second")
        await until_kept(client, catalogue)
        catalogue.name_plan("third")
        catalogue.report(None)
        await until_title(client, "third")


async def test_the_staff_reads_the_plan_as_it_is_now(
    gateway: Gateway, ann: Client, auth: Auth, catalogue: Catalogue
) -> None:
    async with gateway.another(ann) as client:
        catalogue.name_plan("first")
        catalogue.report(1)
        await until_kept(client, catalogue)
        catalogue.name_plan("second")
        staff = client.signed_in(await auth.token("root@example.com", admin=True))
        assert (await plan_of_order(staff))["title"] == "second"


async def test_a_plan_that_was_hidden_shows_as_hidden_in_the_orders_of_customers(
    platform: Platform,
) -> None:
    customer = await platform.customer("ann@example.com")
    order = await platform.buy(customer)
    plan = "query ($id: ID!) { orderDetails(id: $id) { dataPlan { id availableQuantity } } }"
    shown = (await customer.ask(plan, id=order["id"])).data["orderDetails"]["dataPlan"]
    assert shown["availableQuantity"] > 0
    await platform.hide(shown["id"])
    async with asyncio.timeout(PATIENCE):
        while (await plan_of_order(customer, order["id"]))["availableQuantity"]:
            await asyncio.sleep(0.01)
