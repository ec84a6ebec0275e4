"""Mutations that buy plans and cancel orders."""

from typing import Annotated, Self

import strawberry
from graphql import FieldNode

from gateway.execution.auth import auth_field
from gateway.schema import inputs, results
from gateway.schema.orders.cancellation import RefundResult
from gateway.schema.orders.orders import Order, OrderIdArgument
from gateway.schema.orders.statuses import OrderStatus
from gateway.schema.payments.types import PaymentInput
from gateway.schema.plans.queries import PlanIdArgument, limit
from gateway.upstream.context import Info
from kit.errors import Failure, invalid
from protos.orders.v1 import orders_pb2

# The orders service did not answer, but may have recorded the order.
NO_ANSWER = frozenset({"DEADLINE_EXCEEDED", "SERVICE_UNAVAILABLE"})


@strawberry.input(description="Options of a purchase.")
class PurchaseInput:
    quantity: int = strawberry.field(default=1, description="Number of eSIMs to buy, 1 to 10.")
    customer_reference: str | None = strawberry.field(
        default=None,
        description="Free-text reference for the order and its eSIMs, at most 100 characters.",
    )
    auto_activate: bool = strawberry.field(
        default=False,
        description="False: the bundle starts at first use. True: the service also polls the"
        " bundle at the provider until it is active and then reports the eSIM as"
        " ACTIVE. In both cases, the eSIMs are delivered with the order, ready to"
        " install.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Unique key of this purchase, up to 200 visible ASCII characters. Repeating a"
        " request with the same key returns the existing order instead of buying"
        " twice. A different request with the same key is refused with"
        " IDEMPOTENCY_CONFLICT. Keys are stored as long as the order, and for at"
        " least 24 hours. In an operation with only this field, the Idempotency-Key"
        " header has the same effect.",
    )
    prevent_duplicates: bool = strawberry.field(
        default=False,
        description="Protects against a double click when no idempotency key is sent: if an order"
        " for the same plan, quantity and eSIM was created in the last 30 seconds and"
        " has not failed, it is returned instead of buying again.",
    )
    max_price: float | None = strawberry.field(
        default=None,
        description="Maximum price of one item, in `currency`. The price is confirmed immediately before the"
        " purchase, which is refused with PRICE_CHANGED if the price is higher, and with CURRENCY_REQUIRED if"
        " the shop has price lists and `currency` is omitted.",
    )
    max_total: float | None = strawberry.field(
        default=None,
        description="Maximum of what the whole purchase may charge, with tax and after the discount;"
        " enforced as `maxPrice` is.",
    )
    currency: str | None = strawberry.field(
        default=None,
        description="ISO 4217 code of the currency to pay in: one that the shop sells in, otherwise the"
        " purchase is refused with UNKNOWN_CURRENCY. Omit for the shop's default currency.",
    )
    esim_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Id of an existing eSIM of the caller to which the plan is added instead of"
        " delivering a new eSIM. Requires a quantity of 1. Refused with"
        " ESIM_INCOMPATIBLE if the plan is incompatible with the eSIM.",
    )
    allow_reassign: bool = strawberry.field(
        default=False,
        description="With `esimId`: if the plan is incompatible with that eSIM, deliver it on a"
        " new eSIM. The order's `reassigned` is then true.",
    )
    coupon_code: str | None = strawberry.field(
        default=None,
        description="Coupon that reduces the price; case-insensitive. Refused with COUPON_NOT_VALID or"
        " COUPON_NOT_APPLICABLE; then nothing is bought.",
    )
    payment: PaymentInput | None = strawberry.field(
        default=None,
        description="How the customer pays. Required if the shop takes payments, otherwise the purchase is"
        " refused with PAYMENT_REQUIRED; ignored if it doesn't. An organization pays as agreed with"
        " the shop.",
    )
    organization_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Organization to buy for, in its currency. The order is taken from its budgets: refused"
        " with BUDGET_EXCEEDED if one of those that apply has too little left. The caller must be an owner,"
        " manager or buyer of it. Omit to buy for oneself.",
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Group of the organization that the purchase is for; a buyer must be one of its members.",
    )


@strawberry.type(description="Result of a purchase.")
class PurchaseESIMResult:
    success: bool = strawberry.field(
        description="False if the purchase was refused; true even while the order is still PROCESSING."
    )
    order: Order | None = strawberry.field(
        default=None,
        description="The order; null if the purchase was refused before an order was recorded.",
    )
    error: str | None = results.error()
    code: str | None = results.code("PLAN_UNAVAILABLE")
    retry_after: float | None = strawberry.field(
        default=None,
        description="Seconds until the same purchase fits within the spending limit again; null"
        " if waiting doesn't help.",
    )

    @classmethod
    def of(cls, order: orders_pb2.Order) -> Self:
        view = Order.of(order)
        if view.status is not OrderStatus.FAILED:
            return cls(success=True, order=view)
        message = view.status_reason or "The order failed; nothing was charged"
        code = order.failure_reason or "ORDER_FAILED"
        return cls(success=False, order=view, error=message, code=code)


@strawberry.type(description="A bundle that was revoked from an eSIM.")
class RevokedBundle:
    iccid: str = strawberry.field(description="ICCID of the eSIM.")
    refund: RefundResult | None = strawberry.field(
        description="Refund of the bundle; null if not known yet."
    )

    @classmethod
    def of(cls, revoked: orders_pb2.RevokedAssignment) -> Self:
        return cls(iccid=revoked.iccid, refund=RefundResult.of(revoked.refund))


