"""Operations for staff: payments of all customers, orders that wait for a person, refunds and disputes."""

from typing import Annotated

import strawberry

from gateway.errors import naming
from gateway.execution.auth import finance_field, support_field
from gateway.execution.views import views
from gateway.schema import inputs, results
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    page_of,
    page_size,
)
from gateway.schema.orders.orders import OrderIdArgument
from gateway.schema.payments.inputs import (
    PaymentFilter,
    ReceivedPaymentInput,
    RefundInput,
    WalletCorrectionInput,
)
from gateway.schema.payments.types import Payment, Refund
from gateway.schema.payments.wallets import PaymentResult, Wallet
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from kit.errors import Failure
from protos.orders.v1 import payments_pb2

# Fields of requests that are fields of the argument `input`.
FIELDS = {
    name: f"input.{name}"
    for name in ("amount", "destination", "note", "reference", "idempotency_key")
}


@strawberry.type(description="A page of payments.")
class PaymentPage:
    nodes: list[Payment] = strawberry.field(description="The payments of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="Result of `refundOrder`.")
class RefundOrderResult:
    success: bool = strawberry.field(
        description="True if the refund was recorded, or had been recorded with the same key."
    )
    payment: Payment | None = strawberry.field(
        default=None, description="The payment; null if the request was refused."
    )
    refunds: list[Refund] = strawberry.field(
        default_factory=list,
        description="One refund, or two if wallet and card are both refunded; empty if refused.",
    )
    left: str | None = strawberry.field(
        default=None,
        description="With REFUND_ABOVE_CAPTURED or STATEMENT_CREDITED: the exact amount that can still be"
        " refunded, as a decimal string.",
    )
    error: str | None = results.error()
    code: str | None = results.code("REFUND_ABOVE_CAPTURED")


@strawberry.type(description="Result of `correctWallet`.")
class CorrectWalletResult:
    success: bool = strawberry.field(
        description="True if the correction was recorded, or had been recorded with the same key."
    )
    wallet: Wallet | None = strawberry.field(
        default=None, description="The wallet; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("WALLET_TOO_LOW")


PaymentFilterArgument = Annotated[
    PaymentFilter | None,
    strawberry.argument(description="Filter for the payments to return. Omit to return all."),
]
NoteArgument = Annotated[
    str,
    strawberry.argument(description="Reason, recorded with the payment; 1 to 500 characters."),
]
RefundArgument = Annotated[RefundInput, strawberry.argument(description="The refund.")]
ReceivedArgument = Annotated[
    ReceivedPaymentInput, strawberry.argument(description="What was received.")
]
CustomerIdArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Account that owns the wallet. Omit for an organization's."),
]
OrganizationIdArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Organization that owns the wallet. Omit for a customer's. Also use this to record money"
        " that an organization has paid in advance."
    ),
]
CorrectionArgument = Annotated[
    WalletCorrectionInput, strawberry.argument(description="The correction.")
]


@strawberry.type
class PaymentAdministrationQueries:
    """Mixed into Query."""

    @finance_field(
        description="Payments of orders and top-ups of all customers, the newest first, page by page."
    )
    async def payments(
        self,
        info: Info,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: PaymentFilterArgument = None,
    ) -> PaymentPage | None:
        given = filter or PaymentFilter()
        request = payments_pb2.ListPaymentsRequest(
            statuses=[
                payments_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{one.name}")
                for one in given.status
            ],
            customer_id=given.customer_id,
            from_date=inputs.moment("filter.from_date", given.from_date),
            to_date=inputs.moment("filter.to_date", given.to_date),
            page_size=page_size(first),
            page_token=after or "",
        )
        page = await page_of(info.context.call(info.context.peers.payments.ListPayments, request))
        info.context.spend(len(page.payments))
        return PaymentPage(
            nodes=views(Payment, page.payments), next_cursor=page.next_page_token or None
        )

    @support_field(
        description="Payments of orders that are not bought until a person has reviewed them, the oldest"
        " first, page by page."
    )
    async def held_orders(
        self, info: Info, first: FirstArgument = DEFAULT_SIZE, after: AfterArgument = None
    ) -> PaymentPage | None:
        request = payments_pb2.ListHeldOrdersRequest(
            page_size=page_size(first), page_token=after or ""
        )
        page = await page_of(info.context.call(info.context.peers.payments.ListHeldOrders, request))
        info.context.spend(len(page.payments))
        return PaymentPage(
            nodes=views(Payment, page.payments), next_cursor=page.next_page_token or None
        )


