"""Batched reads for nested fields: one call per owner and level, whatever the number of rows."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.upstream.batches import Key, Loader, Progress
from gateway.upstream.calls import Calls
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2, payments_pb2

Value = TypeVar("Value")

# The maximum number of orders that the service previews in one call.
MAX_CANCELLATIONS = 20
# The maximum number of orders whose refund the service computes in one call.
MAX_REFUNDABLES = 100


class TopUps(NamedTuple):
    """Key of the plans for topping up an eSIM: the plan that it was delivered with, and the arguments."""

    plan_id: str
    first: int
    currency: str
    locale: str

    @property
    def arguments(self) -> tuple[int, str, str]:
        return self.first, self.currency, self.locale


class _LoaderOf(Generic[Key, Value]):
    """Turns a method that reads many keys at once into a Loader attribute of Loaders."""

    def __init__(self, read: Callable[[Any, list[Key]], Awaitable[Sequence[Value]]]) -> None:
        self._read = read

    def __get__(self, loaders: "Loaders", _: type["Loaders"]) -> Loader[Key, Value]:
        return Loader(partial(self._read, loaders), loaders.progress[self._read.__name__])


class Loaders:
    """The loaders of one request. An unknown id loads as None or as an empty list."""

    def __init__(self, calls: Calls) -> None:
        self._peers, self._call = calls.peers, calls.call
        self._read_catalogue, self._kept_plans = calls.read_catalogue, calls.kept_plans
        # By loader. The loaders themselves are not kept, as they refer to this object: in a cycle, all that a
        # request used would wait for garbage collection.
        self.progress = defaultdict[str, Progress[Any, Any]](Progress)

    def of(self, name: str) -> Loader[Any, Any]:
        """Return the loader of that name."""
        loader: Loader[Any, Any] = getattr(self, name)
        return loader

    def add_from_list(self, page: esims_pb2.ListESIMsResponse) -> None:
        """Add the bundles and usage that a list of eSIMs contains, if they were requested."""
        if not page.usages:
            return
        ids = [esim.id for esim in page.esims]
        found = _grouped(ids, page.bundles, "esim_id")
        self.bundles.add(dict(zip(ids, found, strict=True)))
        self.usage.add({usage.esim_id: usage for usage in page.usages})

    @property
    def plans(self) -> Loader[str, catalogue_pb2.DataPlan | None]:
        kept = self._kept_plans
        read = partial(kept.read, self._read_plans)
        return Loader(read, self.progress["plans"], kept.get)

    async def _read_plans(self, ids: list[str]) -> Sequence[catalogue_pb2.DataPlan]:
        request = catalogue_pb2.BatchGetPlansRequest(ids=ids)
        answer = await self._read_catalogue(self._peers.catalogue.BatchGetPlans, request)
        return answer.plans

    @_LoaderOf
    async def plans_by_name(self, names: list[str]) -> list[catalogue_pb2.DataPlan | None]:
        request = catalogue_pb2.BatchGetPlansRequest(names=names)
        answer = await self._read_catalogue(self._peers.catalogue.BatchGetPlans, request)
        return _in_order(names, {plan.name: plan for plan in answer.plans})

    @_LoaderOf
    async def top_ups(self, keys: list[TopUps]) -> list[list[catalogue_pb2.DataPlan]]:
        """One call for each combination of size, currency and locale."""
        plans = defaultdict[tuple[int, str, str], list[str]](list)
        for key in keys:
            plans[key.arguments].append(key.plan_id)
        answers = await asyncio.gather(
            *(self._top_ups_of(ids, *arguments) for arguments, ids in plans.items())
        )
        found = dict(zip(plans, answers, strict=True))
        return [found[key.arguments].get(key.plan_id, []) for key in keys]

    async def _top_ups_of(
        self, plans: list[str], size: int, currency: str, locale: str
    ) -> dict[str, list[catalogue_pb2.DataPlan]]:
        request = catalogue_pb2.BatchListTopUpPlansRequest(
            plan_ids=plans, page_size=size, currency=currency, locale=locale
        )
        answer = await self._read_catalogue(self._peers.catalogue.BatchListTopUpPlans, request)
        return {found.plan_id: list(found.plans) for found in answer.top_ups}

    @_LoaderOf
    async def networks(self, isos: list[str]) -> list[list[catalogue_pb2.Network]]:
        request = catalogue_pb2.BatchListNetworksRequest(isos=isos)
        answer = await self._read_catalogue(self._peers.catalogue.BatchListNetworks, request)
        found = {country.iso: list(country.networks) for country in answer.countries}
        return [found.get(iso, []) for iso in isos]

    @_LoaderOf
    async def plan_networks(
        self, keys: list[tuple[str, ...]]
    ) -> list[list[catalogue_pb2.CountryNetworks]]:
        """Keys: the codes of a plan's countries. Plans share the messages of their countries."""
        isos = list(dict.fromkeys(iso for key in keys for iso in key))
        found = {
            iso: catalogue_pb2.CountryNetworks(iso=iso, networks=networks)
            for iso, networks in zip(isos, await self.networks.many(isos), strict=True)
        }
        return [[found[iso] for iso in key] for key in keys]

    @_LoaderOf
    async def orders(self, ids: list[str]) -> list[orders_pb2.Order | None]:
        """An empty id, which is that of a top-up's order, loads as None."""
        if not (wanted := [*filter(None, ids)]):
            return [None] * len(ids)
        request = orders_pb2.BatchGetOrdersRequest(order_ids=wanted)
        answer = await self._call(self._peers.orders.BatchGetOrders, request)
        return _in_order(ids, {order.id: order for order in answer.orders})

    @_LoaderOf
    async def payments(self, ids: list[str]) -> list[payments_pb2.Payment | None]:
        """Keys: ids of orders; an empty one, for an order without a payment, loads as None."""
        if not (wanted := [*filter(None, ids)]):
            return [None] * len(ids)
        request = payments_pb2.BatchGetPaymentsRequest(order_ids=wanted)
        answer = await self._call(self._peers.payments.BatchGetPayments, request)
        return _in_order(ids, {payment.order_id: payment for payment in answer.payments})

    @_LoaderOf
    async def refundables(self, ids: list[str]) -> list[payments_pb2.Refundable | None]:
        """Keys: ids of orders; an empty one, for an order without a payment, loads as None."""
        wanted = [*filter(None, ids)]
        answers = await asyncio.gather(
            *(
                self._call(
                    self._peers.payments.BatchGetRefundable,
                    payments_pb2.BatchGetRefundableRequest(
                        order_ids=wanted[i : i + MAX_REFUNDABLES]
                    ),
                )
                for i in range(0, len(wanted), MAX_REFUNDABLES)
            )
        )
        return _in_order(
            ids, {one.order_id: one for answer in answers for one in answer.refundables}
        )

    @_LoaderOf
    async def timelines(self, ids: list[str]) -> list[list[orders_pb2.TimelineEntry]]:
        request = orders_pb2.BatchListOrderTimelinesRequest(order_ids=ids)
        answer = await self._call(self._peers.orders.BatchListOrderTimelines, request)
        found = {timeline.order_id: list(timeline.entries) for timeline in answer.timelines}
        return [found.get(id_, []) for id_ in ids]

    @_LoaderOf
    async def cancellations(self, ids: list[str]) -> list[orders_pb2.OrderCancellation | None]:
        parts = [ids[i : i + MAX_CANCELLATIONS] for i in range(0, len(ids), MAX_CANCELLATIONS)]
        answers = await asyncio.gather(
            *(
                self._call(
                    self._peers.orders.BatchGetCancellations,
                    orders_pb2.BatchGetCancellationsRequest(order_ids=part),
                )
                for part in parts
            )
        )
        found = {one.order_id: one for answer in answers for one in answer.cancellations}
        return _in_order(ids, found)

    @_LoaderOf
    async def esims(self, ids: list[str]) -> list[esims_pb2.ESIM | None]:
        request = esims_pb2.BatchGetESIMsRequest(esim_ids=ids)
        answer = await self._call(self._peers.esims.BatchGetESIMs, request)
        return _in_order(ids, {esim.id: esim for esim in answer.esims})

    @_LoaderOf
    async def esims_of_order(self, keys: list[tuple[str, str]]) -> list[list[esims_pb2.ESIM]]:
        """Keys: an order's id, and the id of the eSIM to top up, or an empty string."""
        orders = [order for order, esim in keys if not esim]
        if len(orders) == len(keys):
            return await self._delivered(orders)
        esims = [esim for _, esim in keys if esim]
        delivered, topped_up = map(
            iter, await asyncio.gather(self._delivered(orders), self._topped_up(esims))
        )
        return [next(topped_up if esim else delivered) for _, esim in keys]

    async def _delivered(self, ids: list[str]) -> list[list[esims_pb2.ESIM]]:
        if not ids:
            return []
        request = esims_pb2.BatchListOrderESIMsRequest(order_ids=ids)
        answer = await self._call(self._peers.esims.BatchListOrderESIMs, request)
        return _grouped(ids, answer.esims, "order_id")

    async def _topped_up(self, ids: list[str]) -> list[list[esims_pb2.ESIM]]:
        return [[] if esim is None else [esim] for esim in await self.esims.many(ids)]

    @_LoaderOf
    async def bundles(self, ids: list[str]) -> list[list[esims_pb2.ESIMBundle]]:
        request = esims_pb2.BatchListBundlesRequest(esim_ids=ids)
        answer = await self._call(self._peers.esims.BatchListBundles, request)
        return _grouped(ids, answer.bundles, "esim_id")

    @_LoaderOf
    async def usage(self, ids: list[str]) -> list[esims_pb2.ESIMUsage | None]:
        request = esims_pb2.BatchGetUsageRequest(esim_ids=ids)
        answer = await self._call(self._peers.esims.BatchGetUsage, request)
        return _in_order(ids, {usage.esim_id: usage for usage in answer.usages})


def _in_order(ids: list[str], found: dict[str, Value]) -> list[Value | None]:
    return [found.get(id_) for id_ in ids]


def _grouped(ids: list[str], rows: Iterable[Value], owner: str) -> list[list[Value]]:
    groups = defaultdict[str, list[Value]](list)
    for row in rows:
        groups[getattr(row, owner)].append(row)
    return [groups[id_] for id_ in ids]
