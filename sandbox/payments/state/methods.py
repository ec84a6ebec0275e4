"""Customers and their cards."""

from collections.abc import Mapping
from typing import Any

from sandbox.payments.errors import ApiError, invalid, not_found, refused
from sandbox.payments.state import cards
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.payment_method import Customer, PaymentMethod
from sandbox.payments.state.world import World


def find_customer(world: World, id_: str, param: str = "customer") -> Customer:
    """Return a customer; raise ApiError if it is unknown."""
    if (customer := world.customers.get(id_)) is None:
        raise not_found("customer", id_, param)
    return customer


def create_customer(world: World, params: Mapping[str, Any]) -> Customer:
    """Create a customer, optionally with a card."""
    customer = Customer(world.ids.new("cus"), world.now(), world.ids.text(8).upper())
    _change_customer(customer, params)
    world.customers[customer.id] = customer
    world.emit("customer.created", customer.to_json())
    if method := params.get("payment_method"):
        attach(world, method, customer.id)
    return customer


def update_customer(world: World, id_: str, params: Mapping[str, Any]) -> Customer:
    """Change a customer's fields."""
    customer = find_customer(world, id_, "id")
    before = customer.to_json()
    _change_customer(customer, params)
    after = customer.to_json()
    changed = {name: value for name, value in before.items() if value != after[name]}
    world.emit("customer.updated", after, changed)
    return customer


def _change_customer(customer: Customer, params: Mapping[str, Any]) -> None:
    for name in ("email", "name", "description", "phone", "address", "shipping"):
        if name in params:
            setattr(customer, name, params[name])
    if "preferred_locales" in params:
        customer.preferred_locales = params["preferred_locales"]
    if "metadata" in params:
        customer.metadata = merge_metadata(customer.metadata, params["metadata"])
    invoice = params.get("invoice_settings") or {}
    if "default_payment_method" in invoice:
        customer.default_payment_method = invoice["default_payment_method"]


def find_method(world: World, id_: str, param: str = "payment_method") -> PaymentMethod:
    """Return a PaymentMethod; one of the test ids `pm_card_...` creates a new one."""
    if card := cards.BY_METHOD.get(id_):
        return add_method(world, card, cvc_given=True)
    if (method := world.methods.get(id_)) is None:
        raise not_found("PaymentMethod", id_, param)
    return method


def add_method(
    world: World,
    card: cards.Card,
    *,
    cvc_given: bool,
    expiry: tuple[int, int] | None = None,
    billing_details: dict[str, Any] | None = None,
) -> PaymentMethod:
    """Create a PaymentMethod for a card."""
    month, year = expiry or (8, 2034)
    method = PaymentMethod(
        world.ids.new("pm"),
        world.now(),
        card,
        month,
        year,
        cvc_given,
        billing_details=billing_details or {},
    )
    world.methods[method.id] = method
    return method


def enter_card(
    world: World,
    number: str,
    expiry: tuple[int, int],
    cvc: str,
    billing_details: dict[str, Any] | None = None,
) -> PaymentMethod:
    """Create a PaymentMethod from what a buyer typed; raise ApiError for an impossible card."""
    digits = "".join(character for character in number if character not in " -")
    card = cards.find_by_number(digits)
    if card is None:
        raise _card_error("incorrect_number", "Your card number is incorrect.", "number")
    month, year = expiry
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        message = "Your card's expiration month is invalid."
        raise _card_error("invalid_expiry_month", message, "exp_month")
    today = world.clock.date()
    if (year, month) < (today.year, today.month) or year > today.year + 50:
        message = "Your card's expiration year is invalid."
        raise _card_error("invalid_expiry_year", message, "exp_year")
    if cvc and not (cvc.isascii() and cvc.isdigit() and 3 <= len(cvc) <= 4):
        raise _card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")
    return add_method(
        world, card, cvc_given=bool(cvc), expiry=(month, year), billing_details=billing_details
    )


def attach(world: World, id_: str, customer: str) -> PaymentMethod:
    """Save a card for a customer; raise ApiError if it belongs to another one or was used up."""
    find_customer(world, customer)
    method = find_method(world, id_)
    if method.customer not in (None, customer):
        message = "The payment method you provided has already been attached to a customer."
        raise refused(message, "payment_method_unexpected_state")
    check_reusable(method)
    if method.customer is None:
        save_for(world, method, customer)
    return method


def save_for(world: World, method: PaymentMethod, customer: str) -> None:
    """Attach a card to a customer, and emit the event."""
    method.customer = customer
    world.emit("payment_method.attached", method.to_json())


def detach(world: World, id_: str) -> PaymentMethod:
    """Remove a saved card from its customer; it can't be used again."""
    method = world.methods.get(id_)
    if method is None:
        raise not_found("PaymentMethod", id_, "payment_method")
    if method.customer is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise refused(message, "payment_method_unexpected_state")
    method.customer, method.used = None, True
    world.emit("payment_method.detached", method.to_json())
    return method


def check_reusable(method: PaymentMethod) -> None:
    """Raise ApiError for a card that was used once without being saved."""
    if method.used and method.customer is None:
        raise invalid(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment, shared with a connected account without Customer attachment, or was detached "
            "from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must "
            "attach it to a Customer first."
        )


def _card_error(code: str, message: str, param: str) -> ApiError:
    return ApiError(402, message, kind="card_error", code=code, param=param, stored=True)
