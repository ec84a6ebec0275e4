"""Opens disputes, takes evidence, and decides them."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from sandbox.payments.errors import Json, invalid, not_found, refused
from sandbox.payments.state import money, warnings
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.clock import DAY
from sandbox.payments.state.dispute import FILES, Dispute, DisputeStatus
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.world import World

ANSWER_DAYS = 10
# Inquiries that nobody escalates are closed after this time.
INQUIRY_SECONDS = 120 * DAY
LONGEST_EVIDENCE = 150_000
Outcome = Literal["won", "lost", "warning_closed", "prevented"]
_NEEDS_RESPONSE = ("needs_response", "warning_needs_response")


def find(world: World, id_: str) -> Dispute:
    """Return a dispute; raise ApiError if it is unknown."""
    if (dispute := world.disputes.get(id_)) is None:
        raise not_found("dispute", id_)
    return dispute


def render(world: World, dispute: Dispute) -> Json:
    """Return a dispute as the API returns it."""
    return dispute.to_json(lambda id_: world.balance[id_].to_json(world.now))


def start(
    world: World,
    charge: Charge,
    reason: str,
    *,
    amount: int | None = None,
    inquiry: bool = False,
    days: int = ANSWER_DAYS,
) -> Dispute:
    """Open a dispute; a chargeback withdraws the amount and a fee at once, an inquiry nothing."""
    remaining = charge.amount_captured - charge.amount_refunded
    if not charge.captured or remaining <= 0:
        message = (
            f"Charge {charge.id} was not captured, or was fully refunded; it can't be disputed."
        )
        raise refused(message)
    dispute = Dispute(
        id=world.ids.new("dp"),
        created=world.now(),
        amount=remaining if amount is None else amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        brand=charge.method.card.brand,
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
        due_by=world.now() + days * DAY,
    )
    world.disputes[dispute.id] = dispute
    charge.disputed = True
    if not inquiry:
        _withdraw(world, dispute)
    _emit(world, "created", dispute)
    if not inquiry:
        _emit(world, "funds_withdrawn", dispute)
    warnings.settle(world, charge)
    world.timers.add(dispute.due_by, partial(_miss_deadline, world, dispute))
    world.timers.add(dispute.created + INQUIRY_SECONDS, partial(_close_inquiry, world, dispute))
    return dispute


def update(world: World, id_: str, params: Mapping[str, Any]) -> Dispute:
    """Store evidence, and submit it to the bank unless `submit` is false."""
    dispute = find(world, id_)
    evidence = params.get("evidence")
    submits = params.get("submit", bool(evidence or dispute.evidence))
    if (evidence or params.get("submit")) and dispute.status not in _NEEDS_RESPONSE:
        raise refused(
            f"This dispute's evidence can't be changed or submitted, because its status is {dispute.status}."
        )
    before = render(world, dispute)
    if evidence:
        _store_evidence(world, dispute, evidence)
    if "metadata" in params:
        dispute.metadata = merge_metadata(dispute.metadata, params["metadata"])
    if submits and dispute.evidence and dispute.status in _NEEDS_RESPONSE:
        _submit(dispute)
    _emit(world, "updated", dispute, before)
    _decide_by_text(world, dispute)
    return dispute


def close(world: World, id_: str) -> Dispute:
    """Accept a dispute, which is then lost."""
    dispute = find(world, id_)
    if dispute.status not in ("needs_response", "under_review"):
        raise refused(f"This dispute can't be closed, because its status is {dispute.status}.")
    resolve(world, dispute, "lost")
    return dispute


def resolve(world: World, dispute: Dispute, outcome: Outcome) -> None:
    """Decide a dispute; a won or prevented one returns the amount, but not the fee."""
    if not dispute.open:
        raise refused(f"This dispute was decided already: its status is {dispute.status}.")
    if (outcome == "warning_closed") != dispute.inquiry:
        raise refused("An inquiry can only become warning_closed, and only an inquiry can.")
    dispute.status = outcome
    if outcome in ("won", "prevented"):
        dispute.balance_transactions.append(
            world.book(
                dispute.amount,
                dispute.currency,
                "adjustment",
                dispute.id,
                reporting_category="dispute_reversal",
                description=f"Chargeback reversal for {dispute.charge}",
            ).id
        )
    _emit(world, "closed", dispute)
    if outcome in ("won", "prevented"):
        _emit(world, "funds_reinstated", dispute)


def escalate(world: World, dispute: Dispute) -> None:
    """Turn an inquiry into a chargeback, which withdraws the money."""
    if not dispute.inquiry or not dispute.open:
        raise refused("Only an open inquiry can be escalated.")
    before = render(world, dispute)
    dispute.status = "needs_response"
    dispute.due_by = world.now() + ANSWER_DAYS * DAY
    dispute.evidence, dispute.submission_count = {}, 0
    _withdraw(world, dispute)
    world.timers.add(dispute.due_by, partial(_miss_deadline, world, dispute))
    _emit(world, "updated", dispute, before)
    _emit(world, "funds_withdrawn", dispute)


def blocks_refunds(world: World, charge: Charge) -> bool:
    """Return true if a chargeback of the charge makes refunds impossible."""
    return charge.disputed and any(
        one.charge == charge.id and not one.refundable for one in world.disputes.values()
    )


def _withdraw(world: World, dispute: Dispute) -> None:
    dispute.balance_transactions.append(
        world.book(
            -dispute.amount,
            dispute.currency,
            "adjustment",
            dispute.id,
            fee=money.dispute_fee(dispute.currency),
            fee_description="Dispute fee",
            reporting_category="dispute",
            description=f"Chargeback withdrawal for {dispute.charge}",
        ).id
    )


def _store_evidence(world: World, dispute: Dispute, evidence: Mapping[str, str | None]) -> None:
    for name in FILES:
        file = evidence.get(name)
        if file is not None and file not in world.files:
            raise not_found("file", file, f"evidence[{name}]")
    given = {name: value for name, value in evidence.items() if value is not None}
    kept = {name: value for name, value in dispute.evidence.items() if name not in evidence}
    merged = kept | given
    if sum(len(text) for name, text in merged.items() if name not in FILES) > LONGEST_EVIDENCE:
        message = f"All text of the evidence together can have up to {LONGEST_EVIDENCE} characters."
        raise invalid(message, "evidence")
    dispute.evidence = merged


def _submit(dispute: Dispute) -> None:
    status: DisputeStatus = "warning_under_review" if dispute.inquiry else "under_review"
    dispute.status = status
    dispute.submission_count += 1


def _decide_by_text(world: World, dispute: Dispute) -> None:
    """Apply the texts that decide a dispute in Stripe's test mode."""
    if not dispute.submission_count or not dispute.open:
        return
    text = dispute.evidence.get("uncategorized_text", "")
    if text == "escalate_inquiry_evidence" and dispute.inquiry:
        escalate(world, dispute)
    elif text == "winning_evidence":
        resolve(world, dispute, "warning_closed" if dispute.inquiry else "won")
    elif text == "losing_evidence":
        resolve(world, dispute, "warning_closed" if dispute.inquiry else "lost")


def _miss_deadline(world: World, dispute: Dispute) -> None:
    if dispute.status == "needs_response" and dispute.due_by <= world.now():
        resolve(world, dispute, "lost")


def _close_inquiry(world: World, dispute: Dispute) -> None:
    if dispute.inquiry and dispute.open:
        resolve(world, dispute, "warning_closed")


def _emit(world: World, what: str, dispute: Dispute, before: Json | None = None) -> None:
    after = render(world, dispute)
    changed = None
    if before is not None:
        changed = {name: value for name, value in before.items() if value != after[name]}
    world.emit(f"charge.dispute.{what}", after, changed)
