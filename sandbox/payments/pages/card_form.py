"""The card form, and what a buyer typed into it."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from sandbox.payments.errors import ApiError
from sandbox.payments.pages.html import alert, field
from sandbox.payments.state.methods import enter_card
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.world import World

_EXPIRY = re.compile(r"\s*(\d{1,2})\s*/?\s*(\d{4}|\d{2})\s*")


def card_form(
    *,
    action: str,
    amount: str,
    error: str | None,
    typed: Mapping[str, Any],
    ask_email: bool,
    cancel_url: str | None,
) -> str:
    """Return the form; the card number is not filled in again after an error."""
    email = field(
        "email",
        "E-mail",
        value=str(typed.get("email", "")),
        kind="email",
        autocomplete="email",
        required="required",
    )
    number = field(
        "number",
        "Card number",
        inputmode="numeric",
        autocomplete="cc-number",
        required="required",
        placeholder="4242 4242 4242 4242",
    )
    expiry = field(
        "expiry",
        "Expiry date",
        value=str(typed.get("expiry", "")),
        autocomplete="cc-exp",
        required="required",
        placeholder="MM / YY",
    )
    cvc = field("cvc", "CVC", inputmode="numeric", autocomplete="cc-csc", placeholder="CVC")
    name = field("name", "Name on card", value=str(typed.get("name", "")), autocomplete="cc-name")
    cancel = ""
    if cancel_url:
        cancel = f'<p><a id="cancel" href="{escape(cancel_url)}">Cancel and go back</a></p>'
    return (
        f"{alert(error) if error else ''}"
        f'<form method="post" action="{escape(action)}">{email if ask_email else ""}{number}'
        f'<div class="pair">{expiry}{cvc}</div>{name}'
        f'<button type="submit">Pay {escape(amount)}</button></form>{cancel}'
        '<p class="note">This page belongs to a sandbox. No money is moved; only test cards work.</p>'
    )


def entered_method(world: World, typed: Mapping[str, Any]) -> PaymentMethod:
    """Return the card that was typed in; raise ApiError if it is impossible."""
    found = _EXPIRY.fullmatch(str(typed.get("expiry", "")))
    if found is None:
        message = "Your card's expiration date is incomplete. Enter it as MM / YY."
        raise ApiError(402, message, kind="card_error", code="invalid_expiry_month")
    billing = {name: str(typed[name]) for name in ("name", "email") if typed.get(name)}
    return enter_card(
        world,
        str(typed.get("number", "")),
        (int(found[1]), int(found[2])),
        str(typed.get("cvc", "")).strip(),
        billing,
    )
