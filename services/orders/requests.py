"""Checks requests to the orders service; a Failure names every bad field of a request."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from kit.auth.sessions import STAFF, Session
from kit.errors import Failure, Kind
from kit.values import money, page_token
from kit.values.checks import Checks
from protos.orders.v1 import orders_pb2 as pb
from services.orders.coupons.requests import given_code, given_currency
from services.orders.listing.list_orders import OrderFilter
from services.orders.messages import STATUSES, statuses_of
from services.orders.operators.review import Resolution
from services.orders.order import MAX_KEY, MAX_QUANTITY, MAX_REFERENCE, Order, OrderRequest
from services.orders.payments.opening.choosing import choice
from services.orders.provider.provider_order import MAX_MONEY

# Rows of one page.
DEFAULT_PAGE = 50
MAX_PAGE = 500
MAX_BATCH = 1000
# Each takes several calls to the provider.
MAX_CANCELLATIONS = 20
# Seconds; according to the provider's guide, a purchase takes up to ten minutes.
DEFAULT_AGE = 900
# Seconds; a week.
MAX_AGE = 7 * 86_400
# Characters.
MAX_NOTE = 500
LIMITS: Sequence[Literal["max_price", "max_total"]] = ("max_price", "max_total")
# Characters; the provider's references are UUIDs.
MAX_PROVIDER_REFERENCE = 100


def buy(request: pb.CreateOrderRequest, customer_id: UUID) -> OrderRequest:
    """Check a purchase; raises Failure INVALID."""
    return _buy(Checks(), request, customer_id)


def buy_for(request: pb.CreateOrderForCustomerRequest) -> OrderRequest:
    """Check a purchase on a customer's behalf; raises Failure INVALID."""
    checks = Checks()
    customer_id = checks.uuid("customer_id", request.customer_id)
    if not request.order.idempotency_key:
        checks.fail("order.idempotency_key", "is required, so that a repeated call buys only once")
    if request.order.HasField("payment"):
        checks.fail("order.payment", "must be absent: the caller charges the customer")
    return _buy(checks, request.order, customer_id)


def _buy(checks: Checks, request: pb.CreateOrderRequest, customer_id: UUID) -> OrderRequest:
    key = request.idempotency_key
    if len(key) > MAX_KEY:
        checks.fail("idempotency_key", f"must have at most {MAX_KEY} characters, not {len(key)}")
    elif not all("!" <= character <= "~" for character in key):
        checks.fail("idempotency_key", "must consist of visible ASCII characters without spaces")
    if key and request.prevent_duplicates:
        checks.fail(
            "prevent_duplicates",
            "must be false if an idempotency key is set, which already prevents duplicates",
        )
    if request.esim_id and request.quantity != 1:
        checks.fail("quantity", "must be 1 if an existing eSIM is given")
    if request.allow_reassign and not request.esim_id:
        checks.fail("allow_reassign", "requires an existing eSIM to be given")
    limits = {name: _limit(checks, request, name) for name in LIMITS}
    checked = OrderRequest(
        customer_id=customer_id,
        plan_id=checks.uuid("plan_id", request.plan_id),
        quantity=checks.between("quantity", request.quantity, 1, MAX_QUANTITY),
        customer_reference=checks.free_text(
            "customer_reference", request.customer_reference, MAX_REFERENCE
        ),
        auto_activate=request.auto_activate,
        idempotency_key=key or None,
        esim_id=checks.optional_uuid("esim_id", request.esim_id),
        allow_reassign=request.allow_reassign,
        prevent_duplicates=request.prevent_duplicates,
        max_price=limits["max_price"],
        max_total=limits["max_total"],
        currency=given_currency(checks, request.currency),
        coupon_code=given_code(checks, "coupon_code", request.coupon_code) or "",
        limit_currency=_limit_currency(checks, request),
        payment=choice(checks, "payment", request.payment) if request.HasField("payment") else None,
        organization_id=checks.optional_uuid("organization_id", request.organization_id),
        group_id=checks.optional_uuid("group_id", request.group_id),
    )
    if checked.group_id is not None and checked.organization_id is None:
        checks.fail("group_id", "requires `organization_id`")
    checks.done()
    return checked


def quote(request: pb.QuoteOrderRequest, customer_id: UUID | None) -> OrderRequest:
    """Check a request for a quote; raises Failure INVALID."""
    checks = Checks()
    checked = OrderRequest(
        customer_id=customer_id or UUID(int=0),
        plan_id=checks.uuid("plan_id", request.plan_id),
        quantity=checks.between("quantity", request.quantity, 1, MAX_QUANTITY),
        customer_reference="",
        auto_activate=False,
        idempotency_key=None,
        currency=given_currency(checks, request.currency),
        coupon_code=given_code(checks, "coupon_code", request.coupon_code) or "",
        organization_id=checks.optional_uuid("organization_id", request.organization_id),
    )
    checks.done()
    return checked


