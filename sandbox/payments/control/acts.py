"""What the admin API does to the state; each act takes the parts of its path and its parsed body."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sandbox.payments.api.money_moved import find_charge
from sandbox.payments.errors import ApiError, Json, invalid, not_found
from sandbox.payments.faults import Faults
from sandbox.payments.state import (
    buying,
    confirming,
    delayed,
    disputes,
    intents,
    payouts,
    refunds,
    reviews,
    sessions,
    warnings,
)
from sandbox.payments.state.clock import DAY, HOUR, MINUTE
from sandbox.payments.state.events import Delivery, DeliveryMode
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.world import World

# Ten years, so that no computed time leaves the range of dates.
_LONGEST_ADVANCE = 10 * 365 * DAY


def advance(world: World, body: Mapping[str, Any]) -> Json:
    """Advance the clock by a duration, or to a time, and execute what is due."""
    units = {"seconds": 1, "minutes": MINUTE, "hours": HOUR, "days": DAY}
    step = sum(body.get(name, 0.0) * seconds for name, seconds in units.items())
    if "to" in body:
        if step:
            raise invalid("Give either a duration or `to`", "to")
        step = body["to"] - world.clock.exact()
    if not 0 <= step <= _LONGEST_ADVANCE:
        raise invalid("The clock can only move forward, by at most ten years")
    world.clock.advance(step)
    world.run_due()
    world.log.on_news()
    return {"now": world.now()}


def freeze(world: World) -> Json:
    """Stop the clock."""
    world.clock.freeze()
    return {"now": world.now()}


def release(world: World) -> Json:
    """Let the clock continue."""
    world.clock.release()
    world.log.on_news()
    return {"now": world.now()}


def pay_intent(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Pay a PaymentIntent as its buyer; a declined card is reported, not raised."""
    return _pay(world, intents.find(world, id_), body)


def _pay(world: World, intent: PaymentIntent, body: Mapping[str, Any]) -> Json:
    error: Json | None = None
    with buying.acting(world):
        try:
            if body.get("debit"):
                delayed.start(world, intent)
                return {"payment_intent": intent.to_json(), "error": None}
            method = buying.card_of(world, body.get("card", "pm_card_visa"))
            buying.pay(
                world,
                intent,
                method,
                return_url=body.get("return_url"),
                authenticate=body.get("authenticate", "complete"),
            )
        except ApiError as refusal:
            error = refusal.body()["error"]
    return {"payment_intent": intent.to_json(), "error": error}


