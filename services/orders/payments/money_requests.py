"""Checks requests that refund orders, or change wallets; a Failure names every bad field of a request."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.values import currencies, money, page_token
from kit.values.checks import Checks
from protos.common.v1 import money_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.order import MAX_KEY
from services.orders.payment import RefundDestination, payable_unit
from services.orders.payments.refunds import keys
from services.orders.payments.refunds.refund_order import RefundRequest
from services.orders.payments.requests import DEFAULT_PAGE, MAX_NOTE, MAX_PAGE

DESTINATIONS = {
    pb.REFUND_DESTINATION_UNSPECIFIED: None,
    pb.REFUND_DESTINATION_CARD: RefundDestination.CARD,
    pb.REFUND_DESTINATION_WALLET: RefundDestination.WALLET,
    pb.REFUND_DESTINATION_MANUAL: RefundDestination.MANUAL,
    pb.REFUND_DESTINATION_INVOICE: RefundDestination.INVOICE,
}
# Above any amount of a payment.
MAX_AMOUNT = Decimal(10) ** 9
MAX_BATCH = 100
ZERO = Decimal(0)


def refund(request: pb.RefundOrderRequest) -> RefundRequest:
    """Return what the staff requests; raises Failure INVALID."""
    checks = Checks()
    order_id = checks.uuid("order_id", request.order_id)
    amount, currency = None, ""
    if request.HasField("amount"):
        amount, currency = exact_amount(checks, request.amount), request.amount.currency_code
        if amount <= 0:
            checks.fail("amount", "must be above 0; leave it out to refund everything that is left")
    if request.destination not in DESTINATIONS:
        checks.fail("destination", "must be CARD, WALLET, MANUAL or INVOICE, or absent")
    note = _note(checks, request.note)
    key = idempotency_key(checks, request.idempotency_key)
    if keys.is_own(key):
        checks.fail(
            "idempotency_key", "is one of those that the shop's own refunds have; use another"
        )
    checks.done()
    return RefundRequest(order_id, amount, currency, DESTINATIONS[request.destination], note, key)


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of the wallet of a customer or of an organization."""

    owner_id: UUID
    of_organization: bool
    amount: Decimal
    currency: str
    note: str
    key: str
    received: bool


def correction(request: pb.CorrectWalletRequest) -> Correction:
    """Check a correction; raises Failure INVALID."""
    checks = Checks()
    of_organization = bool(request.organization_id)
    if of_organization and request.customer_id:
        checks.fail("organization_id", "must be absent if a customer is given")
    owner_id = (
        checks.uuid("organization_id", request.organization_id)
        if of_organization
        else checks.uuid("customer_id", request.customer_id)
    )
    amount = ZERO
    if request.HasField("amount"):
        amount = exact_amount(checks, request.amount)
    if not amount:
        checks.fail("amount", "must not be 0")
    note = _note(checks, request.note)
    key = idempotency_key(checks, request.idempotency_key)
    checks.done()
    return Correction(
        owner_id,
        of_organization,
        amount,
        request.amount.currency_code,
        note,
        key,
        request.received,
    )


def entries(request: pb.ListWalletEntriesRequest) -> tuple[UUID, int, int | None]:
    """Return the wallet, the page size, and the place before which the page begins."""
    checks = Checks()
    wallet_id = checks.uuid("wallet_id", request.wallet_id)
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return wallet_id, size, page_token.read_number(request, request.page_token)


def top_up(checks: Checks, request: pb.TopUpWalletRequest) -> tuple[Decimal, str, str]:
    """Return the amount, currency and key of a top-up."""
    amount = ZERO
    if request.HasField("amount"):
        amount = exact_amount(checks, request.amount)
    if amount <= 0:
        checks.fail("amount", "must be above 0")
    code = request.amount.currency_code
    if amount and not currencies.is_known(code):
        checks.fail("amount", f"is in {code}, which is no longer in use")
    elif amount and amount % (unit := payable_unit(code)):
        checks.fail("amount", f"must be a multiple of {unit} {code}, as a card pays it")
    return amount, code, idempotency_key(checks, request.idempotency_key)


def exact_amount(checks: Checks, given: money_pb2.Money) -> Decimal:
    """Return an amount, which has the digits of its currency, even if that is no longer in use."""
    code = given.currency_code
    if not currencies.was_known(code):
        checks.fail(
            "amount", f'has the unknown currency "{code[:10]}"; use an ISO 4217 code such as "EUR"'
        )
        return ZERO
    if not -(10**9) < given.nanos < 10**9 or given.units * given.nanos < 0:
        checks.fail("amount", "must be an amount of money, with units and nanos of the same sign")
        return ZERO
    amount, digits = money.from_proto(given), currencies.digits(code)
    if abs(amount) >= MAX_AMOUNT:
        checks.fail("amount", f"must be below {MAX_AMOUNT:f}")
    elif amount != round(amount, digits):
        checks.fail("amount", f"must have at most {digits} decimal places, as {code} has")
    return amount


def _note(checks: Checks, text: str) -> str:
    note = checks.free_text("note", text, MAX_NOTE)
    if not note:
        checks.fail("note", "must say why")
    return note


def idempotency_key(checks: Checks, key: str) -> str:
    if not 1 <= len(key) <= MAX_KEY or not all("!" <= c <= "~" for c in key):
        checks.fail(
            "idempotency_key", f"must be 1 to {MAX_KEY} visible ASCII characters without spaces"
        )
    return key
