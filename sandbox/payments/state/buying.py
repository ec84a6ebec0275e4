"""What a buyer does in the browser: enters a card, and passes or fails 3-D Secure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sandbox.payments.errors import invalid
from sandbox.payments.state import confirming, methods
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.world import Caller, World

Authenticate = Literal["complete", "fail", "leave"]


@contextmanager
def acting(world: World) -> Iterator[Caller]:
    """Act for the buyer's browser, whose requests have ids but no idempotency keys."""
    caller = Caller(world.ids.request())
    token = world.acting_for(caller)
    try:
        yield caller
    finally:
        world.acted(token)


def card_of(world: World, card: str) -> PaymentMethod:
    """Return a card by its number, by a test id `pm_card_...`, or a saved one by its id."""
    if card.startswith("pm_"):
        return methods.find_method(world, card, "card")
    return methods.enter_card(world, card, (12, world.clock.date().year + 5), "123")


def pay(
    world: World,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    return_url: str | None = None,
    authenticate: Authenticate = "complete",
) -> None:
    """Pay a PaymentIntent; raise ApiError if the card is declined or the status doesn't permit it."""
    params = {"payment_method": method.id}
    if return_url:
        params["return_url"] = return_url
    confirming.confirm(world, intent, params)
    if intent.status == "requires_action" and authenticate != "leave":
        confirming.authenticate(world, intent, succeeds=authenticate == "complete")


def by_secret(world: World, client_secret: str) -> PaymentIntent:
    """Return the PaymentIntent of a client secret; raise ApiError if there is none."""
    id_ = client_secret.partition("_secret_")[0]
    intent = world.intents.get(id_)
    if intent is None or intent.client_secret != client_secret:
        raise invalid("No PaymentIntent has this client secret.", "client_secret")
    return intent
