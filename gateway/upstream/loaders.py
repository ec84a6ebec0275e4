"""Batched reads for nested fields: one call per owner and level, whatever the number of rows."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, Protocol, TypeVar

from gateway.upstream.batches import Loader
from gateway.upstream.peers import Peers
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2

Value = TypeVar("Value")

# The most orders that the service examines in one call.
MOST_CANCELLATIONS = 20


class Caller(Protocol):
    """What loaders need of the request that they serve: a context."""

    @property
    def peers(self) -> Peers: ...

    async def call(self, method: Callable[..., Awaitable[Value]], request: Any, /) -> Value: ...

    async def ask_catalogue(
        self, method: Callable[..., Awaitable[Value]], request: Any, /
    ) -> Value: ...


class Loaders:
    """The loaders of one request; an id that the services leave out loads as None or as an empty list.

    Each is made when it is first asked for: most requests need none or one.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @cached_property
    def plans(self) -> Loader[str, catalogue_pb2.DataPlan | None]:
        return Loader(self._plans)

    @cached_property
    def plans_by_name(self) -> Loader[str, catalogue_pb2.DataPlan | None]:
        return Loader(self._plans_by_name)

    @cached_property
    def top_ups(self) -> Loader[tuple[str, int], list[catalogue_pb2.DataPlan]]:
        """By the id of the plan that an eSIM came with, and how many plans are wanted at most."""
        return Loader(self._top_ups)

    @cached_property
    def orders(self) -> Loader[str, orders_pb2.Order | None]:
        return Loader(self._orders)

    @cached_property
    def timelines(self) -> Loader[str, list[orders_pb2.TimelineEntry]]:
        return Loader(self._timelines)

    @cached_property
    def cancellations(self) -> Loader[str, orders_pb2.OrderCancellation | None]:
        return Loader(self._cancellations)

    @cached_property
    def esims(self) -> Loader[str, esims_pb2.ESIM | None]:
        return Loader(self._esims)

    @cached_property
    def esims_of_order(self) -> Loader[tuple[str, str], list[esims_pb2.ESIM]]:
        """By an order's id, and that of the eSIM it was bought for: the one, or those that it brought."""
        return Loader(self._esims_of_order)

    @cached_property
    def bundles(self) -> Loader[str, list[esims_pb2.ESIMBundle]]:
        return Loader(self._bundles)

    @cached_property
    def usage(self) -> Loader[str, esims_pb2.ESIMUsage | None]:
        return Loader(self._usage)

    def of(self, name: str) -> Loader[Any, Any]:
        """The one of that name."""
        loader: Loader[Any, Any] = getattr(self, name)
        return loader

    def came_with(self, page: esims_pb2.ListESIMsResponse) -> None:
        """Bundles and use that came with eSIMs need no call, if these were asked for and did come."""
        if not page.usages:
            return
        ids = [esim.id for esim in page.esims]
        found = _grouped(ids, page.bundles, "esim_id")
        self.bundles.know(dict(zip(ids, found, strict=True)))
        self.usage.know({usage.esim_id: usage for usage in page.usages})

    async def _plans(self, ids: list[str]) -> list[catalogue_pb2.DataPlan | None]:
        request = catalogue_pb2.BatchGetPlansRequest(ids=ids)
        answer = await self._caller.ask_catalogue(
            self._caller.peers.catalogue.BatchGetPlans, request
        )
        return _in_order(ids, {plan.id: plan for plan in answer.plans})

    async def _plans_by_name(self, names: list[str]) -> list[catalogue_pb2.DataPlan | None]:
        request = catalogue_pb2.BatchGetPlansRequest(names=names)
        answer = await self._caller.ask_catalogue(
            self._caller.peers.catalogue.BatchGetPlans, request
        )
        return _in_order(names, {plan.name: plan for plan in answer.plans})

    async def _top_ups(self, keys: list[tuple[str, int]]) -> list[list[catalogue_pb2.DataPlan]]:
        """One call for each number of plans, of which an operation has one or two."""
        sizes = sorted({size for _, size in keys})
        answers = await asyncio.gather(
            *(self._top_ups_of([plan for plan, its in keys if its == size], size) for size in sizes)
        )
        found = dict(zip(sizes, answers, strict=True))
        return [found[size].get(plan, []) for plan, size in keys]

    async def _top_ups_of(
        self, plans: list[str], size: int
    ) -> dict[str, list[catalogue_pb2.DataPlan]]:
        request = catalogue_pb2.BatchListTopUpPlansRequest(plan_ids=plans, page_size=size)
        answer = await self._caller.ask_catalogue(
            self._caller.peers.catalogue.BatchListTopUpPlans, request
        )
        return {found.plan_id: list(found.plans) for found in answer.top_ups}

    async def _orders(self, ids: list[str]) -> list[orders_pb2.Order | None]:
        request = orders_pb2.BatchGetOrdersRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.orders.BatchGetOrders, request)
        return _in_order(ids, {order.id: order for order in answer.orders})

    async def _timelines(self, ids: list[str]) -> list[list[orders_pb2.TimelineEntry]]:
        request = orders_pb2.BatchListOrderTimelinesRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.orders.BatchListOrderTimelines, request)
        found = {timeline.order_id: list(timeline.entries) for timeline in answer.timelines}
        return [found.get(id_, []) for id_ in ids]

    async def _cancellations(self, ids: list[str]) -> list[orders_pb2.OrderCancellation | None]:
        parts = [ids[i : i + MOST_CANCELLATIONS] for i in range(0, len(ids), MOST_CANCELLATIONS)]
        answers = await asyncio.gather(
            *(
                self._caller.call(
                    self._caller.peers.orders.BatchGetCancellations,
                    orders_pb2.BatchGetCancellationsRequest(order_ids=part),
                )
                for part in parts
            )
        )
        found = {one.order_id: one for answer in answers for one in answer.cancellations}
        return _in_order(ids, found)

    async def _esims(self, ids: list[str]) -> list[esims_pb2.ESIM | None]:
        request = esims_pb2.BatchGetESIMsRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchGetESIMs, request)
        return _in_order(ids, {esim.id: esim for esim in answer.esims})

    async def _esims_of_order(self, keys: list[tuple[str, str]]) -> list[list[esims_pb2.ESIM]]:
        orders = [order for order, esim in keys if not esim]
        if len(orders) == len(keys):
            return await self._brought(orders)
        esims = [esim for _, esim in keys if esim]
        brought, named = map(iter, await asyncio.gather(self._brought(orders), self._named(esims)))
        return [next(named if esim else brought) for _, esim in keys]

    async def _brought(self, ids: list[str]) -> list[list[esims_pb2.ESIM]]:
        if not ids:
            return []
        request = esims_pb2.BatchListOrderESIMsRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchListOrderESIMs, request)
        return _grouped(ids, answer.esims, "order_id")

    async def _named(self, ids: list[str]) -> list[list[esims_pb2.ESIM]]:
        return [[] if esim is None else [esim] for esim in await self.esims.many(ids)]

    async def _bundles(self, ids: list[str]) -> list[list[esims_pb2.ESIMBundle]]:
        request = esims_pb2.BatchListBundlesRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchListBundles, request)
        return _grouped(ids, answer.bundles, "esim_id")

    async def _usage(self, ids: list[str]) -> list[esims_pb2.ESIMUsage | None]:
        request = esims_pb2.BatchGetUsageRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchGetUsage, request)
        return _in_order(ids, {usage.esim_id: usage for usage in answer.usages})


def _in_order(ids: list[str], found: dict[str, Value]) -> list[Value | None]:
    return [found.get(id_) for id_ in ids]


def _grouped(ids: list[str], rows: Iterable[Value], owner: str) -> list[list[Value]]:
    groups = defaultdict[str, list[Value]](list)
    for row in rows:
        groups[getattr(row, owner)].append(row)
    return [groups[id_] for id_ in ids]
