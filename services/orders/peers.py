"""Calls to the catalogue and the esims service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import grpc

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.rpc.errors import METHOD_UNKNOWN
from protos.catalogue.v1 import (
    catalogue_pb2,
    catalogue_pb2_grpc,
    prices_pb2,
    prices_pb2_grpc,
)
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from services.orders import esim_states, plan_messages
from services.orders.esim_states import ESIMState
from services.orders.order import DeliveredESIM, Order, Target
from services.orders.plan import Plan
from services.orders.traveler import Traveler


@dataclass(frozen=True, slots=True)
class Quoted:
    """The catalogue's answer about one plan."""

    answer: prices_pb2.QuotePlanResponse

    def sold(self, quantity: int) -> Plan:
        """Return the plan; raises Failure REFUSED (PLAN_UNAVAILABLE) as `Catalogue.get_plan` does."""
        plan_messages.check_available(self.answer.plan, quantity)
        return plan_messages.plan_from_proto(self.answer)


class Catalogue:
    """Reads plans with their prices and costs from the catalogue; `timeout` is in seconds.

    It uses the service role key, because costs are not for buyers.
    """

    def __init__(self, channel: grpc.aio.Channel, service_role_key: str, *, timeout: float) -> None:
        self._prices = prices_pb2_grpc.PricesServiceStub(channel)
        self._stub = catalogue_pb2_grpc.CatalogueServiceStub(channel)
        self._key = service_role_key
        self._timeout = timeout

    async def get_plan(self, plan_id: UUID, quantity: int, currency: str = "") -> Plan:
        """Return the plan as it is sold in a currency, if that quantity can be ordered now.

        An empty currency means that of the first price list. Raises Failure NOT_FOUND (PLAN_NOT_FOUND),
        REFUSED (PLAN_UNAVAILABLE), INVALID (UNKNOWN_CURRENCY), and UNAVAILABLE (CATALOGUE_UNAVAILABLE) if the
        catalogue does not answer: nothing is recorded then.
        """
        try:
            answer = await self._quote(plan_id, currency)
        except Failure as failure:
            if failure.kind in (Kind.UNAVAILABLE, Kind.DEADLINE):
                raise _unavailable() from failure
            if failure.kind is not Kind.NOT_FOUND:
                raise
            raise no_plan() from failure
        plan_messages.check_available(answer.plan, quantity)
        return plan_messages.plan_from_proto(answer)

    async def get_plans(self, plan_ids: Sequence[UUID], currency: str) -> dict[UUID, Quoted] | None:
        """Return plans as they are sold, with how many of each can be ordered; unknown ones are left out.

        None if the catalogue is of a release that returns them one by one only. Raises Failure as `get_plan`.
        """
        request = prices_pb2.BatchQuotePlansRequest(plan_ids=map(str, plan_ids), currency=currency)
        try:
            answer = await rpc_client.call(
                self._prices.BatchQuotePlans, request, token=self._key, timeout=self._timeout
            )
        except Failure as failure:
            if failure.reason == METHOD_UNKNOWN:
                return None
            if failure.kind in (Kind.UNAVAILABLE, Kind.DEADLINE):
                raise _unavailable() from failure
            raise
        return {UUID(one.plan.id): Quoted(one) for one in answer.quotes}

    async def _quote(self, plan_id: UUID, currency: str) -> prices_pb2.QuotePlanResponse:
        request = prices_pb2.QuotePlanRequest(plan_id=str(plan_id), currency=currency)
        try:
            return await rpc_client.call(
                self._prices.QuotePlan, request, token=self._key, timeout=self._timeout
            )
        except Failure as failure:
            if failure.reason != METHOD_UNKNOWN:
                raise
        # A catalogue of the previous release, which has no price lists.
        found = await rpc_client.call(
            self._stub.GetPlan,
            catalogue_pb2.GetPlanRequest(id=str(plan_id), tell_confirmed_at=True),
            token=self._key,
            timeout=self._timeout,
        )
        if currency not in ("", found.plan.price.currency_code):
            raise _unavailable()
        return prices_pb2.QuotePlanResponse(
            plan=found.plan,
            confirmed_at=found.confirmed_at if found.HasField("confirmed_at") else None,
            terms=prices_pb2.PriceTerms(cost=found.plan.price),
        )


