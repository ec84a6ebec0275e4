"""Early fraud warnings."""

from sandbox.payments.errors import not_found, refused
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.dispute import EarlyFraudWarning
from sandbox.payments.state.world import World

FRAUD_TYPES = (
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
)


def find(world: World, id_: str) -> EarlyFraudWarning:
    """Return a warning; raise ApiError if it is unknown."""
    if (warning := world.warnings.get(id_)) is None:
        raise not_found("early_fraud_warning", id_)
    return warning


def warn(world: World, charge: Charge, fraud_type: str) -> EarlyFraudWarning:
    """Report a charge as probably fraudulent."""
    if charge.status != "succeeded":
        raise refused(f"Charge {charge.id} failed; there is nothing to warn about.")
    warning = EarlyFraudWarning(
        id=world.ids.new("issfr"),
        created=world.now(),
        charge=charge.id,
        payment_intent=charge.payment_intent,
        fraud_type=fraud_type,
        actionable=not (charge.disputed or charge.refunded),
    )
    world.warnings[warning.id] = warning
    world.emit("radar.early_fraud_warning.created", warning.to_json())
    return warning


def settle(world: World, charge: Charge) -> None:
    """Mark the warnings of a charge as no longer actionable once it is refunded or disputed."""
    if not (charge.disputed or charge.refunded):
        return
    for warning in world.warnings.values():
        if warning.charge == charge.id and warning.actionable:
            warning.actionable = False
            world.emit("radar.early_fraud_warning.updated", warning.to_json(), {"actionable": True})
