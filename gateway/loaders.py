"""Batched reads for nested fields: one call per owner and level, whatever the number of rows."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from gateway.peers import Peers
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2

Value = TypeVar("Value")

# What the services take in one call.
MAX_BATCH = 1_000


class Caller(Protocol):
    """What loaders need of the request that they serve: a context."""

    @property
    def peers(self) -> Peers: ...

    async def call(self, method: Callable[..., Awaitable[Value]], request: Any, /) -> Value: ...

    async def ask_catalogue(
        self, method: Callable[..., Awaitable[Value]], request: Any, /
    ) -> Value: ...


class Loaders:
    """The loaders of one request; an id that the services leave out loads as None or as an empty list."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.plans = DataLoader(self._plans, max_batch_size=MAX_BATCH)
        self.orders = DataLoader(self._orders, max_batch_size=MAX_BATCH)
        self.timelines = DataLoader(self._timelines, max_batch_size=MAX_BATCH)
        self.esims = DataLoader(self._esims, max_batch_size=MAX_BATCH)
        self.esims_of_order = DataLoader(self._esims_of_order, max_batch_size=MAX_BATCH)
        self.bundles = DataLoader(self._bundles, max_batch_size=MAX_BATCH)
        self.usage = DataLoader(self._usage, max_batch_size=MAX_BATCH)

    async def _plans(self, ids: list[str]) -> list[catalogue_pb2.DataPlan | None]:
        request = catalogue_pb2.BatchGetPlansRequest(ids=ids)
        answer = await self._caller.ask_catalogue(
            self._caller.peers.catalogue.BatchGetPlans, request
        )
        return _in_order(ids, {plan.id: plan for plan in answer.plans})

    async def _orders(self, ids: list[str]) -> list[orders_pb2.Order | None]:
        request = orders_pb2.BatchGetOrdersRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.orders.BatchGetOrders, request)
        return _in_order(ids, {order.id: order for order in answer.orders})

    async def _timelines(self, ids: list[str]) -> list[list[orders_pb2.TimelineEntry]]:
        request = orders_pb2.BatchListOrderTimelinesRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.orders.BatchListOrderTimelines, request)
        found = {timeline.order_id: list(timeline.entries) for timeline in answer.timelines}
        return [found.get(id_, []) for id_ in ids]

    async def _esims(self, ids: list[str]) -> list[esims_pb2.ESIM | None]:
        request = esims_pb2.BatchGetESIMsRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchGetESIMs, request)
        return _in_order(ids, {esim.id: esim for esim in answer.esims})

    async def _esims_of_order(self, ids: list[str]) -> list[list[esims_pb2.ESIM]]:
        request = esims_pb2.BatchListOrderESIMsRequest(order_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchListOrderESIMs, request)
        return _grouped(ids, ((esim.order_id, esim) for esim in answer.esims))

    async def _bundles(self, ids: list[str]) -> list[list[esims_pb2.ESIMBundle]]:
        request = esims_pb2.BatchListBundlesRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchListBundles, request)
        return _grouped(ids, ((bundle.esim_id, bundle) for bundle in answer.bundles))

    async def _usage(self, ids: list[str]) -> list[esims_pb2.ESIMUsage | None]:
        request = esims_pb2.BatchGetUsageRequest(esim_ids=ids)
        answer = await self._caller.call(self._caller.peers.esims.BatchGetUsage, request)
        return _in_order(ids, {usage.esim_id: usage for usage in answer.usages})


def _in_order(ids: list[str], found: dict[str, Value]) -> list[Value | None]:
    return [found.get(id_) for id_ in ids]


def _grouped(ids: list[str], pairs: Iterable[tuple[str, Value]]) -> list[list[Value]]:
    groups = defaultdict[str, list[Value]](list)
    for id_, value in pairs:
        groups[id_].append(value)
    return [groups[id_] for id_ in ids]