def no_plan() -> Failure:
    """Return the failure for a plan that the catalogue does not know."""
    return Failure(
        Kind.NOT_FOUND,
        "PLAN_NOT_FOUND",
        "There is no plan with this id; choose one from the catalogue",
    )


def _unavailable() -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "CATALOGUE_UNAVAILABLE",
        "The plan can't be loaded at the moment, so nothing was bought; try again soon",
    )


class ESIMs:
    """Calls the esims service: reads with the buyer's session, writes with the service role key.

    `timeout` is in seconds.
    """

    def __init__(self, channel: grpc.aio.Channel, service_role_key: str, *, timeout: float) -> None:
        self._stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        self._key = service_role_key
        self._timeout = timeout

    async def get_target(
        self,
        esim_id: UUID,
        customer_id: UUID,
        organization_id: UUID | None,
        bundle_name: str,
        token: str,
    ) -> Target:
        """Return an eSIM of the customer, and whether the provider reports it as compatible with the bundle.

        With an organization, an eSIM of it that the session sees. Raises Failure NOT_FOUND (ESIM_NOT_FOUND),
        also for another customer's eSIM.
        """
        organization = str(organization_id or "")
        # This call does not refresh the eSIM: a purchase does not wait for that.
        answered = await rpc_client.call(
            self._stub.BatchGetESIMs,
            esims_pb2.BatchGetESIMsRequest(esim_ids=[str(esim_id)]),
            token=token,
            timeout=self._timeout,
        )
        # An administrator's session sees the eSIMs of all customers, but buys for itself.
        found = next(
            (
                esim
                for esim in answered.esims
                if esim.organization_id == organization
                and (organization or esim.customer_id == str(customer_id))
            ),
            None,
        )
        if found is None:
            raise Failure(
                Kind.NOT_FOUND, "ESIM_NOT_FOUND", "No eSIM of yours has this id; list your eSIMs"
            )
        answer = await rpc_client.call(
            self._stub.CheckCompatibility,
            esims_pb2.CheckCompatibilityRequest(esim_id=str(esim_id), bundle_name=bundle_name),
            token=token,
            timeout=2
            * self._timeout,  # the esims service queries the provider, and may have to wait in the queue
        )
        return Target(esim_id, found.iccid, answer.compatible)

    async def owned(
        self, esim_ids: Sequence[UUID], customer_id: UUID, organization_id: UUID | None, token: str
    ) -> frozenset[UUID]:
        """Return which of these eSIMs the session sees, and are the customer's or the organization's."""
        organization = str(organization_id or "")
        answered = await rpc_client.call(
            self._stub.BatchGetESIMs,
            esims_pb2.BatchGetESIMsRequest(esim_ids=map(str, esim_ids)),
            token=token,
            timeout=self._timeout,
        )
        return frozenset(
            UUID(esim.id)
            for esim in answered.esims
            if esim.organization_id == organization
            and (organization or esim.customer_id == str(customer_id))
        )

    async def register(
        self, order: Order, esims: Sequence[DeliveredESIM], travelers: Mapping[str, Traveler]
    ) -> None:
        """Register the delivered eSIMs of an order, with their travelers by ICCID; repeatable."""
        request = esims_pb2.RegisterESIMsRequest(
            order_id=str(order.id),
            plan_id=str(order.plan_id),
            bundle_name=order.bundle_name,
            customer_id=str(order.customer_id),
            customer_ref=order.customer_reference,
            auto_activate=order.auto_activate,
            order_reference=order.provider_reference or "",
            top_up=order.target_iccid is not None and not order.reassigned,
            organization_id=str(order.organization_id or ""),
            group_id=str(order.group_id or ""),
            esims=[
                esims_pb2.DeliveredESIM(
                    iccid=esim.iccid,
                    matching_id=esim.matching_id,
                    smdp_address=esim.smdp_address,
                    traveler=_traveler(travelers.get(esim.iccid)),
                )
                for esim in esims
            ],
        )
        await rpc_client.call(
            self._stub.RegisterESIMs, request, token=self._key, timeout=self._timeout
        )

    async def of_order(self, order_id: UUID) -> Sequence[esims_pb2.ESIM]:
        """Return the eSIMs that an order delivered; top-ups of other orders' eSIMs are not among them."""
        request = esims_pb2.BatchListOrderESIMsRequest(order_ids=[str(order_id)])
        answer = await rpc_client.call(
            self._stub.BatchListOrderESIMs, request, token=self._key, timeout=self._timeout
        )
        return answer.esims

    async def bundles(self, esim_ids: Sequence[str]) -> Sequence[esims_pb2.ESIMBundle]:
        """Return the bundles of eSIMs with their use, newest assignment first."""
        answer = await rpc_client.call(
            self._stub.BatchListBundles,
            esims_pb2.BatchListBundlesRequest(esim_ids=esim_ids),
            token=self._key,
            timeout=2 * self._timeout,  # the esims service may query the provider
        )
        return answer.bundles

    async def suspend(self, esim_id: str) -> None:
        """Suspend an eSIM, which may be suspended already.

        Raises Failure REFUSED (ESIM_NOT_SUSPENDABLE) for one that no longer works in any case.
        """
        await rpc_client.call(
            self._stub.SuspendESIM,
            esims_pb2.SuspendESIMRequest(esim_id=esim_id),
            token=self._key,
            timeout=4
            * self._timeout,  # writes at the provider, and reads the outcome if it is unclear
        )

    async def installed(self, order_id: UUID) -> frozenset[str]:
        """Return the ICCIDs of an order's eSIMs that are, or were, installed on a device."""
        esims = await self.of_order(order_id)
        return frozenset(esim.iccid for esim in esims if esim_states.is_installed(esim))

    async def states(self, orders: Sequence[Order]) -> dict[UUID, list[ESIMState]]:
        """Return the eSIMs of orders by order, with the states of the orders' bundles, in two calls.

        The eSIM of a top-up is the one that the bundle was added to.
        """
        own = [str(order.id) for order in orders if not order.is_top_up]
        targets = {order.id: str(order.target_esim_id) for order in orders if order.is_top_up}
        found = [(order_id, esims_pb2.ESIM(id=id_)) for order_id, id_ in targets.items()]
        if own:
            answer = await rpc_client.call(
                self._stub.BatchListOrderESIMs,
                esims_pb2.BatchListOrderESIMsRequest(order_ids=own),
                token=self._key,
                timeout=self._timeout,
            )
            found += [(UUID(esim.order_id), esim) for esim in answer.esims]
        ids = list(dict.fromkeys(esim.id for _, esim in found))
        return esim_states.read(orders, found, await self.bundles(ids) if ids else ())

    async def cancel_order_bundles(self, order: Order, iccids: Sequence[str] = ()) -> None:
        """Report that the order's bundles were revoked: all, or those on these eSIMs; repeatable."""
        request = esims_pb2.CancelOrderBundlesRequest(
            order_id=str(order.id), iccids=iccids, order_reference=order.provider_reference or ""
        )
        await rpc_client.call(
            self._stub.CancelOrderBundles, request, token=self._key, timeout=self._timeout
        )


def _traveler(traveler: Traveler | None) -> esims_pb2.Traveler | None:
    if traveler is None:
        return None
    return esims_pb2.Traveler(
        name=traveler.name, email=traveler.email, user_id=str(traveler.user_id or "")
    )
