"""Buying and cancelling."""

from typing import Annotated, Self

import strawberry
from graphql import FieldNode

from gateway.auth import auth_field
from gateway.cancellation import RefundResult
from gateway.context import Info
from gateway.errors import refusal
from gateway.orders import Order, OrderIdArgument, OrderStatus
from gateway.plan_queries import PlanIdArgument, limit
from kit.errors import Failure, invalid
from protos.orders.v1 import orders_pb2

# Nobody heard from the orders service, which may have begun before it fell silent.
UNHEARD = frozenset({"DEADLINE_EXCEEDED", "SERVICE_UNAVAILABLE"})


@strawberry.input(description="How a plan is bought.")
class PurchaseInput:
    quantity: int = strawberry.field(default=1, description="How many eSIMs, 1 to 10.")
    customer_reference: str | None = strawberry.field(
        default=None,
        description="Own words for the order and its eSIMs, at most 100 characters.",
    )
    auto_activate: bool = strawberry.field(
        default=False,
        description="eSIMs always come with the order, ready to install; false (the default) leaves"
        " the bundle to start at first use; true also follows the bundle at the provider until it is"
        " in force and shows the eSIM ACTIVE then.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Up to 200 visible ASCII characters that name this purchase: sent again with the"
        " same request, it answers the same order instead of buying twice; with another request it"
        " is refused as IDEMPOTENCY_CONFLICT. Kept as long as the order, never less than 24 hours."
        " The header Idempotency-Key does the same for an operation of this one field.",
    )
    prevent_duplicates: bool = strawberry.field(
        default=False,
        description="A guard against a double click, for calls without an idempotency key: an order"
        " of the same plan, quantity and eSIM of the last 30 seconds that has not failed is answered"
        " instead of buying again.",
    )
    max_price: float | None = strawberry.field(
        default=None,
        description="The most that one may cost, in the plan's currency. The provider confirms the"
        " price right before the purchase, which is refused as PRICE_CHANGED when it costs more.",
    )
    max_total: float | None = strawberry.field(
        default=None, description="The most that all may cost; otherwise as `maxPrice`."
    )
    esim_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="An eSIM of the caller's own that gets the plan, instead of a new one; quantity"
        " must be 1. One that the plan doesn't fit is refused as ESIM_INCOMPATIBLE.",
    )
    allow_reassign: bool = strawberry.field(
        default=False,
        description="With `esimId`: a plan that doesn't fit the eSIM comes on a new one; the order's"
        " `reassigned` tells so.",
    )


@strawberry.type(description="The outcome of a purchase.")
class PurchaseESIMResult:
    success: bool = strawberry.field(
        description="False when it was refused; true also while the order is still PROCESSING."
    )
    order: Order | None = strawberry.field(
        description="The order; null when it was refused before anything was recorded."
    )
    error: str | None = strawberry.field(description="Why it was refused, in words.")
    code: str | None = strawberry.field(
        description="Why it was refused, for programs, such as PLAN_UNAVAILABLE."
    )
    retry_after: float | None = strawberry.field(
        default=None,
        description="Seconds after which the same purchase fits a spending limit again; null where"
        " waiting doesn't help.",
    )

    @classmethod
    def of(cls, order: orders_pb2.Order) -> Self:
        shown = Order.of(order)
        if shown.status is not OrderStatus.FAILED:
            return cls(success=True, order=shown, error=None, code=None)
        words = shown.status_reason or "The order failed; nothing was paid"
        code = order.failure_reason or "ORDER_FAILED"
        return cls(success=False, order=shown, error=words, code=code)


@strawberry.type(description="A bundle that was taken off an eSIM.")
class RevokedBundle:
    iccid: str = strawberry.field(description="The eSIM's ICCID.")
    refund: RefundResult | None = strawberry.field(
        description="Where its money went; null when that is not known yet."
    )

    @classmethod
    def of(cls, revoked: orders_pb2.RevokedAssignment) -> Self:
        return cls(iccid=revoked.iccid, refund=RefundResult.of(revoked.refund))


