"""Revokes bundles of eSIMs, with a refund where the provider allows."""

from dataclasses import dataclass
from datetime import datetime

from sandbox.state.lifecycle import finish, note, of_esim
from sandbox.state.records import Assignment, Esim
from sandbox.state.refusal import bad
from sandbox.state.stock import put_back, refundable_since
from sandbox.state.world import World

# States of assignments that can be revoked.
REVOCABLE = ("processing", "queued", "active")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the bundle is refunded to: `inventory`, `balance`, or nowhere."""

    refund: str | None

    def text(self, *, done: bool) -> str:
        """Return the provider's text."""
        if not done:
            back = f"would be refunded to {self.refund}" if self.refund else "would not be refunded"
            return f"Bundle can be revoked, bundle {back}"
        back = f"has been refunded to {self.refund}" if self.refund else "has not been refunded"
        return f"Successfully Revoked Bundle, bundle {back}"


def by_name(world: World, esim: Esim, name: str, offer: str | None) -> Assignment:
    """Return the assignment to revoke by bundle name; `offer` names it exactly."""
    named = [item for item in of_esim(world, esim) if item.bundle == name]
    if offer is not None:
        named = [item for item in named if item.id == offer]
    if not named:
        wanted = f"assignment {offer}" if offer is not None else f"bundle {name!r}"
        raise bad(f"eSIM {esim.iccid} has no {wanted} of that name")
    revocable = [item for item in named if item.state in REVOCABLE]
    if not revocable:
        raise bad(f"the bundle is {named[-1].state} and can't be revoked")
    if world.switches.revoke_by_name == "newest":
        return revocable[-1]
    unused = [item for item in revocable if item.used == 0]
    return (unused or revocable)[0]


def revoke(
    world: World, assignment: Assignment, at: datetime, *, to_balance: bool, dry: bool
) -> Outcome:
    """Revoke the assignment, or with `dry` only return what would happen."""
    if assignment.state not in REVOCABLE:
        raise bad(f"the bundle is {assignment.state} and can't be revoked")
    refunded = (
        world.switches.refunds
        and assignment.state != "active"
        and assignment.used == 0
        and refundable_since(world, assignment.bought_at, at)
    )
    outcome = Outcome(("balance" if to_balance else "inventory") if refunded else None)
    if dry:
        return outcome
    esim = world.esims[assignment.iccid]
    finish(world, assignment, "revoked", at, number_reason="Bundle revoked")
    note(esim, "Bundle Revoked", assignment.bundle, at)
    if outcome.refund == "balance":
        world.book("refund", assignment.price, assignment.reference, at)
        note(esim, "Bundle Refunded To Balance", assignment.bundle, at)
    elif outcome.refund == "inventory":
        put_back(world, assignment.bundle, assignment.lot, assignment.price, assignment.bought_at)
        note(esim, "Bundle Refunded to Inventory", assignment.bundle, at)
    return outcome