def _limit_currency(checks: Checks, request: pb.CreateOrderRequest) -> str:
    """Return the currency of the limits; empty if they have none."""
    given = [getattr(request, name) for name in LIMITS if request.HasField(name)]
    codes = {limit.currency_code for limit in given} - {""}
    if len(codes) > 1:
        checks.fail("max_total", "must be in the currency of max_price")
    return min(codes, default="")


def _limit(
    checks: Checks, request: pb.CreateOrderRequest, field: Literal["max_price", "max_total"]
) -> Decimal | None:
    if not request.HasField(field):
        return None
    limit = money.from_proto(getattr(request, field))
    if not 0 <= limit < MAX_MONEY:
        checks.fail(field, "must be an amount of money, 0 or more")
    return limit


def validate(request: pb.ValidateOrderRequest) -> tuple[UUID, int, str]:
    """Return the plan, the quantity and the currency; raises Failure INVALID."""
    checks = Checks()
    plan_id = checks.uuid("plan_id", request.plan_id)
    quantity = checks.between("quantity", request.quantity, 1, MAX_QUANTITY)
    currency = given_currency(checks, request.currency)
    checks.done()
    return plan_id, quantity, currency


def listing(request: pb.ListOrdersRequest, session: Session) -> tuple[OrderFilter, int]:
    """Return the filter and the page size; raises Failure INVALID, or FORBIDDEN for another's orders."""
    checks = Checks()
    given = request.filter
    since = (
        checks.moment("filter.from_date", given.from_date) if given.HasField("from_date") else None
    )
    until = checks.moment("filter.to_date", given.to_date) if given.HasField("to_date") else None
    if since is not None and until is not None and since >= until:
        checks.fail("filter.to_date", "must be later than the start of the list")
    for index, status in enumerate(given.statuses):
        if status not in STATUSES.values():
            checks.fail(f"filter.statuses[{index}]", "must be one of the named statuses")
    # Row security filters too, but only a condition on the customer lets their index be used.
    organization = _organization(checks, given)
    own = session.role not in STAFF and organization is None
    customer = session.user_id if own else None
    if given.HasField("customer_id"):
        if session.role not in STAFF:
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: only staff and services may name a customer",
            )
        customer = checks.uuid("filter.customer_id", given.customer_id)
    group = checks.uuid("filter.group_id", given.group_id) if given.HasField("group_id") else None
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    criteria = OrderFilter(
        statuses_of(given.statuses),
        since,
        until,
        customer,
        organization,
        group,
        own,
        page_token.read_position(page_token.without(request, "with_total"), request.page_token),
    )
    return criteria, size


def _organization(checks: Checks, given: pb.OrderFilter) -> UUID | None:
    if not given.HasField("organization_id"):
        if given.HasField("group_id"):
            checks.fail("filter.group_id", "requires `organization_id`")
        return None
    return checks.uuid("filter.organization_id", given.organization_id)


def next_page(request: pb.ListOrdersRequest, last: Order) -> str:
    return page_token.write_position(
        page_token.without(request, "with_total"), last.created_at, last.id
    )


def stuck(request: pb.ListStuckOrdersRequest) -> tuple[timedelta, int]:
    """Return the minimum age of the orders, and how many to list; raises Failure INVALID."""
    checks = Checks()
    age = checks.between(
        "older_than_seconds", request.older_than_seconds or DEFAULT_AGE, 1, MAX_AGE
    )
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return timedelta(seconds=age), size


def page_size(size: int) -> int:
    checks = Checks()
    checked = checks.page_size(size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return checked


def resume(request: pb.ResumeOrderRequest) -> tuple[UUID, str]:
    """Return the order and the operator's note; raises Failure INVALID."""
    checks = Checks()
    order = checks.uuid("order_id", request.order_id)
    note = checks.free_text("note", request.note, MAX_NOTE)
    checks.done()
    return order, note


def resolve(request: pb.ResolveOrderRequest) -> tuple[UUID, Resolution, str, str]:
    """Return the order, resolution, provider's reference and operator's note; raises Failure INVALID."""
    checks = Checks()
    order = checks.uuid("order_id", request.order_id)
    note = checks.free_text("note", request.note, MAX_NOTE)
    if not note:
        checks.fail("note", "must describe what was found, and how")
    which = request.WhichOneof("resolution")
    if which is None or not getattr(request, which):
        checks.fail(
            "resolution", "must be one of: placed_as with a reference, not_bought, paid_back"
        )
    reference = checks.free_text("placed_as", request.placed_as, MAX_PROVIDER_REFERENCE)
    checks.done()
    return order, Resolution(which or ""), reference, note
