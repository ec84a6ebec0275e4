"""Checks requests to the payments service; a Failure names every bad field of a request."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from kit.values import money, page_token
from kit.values.checks import Checks
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payment import Payment

DEFAULT_PAGE = 50
MAX_PAGE = 500
MAX_BATCH = 1000
# Characters.
MAX_NOTE = 500
MAX_REFERENCE = 200


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Conditions of a list of payments, which must all be met; `statuses` are values of PaymentStatus."""

    statuses: list[int]
    customer_id: UUID | None
    since: datetime | None
    until: datetime | None
    after: tuple[datetime, UUID] | None


def listing(request: pb.ListPaymentsRequest) -> tuple[PaymentFilter, int]:
    """Return the filter and the page size; raises Failure INVALID."""
    checks = Checks()
    for index, status in enumerate(request.statuses):
        if status not in pb.PaymentStatus.values() or not status:
            checks.fail(f"statuses[{index}]", "must be one of the named statuses")
    since = checks.moment("from_date", request.from_date) if request.HasField("from_date") else None
    until = checks.moment("to_date", request.to_date) if request.HasField("to_date") else None
    if since is not None and until is not None and since >= until:
        checks.fail("to_date", "must be later than the start of the list")
    customer = (
        checks.uuid("customer_id", request.customer_id) if request.HasField("customer_id") else None
    )
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    after = page_token.read_position(request, request.page_token)
    return PaymentFilter(list(request.statuses), customer, since, until, after), size


def held(request: pb.ListHeldOrdersRequest) -> tuple[tuple[datetime, UUID] | None, int]:
    """Return where the last page ended, and the page size; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return page_token.read_position(request, request.page_token), size


def next_page(request: Message, last: Payment, *, held: bool = False) -> str:
    return page_token.write_position(
        request, (last.held_at or last.created_at) if held else last.created_at, last.id
    )


def decision(request: pb.ReleaseOrderRequest | pb.RejectOrderRequest) -> tuple[UUID, str]:
    """Return the order and the note; raises Failure INVALID."""
    checks = Checks()
    order_id = checks.uuid("order_id", request.order_id)
    note = checks.free_text("note", request.note, MAX_NOTE)
    if not note:
        checks.fail("note", "must say why")
    checks.done()
    return order_id, note


def mark_paid(request: pb.MarkOrderPaidRequest) -> tuple[UUID, Decimal, str, str]:
    """Return the order, amount, currency and reference; raises Failure INVALID."""
    checks = Checks()
    order_id = checks.uuid("order_id", request.order_id)
    reference = checks.free_text("reference", request.reference, MAX_REFERENCE)
    if not reference:
        checks.fail("reference", "must identify the payment, such as the text of a bank transfer")
    if not request.HasField("amount"):
        checks.fail("amount", "is required")
    checks.done()
    return order_id, money.from_proto(request.amount), request.amount.currency_code, reference