@strawberry.type(description="The outcome of a cancellation.")
class CancelOrderResult:
    success: bool = strawberry.field(description="Whether it was cancelled, or is being cancelled.")
    order: Order | None = strawberry.field(description="The order; null when that was refused.")
    error: str | None = strawberry.field(description="Why it was refused, in words.")
    code: str | None = strawberry.field(
        description="Why it was refused, for programs, such as ORDER_IN_USE."
    )
    message: str | None = strawberry.field(description="What happened, in words.")
    revoked: list[RevokedBundle] = strawberry.field(
        description="The bundles that this cancellation took off eSIMs."
    )


PurchaseArgument = Annotated[
    PurchaseInput | None, strawberry.argument(description="How; without it one, with no reference.")
]

UnusedOnlyArgument = Annotated[
    bool,
    strawberry.argument(
        description="Leave what is in use alone, instead of refusing the order for it."
    ),
]


@strawberry.type
class OrderMutations:
    """Mixed into Mutation."""

    @auth_field(
        name="purchaseESIM",
        description="Buys a plan. The answer comes when the eSIMs are there, or after a bounded wait"
        " with the order still PROCESSING: the work goes on, and `orderDetails` shows how it ends.",
    )
    async def purchase_esim(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        input: PurchaseArgument = None,  # noqa: A002 - the documented argument's name
    ) -> PurchaseESIMResult | None:
        wanted = input or PurchaseInput()
        try:
            request = orders_pb2.CreateOrderRequest(
                plan_id=plan_id,
                quantity=wanted.quantity,
                customer_reference=wanted.customer_reference or "",
                auto_activate=wanted.auto_activate,
                idempotency_key=_key(info, wanted),
                prevent_duplicates=wanted.prevent_duplicates,
                max_price=limit("input.max_price", wanted.max_price),
                max_total=limit("input.max_total", wanted.max_total),
                esim_id=wanted.esim_id or "",
                allow_reassign=wanted.allow_reassign,
            )
            answer = await info.context.change(info.context.peers.orders.CreateOrder, request)
        except Failure as failure:
            if failure.reason in UNHEARD:
                raise _unheard(failure) from failure
            words, code = refusal(failure)
            return PurchaseESIMResult(
                success=False,
                order=None,
                error=words,
                code=code,
                retry_after=failure.retry_after,
            )
        return PurchaseESIMResult.of(answer.order)

    @auth_field(
        description="Cancels an order that nobody used: its bundles are taken off the eSIMs, and"
        " refunded where the provider allows. May be repeated. With `unusedOnly` it takes off what"
        " nobody used of an order that is partly in use, and the order stays COMPLETED."
    )
    async def cancel_order(
        self, info: Info, order_id: OrderIdArgument, unused_only: UnusedOnlyArgument = False
    ) -> CancelOrderResult | None:
        request = orders_pb2.CancelOrderRequest(order_id=order_id, unused_only=unused_only)
        try:
            answer = await info.context.change(info.context.peers.orders.CancelOrder, request)
        except Failure as failure:
            words, code = refusal(failure)
            return CancelOrderResult(
                success=False, order=None, error=words, code=code, message=None, revoked=[]
            )
        return CancelOrderResult(
            success=True,
            order=Order.of(answer.order),
            error=None,
            code=None,
            message=answer.message or None,
            revoked=[RevokedBundle.of(revoked) for revoked in answer.revoked],
        )


def _key(info: Info, wanted: PurchaseInput) -> str:
    """The input's key, else the header's, else none.

    Raises Failure for an empty one, whose sender believes to be safe, and when the header might
    serve two purchases.
    """
    header = info.context.idempotency_key
    if wanted.idempotency_key == "":
        raise invalid(
            {"input.idempotencyKey": "must not be empty; leave it out to buy without one"}
        )
    if wanted.idempotency_key is not None or header is None:
        return wanted.idempotency_key or ""
    if not header or not header.isascii():  # other bytes come as characters that no message takes
        raise invalid({"Idempotency-Key": "must consist of visible ASCII characters"})
    selections = info.operation.selection_set.selections
    if len(selections) != 1 or not isinstance(selections[0], FieldNode):
        raise invalid(
            {
                "input.idempotencyKey": "is needed in an operation of several fields, as the header"
                " Idempotency-Key can name only one purchase"
            }
        )
    return header


def _unheard(failure: Failure) -> Failure:
    return Failure(
        failure.kind,
        failure.reason,
        "No answer came, and the order may have been recorded: look at myOrders, or send the same"
        " request again with the same idempotencyKey, before you buy anew",
    )
