"""The gRPC methods of refunds."""

from typing import Any, TypeAlias

import grpc

from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments import messages, money_requests, store
from services.orders.payments.refund_order import OrderRefunds

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class RefundMethods:
    """Refunds that the finance staff makes."""

    def __init__(self, database: Database, refunds: OrderRefunds) -> None:
        self._database = database
        self._refunds = refunds

    async def RefundOrder(
        self, request: pb.RefundOrderRequest, context: Context
    ) -> pb.RefundOrderResponse:
        session = rpc_guard.session()
        wanted = money_requests.refund(request)
        payment, made = await self._refunds.refund(wanted, str(session.user_id or "service"))
        async with self._database.system() as connection:
            attached = await store.attached(connection, [payment.id])
        refunds = attached.refunds.get(payment.id, [])
        return pb.RefundOrderResponse(
            payment=messages.payment_to_proto(
                payment, session, refunds=refunds, disputed=payment.id in attached.disputed
            ),
            refunds=[
                messages.refund_to_proto(refund, session) for refund in refunds if refund.id in made
            ],
        )
