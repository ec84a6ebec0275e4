"""Checks requests to the statements service; a Failure names every bad field of a request."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from kit.values import page_token
from kit.values.checks import Checks
from protos.orders.v1 import statements_pb2 as pb
from services.orders.payments import money_requests
from services.orders.payments.requests import MAX_NOTE
from services.orders.statements.settle import Wanted

DEFAULT_PAGE, MAX_PAGE = 20, 100
DEFAULT_LINES, MAX_LINES = 100, 1000
ZERO = Decimal(0)
# Payments that arrived earlier are a typing error.
FIRST_DAY = date(2020, 1, 1)


def listing(request: pb.ListStatementsRequest) -> tuple[UUID | None, int, int | None]:
    """Return the organization, the page size, and the number before which the page begins."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    organization_id = None
    if request.HasField("organization_id"):
        organization_id = checks.uuid("organization_id", request.organization_id)
    checks.done()
    return organization_id, size, page_token.read_number(request, request.page_token)


def lines(request: pb.ListStatementLinesRequest) -> tuple[UUID, int, int]:
    """Return the statement, the page size, and the position after which the page begins."""
    checks = Checks()
    statement_id = checks.uuid("statement_id", request.statement_id)
    size = checks.page_size(request.page_size, DEFAULT_LINES, MAX_LINES)
    checks.done()
    return statement_id, size, page_token.read_number(request, request.page_token) or 0


def payment(request: pb.RecordStatementPaymentRequest) -> Wanted:
    """Return the payment of a statement; raises Failure INVALID."""
    checks = Checks()
    wanted = Wanted(*_amount(checks, request), paid_on=_day(checks, "paid_on", request.paid_on))
    checks.done()
    return wanted


def credit(request: pb.CreditStatementRequest) -> Wanted:
    """Return the credit note for a statement; raises Failure INVALID."""
    checks = Checks()
    wanted = Wanted(*_amount(checks, request))
    if not wanted.note:
        checks.fail("note", "must say why")
    checks.done()
    return wanted


def _amount(
    checks: Checks, request: pb.RecordStatementPaymentRequest | pb.CreditStatementRequest
) -> tuple[UUID, Decimal, str, str, str]:
    """Return the statement, amount, currency, note and key."""
    statement_id = checks.uuid("statement_id", request.statement_id)
    amount = ZERO
    if request.HasField("amount"):
        amount = money_requests.exact_amount(checks, request.amount)
    if amount <= 0:
        checks.fail("amount", "must be above 0")
    note = checks.free_text("note", request.note, MAX_NOTE)
    key = money_requests.idempotency_key(checks, request.idempotency_key)
    return statement_id, amount, request.amount.currency_code, note, key


def _day(checks: Checks, field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-30") else date.min
    except ValueError:
        day = date.min
    if day < FIRST_DAY:
        checks.fail(field, f"must be a day such as 2026-11-30, not before {FIRST_DAY}")
    return day