@strawberry.type
class PaymentAdministrationMutations:
    """Mixed into Mutation."""

    @finance_field(
        description="Buys an order that waits for a review. Refused with ORDER_NOT_HELD if it doesn't, and"
        " with PAYMENT_DISPUTED while a dispute has withdrawn its payment."
    )
    @results.refusable(PaymentResult)
    async def release_order(
        self, info: Info, order_id: OrderIdArgument, note: NoteArgument
    ) -> PaymentResult | None:
        request = payments_pb2.ReleaseOrderRequest(order_id=order_id, note=note)
        answer = await info.context.change(info.context.peers.payments.ReleaseOrder, request)
        return PaymentResult.of(answer.payment)

    @finance_field(
        description="Fails an order that waits for a review, and gives its payment back. Refused with"
        " ORDER_NOT_HELD if it doesn't wait for one."
    )
    @results.refusable(PaymentResult)
    async def reject_order(
        self, info: Info, order_id: OrderIdArgument, note: NoteArgument
    ) -> PaymentResult | None:
        request = payments_pb2.RejectOrderRequest(order_id=order_id, note=note)
        answer = await info.context.change(info.context.peers.payments.RejectOrder, request)
        return PaymentResult.of(answer.payment)

    @finance_field(
        description="Refunds an order in whole or in part, also repeatedly, but never more than was taken."
        " The eSIMs stay as they are."
    )
    async def refund_order(
        self,
        info: Info,
        order_id: OrderIdArgument,
        input: RefundArgument,
    ) -> RefundOrderResult | None:
        destination = f"REFUND_DESTINATION_{input.to.name if input.to else 'UNSPECIFIED'}"
        try:
            request = payments_pb2.RefundOrderRequest(
                order_id=order_id,
                amount=input.money(),
                destination=payments_pb2.RefundDestination.Value(destination),
                note=input.note,
                idempotency_key=input.idempotency_key,
            )
            with naming(**FIELDS):
                answer = await info.context.change(info.context.peers.payments.RefundOrder, request)
        except Failure as failure:
            return results.refused(RefundOrderResult, failure, left=failure.details.get("left"))
        info.context.spend(len(answer.refunds))
        return RefundOrderResult(
            success=True,
            payment=Payment.of(answer.payment),
            refunds=views(Refund, answer.refunds),
        )

    @finance_field(
        description="Records that a customer paid in another way, such as by bank transfer. It is for orders"
        " with the method MANUAL, which are bought then, and for orders in review whose hold has ended."
        " Refused with PAYMENT_NOT_OPEN for other orders, such as one that waits for a payment by card, and"
        " with AMOUNT_DIFFERS unless the amount is exact."
    )
    @results.refusable(PaymentResult)
    async def mark_order_paid(
        self,
        info: Info,
        order_id: OrderIdArgument,
        input: ReceivedArgument,
    ) -> PaymentResult | None:
        request = payments_pb2.MarkOrderPaidRequest(
            order_id=order_id,
            amount=inputs.amount("input.amount", input.amount, input.currency),
            reference=input.reference,
        )
        with naming(**FIELDS):
            answer = await info.context.change(info.context.peers.payments.MarkOrderPaid, request)
        return PaymentResult.of(answer.payment)

    @finance_field(
        description="Adds to the wallet of a customer or of an organization, or subtracts from it. Refused"
        " with WALLET_TOO_LOW if the balance would become negative."
    )
    @results.refusable(CorrectWalletResult)
    async def correct_wallet(
        self,
        info: Info,
        input: CorrectionArgument,
        customer_id: CustomerIdArgument = None,
        organization_id: OrganizationIdArgument = None,
    ) -> CorrectWalletResult | None:
        request = payments_pb2.CorrectWalletRequest(
            customer_id=inputs.optional_id("customerId", customer_id, "for an organization"),
            organization_id=inputs.optional_id("organizationId", organization_id, "for a customer"),
            received=input.received,
            amount=inputs.amount("input.amount", input.amount, input.currency),
            note=input.note,
            idempotency_key=input.idempotency_key,
        )
        with naming(**FIELDS):
            answer = await info.context.change(info.context.peers.payments.CorrectWallet, request)
        return CorrectWalletResult(success=True, wallet=Wallet.of(answer.wallet))
