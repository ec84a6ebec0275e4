"""Creates, pays and expires Checkout Sessions."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sandbox.payments.errors import ApiError, invalid, not_found, refused
from sandbox.payments.state import buying, delayed, intents, money
from sandbox.payments.state.clock import DAY, MINUTE
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.methods import create_customer, find_customer
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.session import LineItem, Session
from sandbox.payments.state.world import World

SHORTEST = 30 * MINUTE
LONGEST = DAY
_COPIED = (
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "customer_creation",
    "locale",
    "submit_type",
    "payment_intent_data",
    "payment_method_options",
    "saved_payment_method_options",
    "allowed_payment_method_types",
    "excluded_payment_method_types",
)


def find(world: World, id_: str) -> Session:
    """Return a Checkout Session; raise ApiError if it is unknown."""
    if (session := world.sessions.get(id_)) is None:
        raise not_found("checkout.session", id_, "session")
    return session


def check_url(name: str, url: str) -> None:
    """Raise ApiError if a browser can't be sent to this address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise invalid("Not a valid URL", name, "url_invalid") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise invalid("Not a valid URL", name, "url_invalid")


def create(world: World, params: Mapping[str, Any]) -> Session:
    """Create a Session for one payment."""
    for name in ("success_url", "cancel_url"):
        if params.get(name):
            check_url(name, params[name])
    if params.get("automatic_tax", {}).get("enabled"):
        raise invalid("This sandbox computes no taxes.", "automatic_tax[enabled]")
    if params.get("customer") and params.get("customer_email"):
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, "customer_email", "parameters_exclusive")
    if customer := params.get("customer"):
        find_customer(world, customer)
    items = _line_items(world, params["line_items"])
    session = Session(
        id=world.ids.session(),
        created=world.now(),
        expires_at=_expires_at(world, params.get("expires_at")),
        currency=items[0].currency,
        line_items=items,
        success_url=params["success_url"],
        base_url=world.base_url,
        metadata=merge_metadata({}, params.get("metadata") or {}),
        adaptive_pricing=params.get("adaptive_pricing", {}).get("enabled", True),
    )
    for name in _COPIED:
        if params.get(name) is not None:
            setattr(session, name, params[name])
    try:
        money.check_amount(session.amount, session.currency, "line_items")
    except ApiError as error:
        error.message = f"The Checkout Session's total amount is not possible. {error.message}"
        raise
    if not session.method_types():
        raise invalid("No payment method type is left to offer", "allowed_payment_method_types")
    world.sessions[session.id] = session
    world.timers.add(session.expires_at, partial(_expire_by_clock, world, session))
    return session


def expire(world: World, id_: str) -> Session:
    """End an open Session; raise ApiError if it is complete or expired."""
    session = find(world, id_)
    if session.status != "open":
        raise refused(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of {session.status}.",
        )
    _end(world, session)
    return session


def pay(
    world: World,
    session: Session,
    method: PaymentMethod,
    *,
    email: str | None = None,
    authenticate: buying.Authenticate = "complete",
) -> PaymentIntent:
    """Pay as the buyer on the hosted page; raise ApiError if the card is declined."""
    check_open(session)
    session.buyer_email = email or session.buyer_email
    if name := method.billing_details.get("name"):
        session.customer_name = name
    if session.customer is None and session.customer_creation == "always":
        details = {"email": session.buyer_email or session.customer_email}
        session.customer = create_customer(world, details).id
    intent = _intent_of(world, session)
    buying.pay(world, intent, method, return_url=session.page_url, authenticate=authenticate)
    return intent


def pay_by_debit(world: World, session: Session) -> PaymentIntent:
    """Pay by direct debit, whose result is known later."""
    check_open(session)
    intent = _intent_of(world, session)
    delayed.start(world, intent)
    return intent


def check_open(session: Session) -> None:
    """Raise ApiError if the Session can't be paid any more."""
    if session.status != "open":
        message = f"This Checkout Session can't be paid: its status is {session.status}."
        raise refused(message, "checkout_session_not_open")


def _intent_of(world: World, session: Session) -> PaymentIntent:
    if session.payment_intent is not None:
        return world.intents[session.payment_intent]
    params: dict[str, Any] = {
        **session.payment_intent_data,
        "amount": session.amount,
        "currency": session.currency,
        "payment_method_options": session.payment_method_options,
    }
    for name in ("customer", "allowed_payment_method_types", "excluded_payment_method_types"):
        if value := getattr(session, name):
            params[name] = value
    intent = intents.create(world, params, session.id)
    session.payment_intent = intent.id
    return intent


def _expire_by_clock(world: World, session: Session) -> None:
    if session.status == "open":
        _end(world, session)


def _end(world: World, session: Session) -> None:
    session.status = "expired"
    intent = world.intents.get(session.payment_intent or "")
    if intent is not None and intent.status in intents.CANCELABLE:
        intents.end(world, intent, "automatic")
    world.emit("checkout.session.expired", session.to_json())


def _expires_at(world: World, wanted: int | None) -> int:
    now = world.now()
    if wanted is None:
        return now + LONGEST
    if wanted < now + SHORTEST:
        message = (
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        )
        raise invalid(message, "expires_at")
    if wanted > now + LONGEST:
        message = (
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        )
        raise invalid(message, "expires_at")
    return wanted


def _line_items(world: World, wanted: list[dict[str, Any]]) -> list[LineItem]:
    items: list[LineItem] = []
    for index, item in enumerate(wanted):
        data = item["price_data"]
        currency = money.check_currency(data["currency"])
        if items and currency != items[0].currency:
            message = "All line items must have the same currency."
            raise invalid(message, f"line_items[{index}][price_data][currency]")
        items.append(
            LineItem(
                id=world.ids.new("li"),
                price=world.ids.new("price"),
                product=data.get("product") or world.ids.new("prod"),
                name=data.get("product_data", {}).get("name", "Item"),
                unit_amount=data["unit_amount"],
                quantity=item.get("quantity", 1),
                currency=currency,
                created=world.now(),
            )
        )
    if not items:
        raise invalid("At least one line item is required.", "line_items")
    return items
