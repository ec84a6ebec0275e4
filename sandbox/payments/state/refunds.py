"""Creates refunds, and changes them later."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sandbox.payments.errors import ApiError, invalid, not_found, refused
from sandbox.payments.state import money, warnings
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.disputes import blocks_refunds
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.refund import Refund
from sandbox.payments.state.world import World


def find(world: World, id_: str) -> Refund:
    """Return a refund; raise ApiError if it is unknown."""
    if (refund := world.refunds.get(id_)) is None:
        raise not_found("refund", id_)
    return refund


def create(world: World, params: Mapping[str, Any]) -> Refund:
    """Refund a captured payment in full or in part; raise ApiError if that is not possible."""
    charge = _charge_of(world, params)
    remaining = charge.amount_captured - charge.amount_refunded
    if remaining <= 0:
        raise refused(f"Charge {charge.id} has already been refunded.", "charge_already_refunded")
    if blocks_refunds(world, charge):
        message = f"Charge {charge.id} has been charged back; cannot issue a refund."
        raise refused(message, "charge_disputed")
    amount = params.get("amount", remaining)
    money.check_digits(amount, charge.currency)
    if amount > remaining:
        raise ApiError(
            400,
            f"Refund amount ({money.written(amount, charge.currency)}) is greater than unrefunded amount "
            f"on charge ({money.written(remaining, charge.currency)})",
            param="amount",
            stored=True,
        )
    refund = Refund(
        id=world.ids.new("re"),
        created=world.now(),
        amount=amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        payment_method=charge.method.id,
        reason=params.get("reason"),
        customer=charge.customer,
        instructions_email=params.get("instructions_email"),
        metadata=merge_metadata({}, params.get("metadata") or {}),
    )
    world.refunds[refund.id] = refund
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded == charge.amount_captured
    charge.fraud_reported |= refund.reason == "fraudulent"
    _start(world, refund, charge)
    world.emit("refund.created", refund.to_json())
    world.emit("charge.refunded", charge.to_json())
    warnings.settle(world, charge)
    return refund


def update(world: World, id_: str, params: Mapping[str, Any]) -> Refund:
    """Change a refund's metadata."""
    refund = find(world, id_)
    if "metadata" in params:
        before = dict(refund.metadata)
        refund.metadata = merge_metadata(refund.metadata, params["metadata"])
        _changed(world, refund, {"metadata": before})
    return refund


def cancel(world: World, id_: str) -> Refund:
    """Raise ApiError: refunds of cards can't be canceled."""
    refund = find(world, id_)
    raise refused(
        f"Refund {refund.id} could not be canceled. Only refunds with a status of requires_action can be "
        "canceled.",
    )


def succeed(world: World, refund: Refund) -> None:
    """Complete a pending refund."""
    if refund.status != "pending":
        return
    before = {"status": "pending", "pending_reason": refund.pending_reason}
    refund.status, refund.pending_reason = "succeeded", None
    if refund.balance_transaction is None:
        _book(world, refund)
        before["balance_transaction"] = None
    _changed(world, refund, before)


def fail(world: World, refund: Refund, reason: str) -> None:
    """Fail a refund, even one that succeeded, and return the money to the merchant's balance."""
    if refund.status == "failed":
        return
    before = {"status": refund.status}
    refund.status, refund.pending_reason = "failed", None
    refund.failure_reason = reason
    if refund.balance_transaction is not None:
        refund.failure_balance_transaction = world.book(
            refund.amount,
            refund.currency,
            "refund_failure",
            refund.id,
            description="REFUND FAILURE",
        ).id
    charge = world.charges[refund.charge]
    charge.amount_refunded -= refund.amount
    charge.refunded = False
    _changed(world, refund, before)
    world.emit("refund.failed", refund.to_json())


def _start(world: World, refund: Refund, charge: Charge) -> None:
    later = world.now() + world.switches.refund_seconds
    if world.switches.short_balance:
        refund.status, refund.pending_reason = "pending", "insufficient_funds"
        return
    _book(world, refund)
    if charge.method.card.refund == "pending":
        refund.status, refund.pending_reason = "pending", "processing"
        world.timers.add(later, partial(succeed, world, refund))
    elif charge.method.card.refund == "fails":
        world.timers.add(later, partial(fail, world, refund, "expired_or_canceled_card"))


def _book(world: World, refund: Refund) -> None:
    refund.balance_transaction = world.book(
        -refund.amount,
        refund.currency,
        "refund",
        refund.id,
        description="REFUND FOR CHARGE",
    ).id


def _changed(world: World, refund: Refund, before: Mapping[str, Any]) -> None:
    world.emit("refund.updated", refund.to_json(), dict(before))
    world.emit("charge.refund.updated", refund.to_json(), dict(before))


def _charge_of(world: World, params: Mapping[str, Any]) -> Charge:
    by_charge, by_intent = params.get("charge"), params.get("payment_intent")
    if by_charge is None and by_intent is None:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise invalid(message, None, "parameter_missing")
    if by_intent is not None:
        if (intent := world.intents.get(by_intent)) is None:
            raise not_found("payment_intent", by_intent, "payment_intent")
        charge = world.charges.get(intent.latest_charge or "")
        if intent.status != "succeeded" or charge is None:
            raise refused(
                f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                "payment_intent_unexpected_state",
                payment_intent=intent.to_json(),
            )
        if by_charge not in (None, charge.id):
            raise invalid("The charge does not belong to the payment_intent.", "charge")
        return charge
    if (found := world.charges.get(str(by_charge))) is None:
        raise not_found("charge", str(by_charge), "charge")
    if not found.captured or found.status != "succeeded":
        raise refused(
            f"Charge {found.id} is not captured; cancel the PaymentIntent to release the hold.",
            "charge_not_refundable",
        )
    return found
