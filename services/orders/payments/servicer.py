"""The gRPC methods of the payments service."""

from kit.auth.sessions import Role, Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks
from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1 import payments_pb2_grpc
from services.orders import store as order_rows
from services.orders.listing import find
from services.orders.order import Order
from services.orders.organizations.callers import actor
from services.orders.payment import Payment
from services.orders.payments import list_payments, messages, requests, store
from services.orders.payments.decide import Decisions
from services.orders.payments.disputes.show import ShownDisputes
from services.orders.payments.events import PaymentEvents
from services.orders.payments.paying import Paying
from services.orders.payments.refunds.refund_facts import RefundFacts
from services.orders.payments.refunds.refund_order import OrderRefunds
from services.orders.payments.refunds.servicer_refunds import RefundMethods
from services.orders.payments.wallets.servicer_wallets import WalletMethods
from services.orders.payments.wallets.top_up import TopUps


class PaymentsServicer(RefundMethods, WalletMethods, payments_pb2_grpc.PaymentsServiceServicer):
    """Checks requests, and returns only what the caller's session may see."""

    def __init__(
        self,
        database: Database,
        paying: Paying,
        decisions: Decisions,
        refunds: OrderRefunds,
        facts: RefundFacts,
        top_ups: TopUps,
        events: PaymentEvents,
        disputes: ShownDisputes,
    ) -> None:
        RefundMethods.__init__(self, database, refunds, facts)
        WalletMethods.__init__(self, database, paying, top_ups)
        self._database = database
        self._paying = paying
        self._decisions = decisions
        self._events = events
        self._disputes = disputes

    async def BatchGetPayments(
        self, request: pb.BatchGetPaymentsRequest, context: Context
    ) -> pb.BatchGetPaymentsResponse:
        session = rpc_guard.session()
        ids = checks.ids("order_ids", request.order_ids, requests.MAX_BATCH)
        # Row security decides which orders the session may see; payments are read for these only.
        async with self._database.session(session) as connection:
            seen = [one.id for one in await order_rows.get(connection, ids) if one.has_payment]
        payments = await self._paying.shown(session, seen) if seen else []
        return pb.BatchGetPaymentsResponse(payments=payments)

    async def ResumePayment(
        self, request: pb.ResumePaymentRequest, context: Context
    ) -> pb.ResumePaymentResponse:
        session = rpc_guard.session()
        order_id = checks.one_id("order_id", request.order_id)
        order = await find.own(self._database, session, order_id)
        _require_payer(order, session)
        return pb.ResumePaymentResponse(payment=await self._paying.resume(session, order))

    async def ListPayments(
        self, request: pb.ListPaymentsRequest, context: Context
    ) -> pb.ListPaymentsResponse:
        wanted, size = requests.listing(request)
        async with self._database.system() as connection:
            # One more than requested, to find out if there is a next page.
            found = await list_payments.list_payments(connection, wanted, size + 1)
        page = found[:size]
        more = len(found) > size
        return pb.ListPaymentsResponse(
            payments=await self._shown(page),
            next_page_token=requests.next_page(request, page[-1]) if more else "",
        )

    async def ListHeldOrders(
        self, request: pb.ListHeldOrdersRequest, context: Context
    ) -> pb.ListHeldOrdersResponse:
        after, size = requests.held(request)
        async with self._database.system() as connection:
            found = await list_payments.list_held(connection, after, size + 1)
        page = found[:size]
        more = len(found) > size
        return pb.ListHeldOrdersResponse(
            payments=await self._shown(page),
            next_page_token=requests.next_page(request, page[-1], held=True) if more else "",
        )

    async def ReleaseOrder(
        self, request: pb.ReleaseOrderRequest, context: Context
    ) -> pb.ReleaseOrderResponse:
        order_id, note = requests.decision(request)
        payment = await self._decisions.release(order_id, actor(), note)
        return pb.ReleaseOrderResponse(payment=(await self._shown([payment]))[0])

    async def RejectOrder(
        self, request: pb.RejectOrderRequest, context: Context
    ) -> pb.RejectOrderResponse:
        order_id, note = requests.decision(request)
        payment = await self._decisions.reject(order_id, actor(), note)
        return pb.RejectOrderResponse(payment=(await self._shown([payment]))[0])

    async def MarkOrderPaid(
        self, request: pb.MarkOrderPaidRequest, context: Context
    ) -> pb.MarkOrderPaidResponse:
        order_id, amount, currency, reference = requests.mark_paid(request)
        payment = await self._decisions.mark_paid(order_id, amount, currency, reference, actor())
        return pb.MarkOrderPaidResponse(payment=(await self._shown([payment]))[0])

    async def ListDisputes(
        self, request: pb.ListDisputesRequest, context: Context
    ) -> pb.ListDisputesResponse:
        return await self._disputes.list_disputes(request)

    async def GetDisputeEvidence(
        self, request: pb.GetDisputeEvidenceRequest, context: Context
    ) -> pb.GetDisputeEvidenceResponse:
        return await self._disputes.evidence(request)

    async def ApplyPaymentEvents(
        self, request: pb.ApplyPaymentEventsRequest, context: Context
    ) -> pb.ApplyPaymentEventsResponse:
        return await self._events.apply(request)

    async def _shown(self, payments: list[Payment]) -> list[pb.Payment]:
        """Return payments in their order, with their refunds."""
        session = rpc_guard.session()
        async with self._database.system() as connection:
            attached = await store.attached(connection, [payment.id for payment in payments])
        return [
            messages.payment_to_proto(
                payment,
                session,
                refunds=attached.refunds.get(payment.id, ()),
                disputed=payment.id in attached.disputed,
            )
            for payment in payments
        ]


def _require_payer(order: Order, session: Session) -> None:
    """Raise Failure FORBIDDEN (ONLY_BUYER_PAYS) unless the session is of who placed the order.

    Administrators and managers act on orders of others, but what pays one may store a card for its buyer.
    """
    if session.role is Role.SERVICE or order.customer_id == session.user_id:
        return
    raise Failure(
        Kind.FORBIDDEN,
        "ONLY_BUYER_PAYS",
        "Only the person who placed this order can continue its payment; ask them, or cancel the order",
    )
