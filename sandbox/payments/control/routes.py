"""The admin API's routes: method, path, description, body and act."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.payments.api.params import Flag, Integer, Many, Number, Required, Spec, Text
from sandbox.payments.control import acts
from sandbox.payments.control.snapshot import requests, snapshot, totals
from sandbox.payments.faults import KINDS, Faults
from sandbox.payments.state.dispute import REASONS as DISPUTE_REASONS
from sandbox.payments.state.reviews import CLOSED_REASONS
from sandbox.payments.state.warnings import FRAUD_TYPES
from sandbox.payments.state.world import World


@dataclass(frozen=True, slots=True)
class Target:
    """What the admin API changes."""

    world: World
    faults: Faults


Act = Callable[[Target, tuple[str, ...], Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `{}` in the path is an id."""

    method: str
    path: str
    about: str
    act: Act
    spec: Spec


def get(path: str, about: str, act: Callable[[Target], Any]) -> Route:
    """Return a route that only reads."""
    return Route("GET", path, about, lambda target, _ids, _body: act(target), {})


def post(path: str, about: str, act: Act, spec: Spec | None = None) -> Route:
    """Return a route that changes the state."""
    return Route("POST", path, about, act, spec or {})


_FAULT: Spec = {
    "kind": Required(Text(choices=tuple(KINDS))),
    "method": Text(),
    "path": Text(),
    "effect": Text(choices=("none", "done")),
    "status": Integer(400, 599),
    "code": Text(),
    "stored": Flag(),
    "should_retry": Flag(),
    "delay_seconds": Number(),
    "skip": Integer(0),
    "count": Integer(0),
    "probability": Number(0, 1),
    "seed": Integer(),
}
_DELIVERY: Spec = {
    "types": Many(Text()),
    "held": Flag(),
    "delay_seconds": Number(),
    "copies": Integer(1, 10),
    "twins": Flag(),
    "lose": Integer(0),
    "lose_probability": Number(0, 1),
    "stale": Flag(),
    "shuffle": Flag(),
    "before_answer": Flag(),
    "decoy": Flag(),
    "retry_seconds": Many(Number()),
    "seed": Integer(),
}
_PAY: Spec = {
    "card": Text(),
    "return_url": Text(),
    "authenticate": Text(choices=("complete", "fail", "leave")),
    "debit": Flag(),
}
_ADVANCE: Spec = dict.fromkeys(("seconds", "minutes", "hours", "days", "to"), Number())

