"""Operations of `esimgo payments`: payments, held orders, refunds and disputes of all customers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.moments import stamp
from cli.operators.service import Service, connect
from kit.errors import Failure, Kind
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1.payments_pb2_grpc import PaymentsServiceStub

PAGE = 500
TITLES = ("order", "status", "method", "amount", "refunded", "created", "customer")
HELD_TITLES = ("order", "reason", "amount", "hold ends", "created", "customer")
DISPUTE_TITLES = ("dispute", "order", "amount", "reason", "status", "respond by")

ON_HOLD = (pb.PAYMENT_STATUS_HELD, pb.PAYMENT_STATUS_AUTHORIZED)
# After these nothing was moved, so there is nothing to repeat under the same key.
REFUSALS = (
    Kind.INVALID, Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.CONFLICT, Kind.REFUSED
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Payments:
    """The payments of all customers. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_payments(
        self,
        limit: int,
        *,
        statuses: Sequence[str] = (),
        customer: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[str]:
        """List payments, newest first. A time without a time zone is in this machine's zone."""
        request = pb.ListPaymentsRequest(
            statuses=[
                pb.PaymentStatus.Value(f"PAYMENT_STATUS_{s.upper().replace('-', '_')}")
                for s in statuses
            ],
            customer_id=str(customer) if customer else None,
            from_date=stamp(since),
            to_date=stamp(until),
            page_size=min(limit, PAGE),
        )
        found = await self.service.listed("ListPayments", request, "payments", limit)
        return self._table(found, TITLES, _row, "no such payment")

    async def held(self, limit: int) -> list[str]:
        """List the orders that wait for a review, the oldest first."""
        request = pb.ListHeldOrdersRequest(page_size=min(limit, PAGE))
        found = await self.service.listed("ListHeldOrders", request, "payments", limit)
        return self._table(found, HELD_TITLES, _held_row, "no order waits for a review")

    async def disputes(self, limit: int, *, open_only: bool) -> list[str]:
        """List disputes, newest first."""
        request = pb.ListDisputesRequest(open_only=open_only, page_size=min(limit, PAGE))
        found = await self.service.listed("ListDisputes", request, "disputes", limit)
        return self._table(found, DISPUTE_TITLES, _dispute_row, "no dispute")

    async def show(self, order_id: str) -> list[str]:
        """Show the payment of an order with its refunds."""
        request = pb.BatchGetPaymentsRequest(order_ids=[order_id])
        found = (await self.service.call("BatchGetPayments", request)).payments
        if not found:
            raise CommandError(f"there is no order {order_id}, or it has no payment")
        return self._shown(found[0])

    async def release(self, order_id: str, note: str) -> list[str]:
        """Buy an order that waits for a review."""
        request = pb.ReleaseOrderRequest(order_id=order_id, note=note)
        return self._shown((await self.service.call("ReleaseOrder", request)).payment)

    async def reject(self, order_id: str, note: str) -> list[str]:
        """Fail an order that waits for a review, and give its payment back."""
        request = pb.RejectOrderRequest(order_id=order_id, note=note)
        return self._shown((await self.service.call("RejectOrder", request)).payment)

    async def mark_paid(
        self, order_id: str, amount: Decimal, currency: str, reference: str
    ) -> list[str]:
        """Record that a customer paid in another way."""
        request = pb.MarkOrderPaidRequest(
            order_id=order_id, amount=to_money(amount, currency), reference=reference
        )
        return self._shown((await self.service.call("MarkOrderPaid", request)).payment)

    async def refund(
        self,
        order_id: str,
        note: str,
        *,
        amount: Decimal | None = None,
        currency: str | None = None,
        destination: str | None = None,
        key: str | None = None,
    ) -> list[str]:
        """Refund an order; without an amount, everything that is left."""
        key = key or str(uuid4())
        request = pb.RefundOrderRequest(
            order_id=order_id,
            amount=None if amount is None else to_money(amount, currency or ""),
            destination=pb.RefundDestination.Value(
                f"REFUND_DESTINATION_{(destination or 'unspecified').upper()}"
            ),
            note=note,
            idempotency_key=key,
        )
        answer = await repeatable(self.service, "RefundOrder", request, key)
        if self.as_json:
            return output.document(answer)
        return [*map(_refund_line, answer.refunds), *_lines(answer.payment)]

    async def evidence(self, order_id: str) -> list[str]:
        """Show what card networks ask for in a dispute about an order."""
        request = pb.GetDisputeEvidenceRequest(order_id=order_id)
        found = await self.service.call("GetDisputeEvidence", request)
        if self.as_json:
            return output.document(found)
        lines = [*output.table(DISPUTE_TITLES, map(_dispute_row, found.disputes), "no dispute")]
        for item in found.items:
            lines += ["", item.field, *(f"  {line}" for line in item.text.splitlines())]
        return lines

    def _table(self, found: list[Any], titles: Sequence[str], row: Any, empty: str) -> list[str]:
        if self.as_json:
            return output.document(found)
        return output.table(titles, map(row, found), empty)

    def _shown(self, payment: pb.Payment) -> list[str]:
        return output.document(payment) if self.as_json else _lines(payment)


@asynccontextmanager
async def open_payments(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Payments]:
    """Connect with the token of the staff, or else with the service role key."""
    async with connect(access, "orders", PaymentsServiceStub, token=token) as service:
        yield Payments(service, as_json)


async def repeatable(service: Service, method: str, request: Any, key: str) -> Any:
    """Make a call that moves money; unless it was refused, say with which key it can be repeated safely."""
    try:
        return await service.call(method, request)
    except CommandError as error:
        if isinstance(error.__cause__, Failure) and error.__cause__.kind in REFUSALS:
            raise
        raise CommandError(
            f"{error}\nIf the outcome is unclear, repeat the command with --key {key}: it never moves"
            " money twice"
        ) from error


def to_money(amount: Decimal, currency: str) -> money_pb2.Money:
    """Return the message; raise CommandError without a currency, or for too many digits."""
    if not currency:
        raise CommandError("an amount requires its currency: pass --currency, such as EUR")
    try:
        return money.to_proto(amount, currency.upper())
    except ValueError as error:
        raise CommandError(f"{amount} is not an amount of money: {error}") from error


def _row(payment: pb.Payment) -> tuple[str, ...]:
    return (
        payment.order_id or f"top-up {payment.id}",
        _status(payment),
        _name(pb.PaymentMethod, payment.method),
        output.amount(payment.amount),
        output.amount(payment.refunded) if money.from_proto(payment.refunded) else "",
        output.moment(payment, "created_at"),
        payment.customer_id,
    )


def _held_row(payment: pb.Payment) -> tuple[str, ...]:
    return (
        payment.order_id,
        payment.held_reason,
        output.amount(payment.amount),
        output.moment(payment, "capture_before"),
        output.moment(payment, "created_at"),
        payment.customer_id,
    )


def _dispute_row(dispute: pb.Dispute) -> tuple[str, ...]:
    return (
        dispute.id,
        dispute.order_id,
        output.amount(dispute.amount),
        dispute.reason,
        dispute.status,
        output.moment(dispute, "respond_by"),
    )


def _lines(payment: pb.Payment) -> list[str]:
    facts = {
        "order": payment.order_id,
        "payment": payment.id,
        "customer": payment.customer_id,
        "status": _status(payment),
        "method": _name(pb.PaymentMethod, payment.method),
        "amount": output.amount(payment.amount),
        "from the wallet": output.amount(payment.wallet_amount)
        if payment.HasField("wallet_amount")
        else "",
        "captured": output.amount(payment.captured),
        "refunded": output.amount(payment.refunded),
        "card": f"**** {payment.card_last4}" if payment.card_last4 else "",
        "intent": payment.intent_id,
        "created": output.moment(payment, "created_at"),
        "to be paid until": output.moment(payment, "expires_at"),
        "hold ends": output.moment(payment, "capture_before") if payment.status in ON_HOLD else "",
        "held because": payment.held_reason,
        "last failure": payment.failure,
        "detail": payment.detail,
    }
    lines = [f"{name + ':':<17} {value}" for name, value in facts.items() if value]
    if payment.refunds:
        lines += ["refunds:", *(f"  {_refund_line(refund)}" for refund in payment.refunds)]
    return lines


def _refund_line(refund: pb.Refund) -> str:
    details = "; ".join(filter(None, (refund.reason, refund.note, refund.failure)))
    return (
        f"{output.moment(refund, 'created_at')}  {output.amount(refund.amount)} to"
        f" {_name(pb.RefundDestination, refund.destination)}: {_name(pb.RefundState, refund.state)}"
        f" ({details})"
    )


def _status(payment: pb.Payment) -> str:
    status = _name(pb.PaymentStatus, payment.status)
    return f"{status}, disputed" if payment.disputed else status


def _name(kind: Any, number: int) -> str:
    """Return an enum value's name without the prefix, in lower case."""
    prefix = str(kind.Name(0)).removesuffix("UNSPECIFIED")
    return str(kind.Name(number)).removeprefix(prefix).lower().replace("_", "-")