def pay_session(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Pay a Checkout Session as its buyer; a declined card is reported, not raised."""
    session, error = sessions.find(world, id_), None
    with buying.acting(world):
        try:
            if body.get("debit"):
                sessions.pay_by_debit(world, session)
            else:
                sessions.pay(
                    world,
                    session,
                    buying.card_of(world, body.get("card", "pm_card_visa")),
                    email=body.get("email"),
                    authenticate=body.get("authenticate", "complete"),
                )
        except ApiError as refusal:
            error = refusal.body()["error"]
    intent = world.intents.get(session.payment_intent or "")
    return {
        "session": session.to_json(),
        "payment_intent": intent.to_json() if intent else None,
        "error": error,
    }


def settle(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """End the direct debit of a PaymentIntent."""
    intent = intents.find(world, id_)
    delayed.settle(world, intent, succeeds=body.get("succeeds", True))
    return {"payment_intent": intent.to_json()}


def review(world: World, id_: str) -> Json:
    """Place a charge in review."""
    return reviews.start(world, find_charge(world, id_)).to_json()


def close_review(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Close a review."""
    return reviews.close(world, reviews.find(world, id_), body.get("reason", "approved")).to_json()


def authenticate(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Complete or fail the 3-D Secure of a PaymentIntent."""
    intent, error = intents.find(world, id_), None
    with buying.acting(world):
        try:
            confirming.authenticate(world, intent, succeeds=body.get("succeeds", True))
        except ApiError as refusal:
            error = refusal.body()["error"]
    return {"payment_intent": intent.to_json(), "error": error}


def link(world: World, id_: str) -> Json:
    """Return the address of the page on which a person pays a PaymentIntent."""
    intent = intents.find(world, id_)
    return {"url": f"{world.base_url}/pay/{intent.client_secret}"}


def fail_refund(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Fail a refund, also one that succeeded."""
    refund = refunds.find(world, id_)
    refunds.fail(world, refund, body.get("reason", "expired_or_canceled_card"))
    return refund.to_json()


def complete_refund(world: World, id_: str) -> Json:
    """Let a pending refund succeed."""
    refund = refunds.find(world, id_)
    refunds.succeed(world, refund)
    return refund.to_json()


def start_dispute(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Open a dispute about a charge as its buyer."""
    dispute = disputes.start(
        world,
        find_charge(world, id_),
        body.get("reason", "fraudulent"),
        amount=body.get("amount"),
        inquiry=body.get("inquiry", False),
        days=body.get("days", disputes.ANSWER_DAYS),
    )
    return disputes.render(world, dispute)


def resolve_dispute(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Decide a dispute as the bank."""
    dispute = disputes.find(world, id_)
    disputes.resolve(world, dispute, body["status"])
    return disputes.render(world, dispute)


def escalate_dispute(world: World, id_: str) -> Json:
    """Turn an inquiry into a chargeback."""
    dispute = disputes.find(world, id_)
    disputes.escalate(world, dispute)
    return disputes.render(world, dispute)


def warn(world: World, id_: str, body: Mapping[str, Any]) -> Json:
    """Send an early fraud warning about a charge."""
    charge = find_charge(world, id_)
    return warnings.warn(world, charge, body.get("fraud_type", "misc")).to_json()


def pay_out(world: World, body: Mapping[str, Any]) -> Json:
    """Pay out everything that is available in one currency."""
    return payouts.pay_out(world, body["currency"].lower()).to_json()


def fail_payout(world: World, id_: str) -> Json:
    """Fail a payout, also one that was paid."""
    payout = payouts.find(world, id_)
    payouts.fail(world, payout)
    return payout.to_json()


def set_switches(world: World, body: Mapping[str, Any]) -> Json:
    """Change switches; the others stay as they are."""
    world.switches = replace(world.switches, **body)
    return vars(world.switches)


def set_delivery(world: World, body: Mapping[str, Any]) -> Json:
    """Set how events are delivered; fields that are not given get their defaults."""
    known = {field.name for field in fields(DeliveryMode)}
    world.log.set_mode(DeliveryMode(**{name: body[name] for name in known & body.keys()}))
    world.log.on_news()
    return world.log.mode.to_json()


def release_events(world: World, body: Mapping[str, Any]) -> Json:
    """Send events that were held back, optionally newest first."""
    if body.get("newest_first"):
        waiting = sorted(world.log.waiting.items(), reverse=True)
        world.log.waiting = dict(waiting)
    world.log.mode.held = False
    world.log.on_news()
    return {"released": len(world.log.waiting)}


def resend(world: World, id_: str) -> Json:
    """Send an event once more."""
    event = world.log.events.get(id_)
    if event is None:
        raise not_found("event", id_)
    delivery = Delivery(len(world.log.deliveries) + 1, event, world.clock.exact())
    world.log.deliveries.append(delivery)
    world.log.of_event.setdefault(id_, []).append(delivery)
    world.log.waiting[delivery.sequence] = delivery
    world.log.on_news()
    return delivery.to_json()


def set_webhooks(world: World, body: Mapping[str, Any]) -> Json:
    """Set the endpoint's URL, and the secrets with which events are signed."""
    if body.get("secrets") == []:
        raise invalid("At least one secret is required", "secrets")
    if "url" in body:
        world.webhook_url = body["url"] or ""
    if "secrets" in body:
        world.webhook_secrets = tuple(body["secrets"])
    world.log.on_news()
    return {"url": world.webhook_url, "secrets": len(world.webhook_secrets)}


def add_fault(faults: Faults, body: Mapping[str, Any]) -> Json:
    """Set a fault."""
    return faults.add(body).to_json()
