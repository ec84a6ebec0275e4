"""The gRPC methods of refunds."""

from datetime import datetime
from uuid import UUID

from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, money, timestamps
from protos.orders.v1 import payments_pb2 as pb
from services.orders import store as order_rows
from services.orders.payments import messages, money_requests, store
from services.orders.payments.policy import RefundPolicy, refundable
from services.orders.payments.refunds.refund_facts import Known, RefundFacts
from services.orders.payments.refunds.refund_order import OrderRefunds


class RefundMethods:
    """Refunds that the finance staff makes, and what a cancellation would give back."""

    def __init__(self, database: Database, refunds: OrderRefunds, facts: RefundFacts) -> None:
        self._database = database
        self._refunds = refunds
        self._facts = facts

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

    async def BatchGetRefundable(
        self, request: pb.BatchGetRefundableRequest, context: Context
    ) -> pb.BatchGetRefundableResponse:
        ids = checks.ids("order_ids", request.order_ids, money_requests.MAX_BATCH)
        # Row security decides which orders the session may see.
        async with self._database.session(rpc_guard.session()) as connection:
            seen = await order_rows.get(connection, ids)
        known = await self._facts.of(seen)
        now = self._database.now()
        return pb.BatchGetRefundableResponse(
            refundables=[_refundable(order_id, one, now) for order_id, one in known.items()]
        )


def _refundable(order_id: UUID, known: Known, now: datetime) -> pb.Refundable:
    policy = RefundPolicy.from_json(known.payment.policy)
    found = refundable(
        policy,
        known.payment,
        known.sold,
        now,
        cancelled=known.cancelled,
        withdrawn=known.withdrawn,
        limit=known.limit,
    )
    return pb.Refundable(
        order_id=str(order_id),
        amount=money.to_proto(found.amount, known.payment.currency),
        until=timestamps.to_proto(found.until),
        reason=found.reason or "",
        message=found.message,
    )