@strawberry.type(description="Result of a cancellation.")
class CancelOrderResult:
    success: bool = strawberry.field(
        description="True if the order was cancelled, or its cancellation is in progress."
    )
    order: Order | None = strawberry.field(
        default=None, description="The order; null if the cancellation was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("ORDER_IN_USE")
    message: str | None = strawberry.field(
        default=None, description="Human-readable description of the outcome."
    )
    revoked: list[RevokedBundle] = strawberry.field(
        default_factory=list, description="The bundles that this cancellation revoked from eSIMs."
    )


PurchaseArgument = Annotated[
    PurchaseInput | None,
    strawberry.argument(
        description="Options of the purchase. Omit to buy one eSIM with default options."
    ),
]

UnusedOnlyArgument = Annotated[
    bool,
    strawberry.argument(
        description="True cancels only the unused part of an order that is partly in use, instead of"
        " refusing the cancellation."
    ),
]


@strawberry.type
class OrderMutations:
    """Mixed into Mutation."""

    @auth_field(
        name="purchaseESIM",
        description="Buys a plan. Returns when the eSIMs are delivered or, after a bounded wait,"
        " with the order still PROCESSING. Processing then continues in the"
        " background; query `orderDetails` for the outcome. If the customer has to pay first, the order is"
        " PROCESSING and its `payment` contains what is needed to pay.",
    )
    async def purchase_esim(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        input: PurchaseArgument = None,
    ) -> PurchaseESIMResult | None:
        options = input or PurchaseInput()
        try:
            request = orders_pb2.CreateOrderRequest(
                plan_id=plan_id,
                quantity=options.quantity,
                customer_reference=options.customer_reference or "",
                auto_activate=options.auto_activate,
                idempotency_key=_key(info, options),
                prevent_duplicates=options.prevent_duplicates,
                max_price=limit("input.max_price", options.max_price),
                max_total=limit("input.max_total", options.max_total),
                esim_id=inputs.optional_id("input.esimId", options.esim_id, "to buy a new eSIM"),
                allow_reassign=options.allow_reassign,
                coupon_code=options.coupon_code or "",
                currency=options.currency or "",
                payment=options.payment.to_proto(info.context) if options.payment else None,
                organization_id=inputs.optional_id(
                    "input.organizationId", options.organization_id, "to buy for yourself"
                ),
                group_id=inputs.optional_id(
                    "input.groupId", options.group_id, "to buy for no group"
                ),
            )
            async with info.context.caller.guesses.ordering(options.coupon_code):
                answer = await info.context.change(info.context.peers.orders.CreateOrder, request)
        except Failure as failure:
            if failure.reason in NO_ANSWER:
                raise _no_answer(failure) from failure
            return results.refused(PurchaseESIMResult, failure, retry_after=failure.retry_after)
        if answer.HasField("payment"):
            # With the secrets that the customer needs to pay, which no later answer contains.
            info.context.loaders.payments.add({answer.order.id: answer.payment})
        return PurchaseESIMResult.of(answer.order)

    @auth_field(
        description="Cancels an unused order: its bundles are revoked from the eSIMs. A customer who paid"
        " here gets back what `Order.refundable` says; if that is nothing, the cancellation is refused with"
        " ORDER_NOT_REFUNDABLE. If the order was not paid here, its price goes back to the shop if the"
        " provider allows it. Safe to repeat. With `unusedOnly`, only the unused part of a partly used order"
        " is cancelled, and the order stays COMPLETED."
    )
    @results.refusable(CancelOrderResult)
    async def cancel_order(
        self, info: Info, order_id: OrderIdArgument, unused_only: UnusedOnlyArgument = False
    ) -> CancelOrderResult | None:
        request = orders_pb2.CancelOrderRequest(order_id=order_id, unused_only=unused_only)
        answer = await info.context.change(info.context.peers.orders.CancelOrder, request)
        return CancelOrderResult(
            success=True,
            order=Order.of(answer.order),
            message=answer.message or None,
            revoked=[RevokedBundle.of(revoked) for revoked in answer.revoked],
        )


def _key(info: Info, options: PurchaseInput) -> str:
    """Return the idempotency key of the input, or else of the header, or an empty string.

    Raises Failure INVALID for an empty key, whose sender believes the request is safe to repeat, and for a
    header in an operation with several fields, where it could apply to two purchases.
    """
    header = info.context.idempotency_key
    if options.idempotency_key == "":
        raise invalid(
            {"input.idempotencyKey": "must not be empty; omit it to buy without an idempotency key"}
        )
    if options.idempotency_key is not None or header is None:
        return options.idempotency_key or ""
    if not header or not header.isascii():  # protobuf strings accept no lone surrogates
        raise invalid({"Idempotency-Key": "must consist of visible ASCII characters"})
    selections = info.operation.selection_set.selections
    if len(selections) != 1 or not isinstance(selections[0], FieldNode):
        raise invalid(
            {
                "input.idempotencyKey": "is required in an operation with several fields, because"
                " the header Idempotency-Key can identify only one"
                " purchase"
            }
        )
    return header


def _no_answer(failure: Failure) -> Failure:
    return Failure(
        failure.kind,
        failure.reason,
        "The order service did not answer in time, and the order may have been recorded. Before"
        " buying again, check myOrders, or repeat the same request with the same idempotencyKey",
    )
