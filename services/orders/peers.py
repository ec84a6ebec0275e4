"""Calls to the catalogue and the esims service."""

from collections.abc import Sequence
from uuid import UUID

import grpc

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.values import money, timestamps
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from services.orders.order import DeliveredESIM, Order, Plan, Target


class Catalogue:
    """Reads plans from the catalogue with the buyer's session; `timeout` is in seconds."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout: float) -> None:
        self._stub = catalogue_pb2_grpc.CatalogueServiceStub(channel)
        self._timeout = timeout

    async def get_plan(self, plan_id: UUID, quantity: int, token: str) -> Plan:
        """Return the plan, if that quantity can be ordered now.

        Raises Failure NOT_FOUND (PLAN_NOT_FOUND), REFUSED (PLAN_UNAVAILABLE), and UNAVAILABLE
        (CATALOGUE_UNAVAILABLE) if the catalogue does not answer: nothing is recorded then.
        """
        request = catalogue_pb2.GetPlanRequest(id=str(plan_id), tell_confirmed_at=True)
        try:
            answer = await rpc_client.call(
                self._stub.GetPlan, request, token=token, timeout=self._timeout
            )
        except Failure as failure:
            if failure.kind in (Kind.UNAVAILABLE, Kind.DEADLINE):
                raise Failure(
                    Kind.UNAVAILABLE,
                    "CATALOGUE_UNAVAILABLE",
                    "The plan can't be loaded at the moment, so nothing was bought; try again soon",
                ) from failure
            if failure.kind is not Kind.NOT_FOUND:
                raise
            raise Failure(
                Kind.NOT_FOUND,
                "PLAN_NOT_FOUND",
                "There is no plan with this id; choose one from the catalogue",
            ) from failure
        plan = answer.plan
        if plan.withdrawn:
            raise Failure(
                Kind.REFUSED,
                "PLAN_UNAVAILABLE",
                "The provider no longer offers this plan; choose another",
                details={"available_quantity": "0"},
            )
        if plan.hidden or plan.available_quantity < quantity:
            raise Failure(
                Kind.REFUSED,
                "PLAN_UNAVAILABLE",
                "This plan is not available in that quantity at the moment; choose another",
                details={"available_quantity": str(plan.available_quantity)},
            )
        return Plan(
            plan.name,
            money.from_proto(plan.price),
            plan.price.currency_code,
            timestamps.from_proto(answer.confirmed_at) if answer.HasField("confirmed_at") else None,
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
        self, esim_id: UUID, customer_id: UUID, bundle_name: str, token: str
    ) -> Target:
        """Return an eSIM of the customer, and whether the provider reports it as compatible with the bundle.

        Raises Failure NOT_FOUND (ESIM_NOT_FOUND), also for another customer's eSIM.
        """
        # This call does not refresh the eSIM: a purchase does not wait for that.
        answered = await rpc_client.call(
            self._stub.BatchGetESIMs,
            esims_pb2.BatchGetESIMsRequest(esim_ids=[str(esim_id)]),
            token=token,
            timeout=self._timeout,
        )
        # An administrator's session sees the eSIMs of all customers, but buys for itself.
        found = next((e for e in answered.esims if e.customer_id == str(customer_id)), None)
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

    async def register(self, order: Order, esims: Sequence[DeliveredESIM]) -> None:
        """Register the delivered eSIMs of an order; repeatable."""
        request = esims_pb2.RegisterESIMsRequest(
            order_id=str(order.id),
            plan_id=str(order.plan_id),
            bundle_name=order.bundle_name,
            customer_id=str(order.customer_id),
            customer_ref=order.customer_reference,
            auto_activate=order.auto_activate,
            order_reference=order.provider_reference or "",
            top_up=order.target_iccid is not None and not order.reassigned,
            esims=[
                esims_pb2.DeliveredESIM(
                    iccid=esim.iccid, matching_id=esim.matching_id, smdp_address=esim.smdp_address
                )
                for esim in esims
            ],
        )
        await rpc_client.call(
            self._stub.RegisterESIMs, request, token=self._key, timeout=self._timeout
        )

    async def cancel_order_bundles(self, order: Order, iccids: Sequence[str] = ()) -> None:
        """Report that the order's bundles were revoked: all, or those on these eSIMs; repeatable."""
        request = esims_pb2.CancelOrderBundlesRequest(
            order_id=str(order.id), iccids=iccids, order_reference=order.provider_reference or ""
        )
        await rpc_client.call(
            self._stub.CancelOrderBundles, request, token=self._key, timeout=self._timeout
        )
