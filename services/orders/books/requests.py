"""Checks requests to the books service; a Failure names every bad field of a request."""

import re
from datetime import datetime, timedelta
from typing import Any

from kit.values import page_token
from kit.values.checks import Checks
from protos.orders.v1 import books_pb2 as pb
from services.orders.books.list_store import Filter

DEFAULT_PAGE = 50
MAX_PAGE = 500
ACCOUNT = re.compile(r"[a-z_]{1,40}(:[A-Za-z0-9_-]{1,40})?")
# Of a comparison without a start.
DEFAULT_PERIOD = timedelta(days=31)
MAX_PERIOD = timedelta(days=400)


def listing(request: pb.ListLedgerRequest) -> tuple[Filter, int, int | None]:
    """Return the filter, the page size, and the place before which the page begins."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    account = request.account if request.HasField("account") else None
    if account is not None and not ACCOUNT.fullmatch(account):
        checks.fail("account", "must be an account such as revenue or clearing:stripe")
    order_id = checks.uuid("order_id", request.order_id) if request.HasField("order_id") else None
    since, until = _moment(checks, request, "from_date"), _moment(checks, request, "to_date")
    checks.done()
    return (
        Filter(account, order_id, since, until),
        size,
        page_token.read_number(request, request.page_token),
    )


def next_page(request: pb.ListLedgerRequest, n: int) -> str:
    return page_token.write_number(request, n)


def moment(request: pb.ListAccountsRequest) -> datetime | None:
    """Return the time for which balances are requested; None is now."""
    checks = Checks()
    at = _moment(checks, request, "at")
    checks.done()
    return at


def period(request: pb.CheckBooksRequest, now: datetime) -> tuple[datetime, datetime]:
    """Return the period to compare; its default is the last 31 days."""
    checks = Checks()
    until = _moment(checks, request, "to_date") or now
    until = min(until, now)
    since = _moment(checks, request, "from_date") or until - DEFAULT_PERIOD
    if since >= until:
        checks.fail("from_date", "must be earlier than the end of the period, and in the past")
    elif until - since > MAX_PERIOD:
        checks.fail("from_date", f"must be at most {MAX_PERIOD.days} days before the end")
    checks.done()
    return since, until


def _moment(checks: Checks, request: Any, field: str) -> datetime | None:
    return checks.moment(field, getattr(request, field)) if request.HasField(field) else None