CLOCK = [
    get("/clock", "the sandbox's time", lambda to: {"now": to.world.now()}),
    post(
        "/clock/advance",
        "advances the clock, or sets it `to` a later time",
        lambda to, _ids, body: acts.advance(to.world, body),
        _ADVANCE,
    ),
    post("/clock/freeze", "stops the clock", lambda to, _ids, _body: acts.freeze(to.world)),
    post("/clock/release", "lets it continue", lambda to, _ids, _body: acts.release(to.world)),
]
READING = [
    get("/snapshot", "all objects and totals", lambda to: snapshot(to.world)),
    get("/totals", "the totals of each currency", lambda to: totals(to.world)),
    get("/requests", "the last 1,000 API requests", lambda to: requests(to.world)),
    get(
        "/deliveries",
        "all deliveries of events",
        lambda to: [one.to_json() for one in to.world.log.deliveries],
    ),
]
FAULTS = [
    get(
        "/faults", "the faults that are set", lambda to: [one.to_json() for one in to.faults.all()]
    ),
    post(
        "/faults",
        "sets a fault",
        lambda to, _ids, body: acts.add_fault(to.faults, body),
        _FAULT,
    ),
    Route(
        "DELETE",
        "/faults",
        "removes all faults",
        lambda to, _ids, _body: {"removed": to.faults.remove()},
        {},
    ),
    Route(
        "DELETE",
        "/faults/{}",
        "removes one fault",
        lambda to, ids, _body: {"removed": to.faults.remove(int(ids[0]))},
        {},
    ),
]
EVENTS = [
    get("/delivery", "how events are delivered", lambda to: to.world.log.mode.to_json()),
    post(
        "/delivery",
        "sets how events are delivered",
        lambda to, _ids, body: acts.set_delivery(to.world, body),
        _DELIVERY,
    ),
    post(
        "/delivery/release",
        "sends events that were held back",
        lambda to, _ids, body: acts.release_events(to.world, body),
        {"newest_first": Flag()},
    ),
    post(
        "/events/{}/resend",
        "sends an event again",
        lambda to, ids, _body: acts.resend(to.world, ids[0]),
    ),
    post(
        "/webhooks",
        "sets the endpoint and its secrets",
        lambda to, _ids, body: acts.set_webhooks(to.world, body),
        {"url": Text(clearable=True), "secrets": Many(Text(), most=16)},
    ),
]
PAYING = [
    post(
        "/payment_intents/{}/pay",
        "pays a PaymentIntent as its buyer",
        lambda to, ids, body: acts.pay_intent(to.world, ids[0], body),
        _PAY,
    ),
    post(
        "/checkout_sessions/{}/pay",
        "pays a Checkout Session as its buyer",
        lambda to, ids, body: acts.pay_session(to.world, ids[0], body),
        {**_PAY, "email": Text()},
    ),
    post(
        "/payment_intents/{}/authenticate",
        "completes or fails 3-D Secure",
        lambda to, ids, body: acts.authenticate(to.world, ids[0], body),
        {"succeeds": Flag()},
    ),
    post(
        "/payment_intents/{}/settle",
        "ends a direct debit",
        lambda to, ids, body: acts.settle(to.world, ids[0], body),
        {"succeeds": Flag()},
    ),
    Route(
        "GET",
        "/payment_intents/{}/link",
        "the page on which a person pays it",
        lambda to, ids, _body: acts.link(to.world, ids[0]),
        {},
    ),
]
LATER = [
    post(
        "/refunds/{}/fail",
        "fails a refund, also one that succeeded",
        lambda to, ids, body: acts.fail_refund(to.world, ids[0], body),
        {"reason": Text()},
    ),
    post(
        "/refunds/{}/succeed",
        "completes a pending refund",
        lambda to, ids, _body: acts.complete_refund(to.world, ids[0]),
    ),
    post(
        "/charges/{}/dispute",
        "opens a dispute, or an inquiry, as the buyer",
        lambda to, ids, body: acts.start_dispute(to.world, ids[0], body),
        {
            "reason": Text(choices=DISPUTE_REASONS),
            "amount": Integer(1),
            "inquiry": Flag(),
            "days": Integer(0, 21),
        },
    ),
    post(
        "/disputes/{}/resolve",
        "decides a dispute as the bank",
        lambda to, ids, body: acts.resolve_dispute(to.world, ids[0], body),
        {"status": Required(Text(choices=("won", "lost", "warning_closed", "prevented")))},
    ),
    post(
        "/disputes/{}/escalate",
        "turns an inquiry into a chargeback",
        lambda to, ids, _body: acts.escalate_dispute(to.world, ids[0]),
    ),
    post(
        "/charges/{}/early-fraud-warning",
        "sends an early fraud warning",
        lambda to, ids, body: acts.warn(to.world, ids[0], body),
        {"fraud_type": Text(choices=FRAUD_TYPES)},
    ),
    post(
        "/charges/{}/review",
        "places a charge in review",
        lambda to, ids, _body: acts.review(to.world, ids[0]),
    ),
    post(
        "/reviews/{}/close",
        "closes a review",
        lambda to, ids, body: acts.close_review(to.world, ids[0], body),
        {"reason": Text(choices=CLOSED_REASONS)},
    ),
    post(
        "/payouts",
        "pays out what is available in one currency",
        lambda to, _ids, body: acts.pay_out(to.world, body),
        {"currency": Required(Text())},
    ),
    post(
        "/payouts/{}/fail",
        "fails a payout",
        lambda to, ids, _body: acts.fail_payout(to.world, ids[0]),
    ),
]
SETTING = [
    post(
        "/switches",
        "changes switches",
        lambda to, _ids, body: acts.set_switches(to.world, body),
        {
            "short_balance": Flag(),
            "checkout_waits": Flag(),
            "strict_return_url": Flag(),
            "refund_seconds": Integer(0),
            "async_capture_seconds": Integer(0),
        },
    ),
]
ROUTES: list[Route] = [*READING, *CLOCK, *PAYING, *LATER, *SETTING, *EVENTS, *FAULTS]
