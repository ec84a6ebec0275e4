"""Reviews: payments that a person at the merchant checks."""

from dataclasses import dataclass

from sandbox.payments.errors import Json, not_found, refused
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.world import World

CLOSED_REASONS = ("approved", "canceled", "disputed", "redacted", "refunded", "refunded_as_fraud")


@dataclass
class Review:
    """A review of one charge."""

    id: str
    created: int
    charge: str
    payment_intent: str
    opened_reason: str = "manual"
    closed_reason: str | None = None

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        return {
            "id": self.id,
            "object": "review",
            "billing_zip": None,
            "charge": self.charge,
            "closed_reason": self.closed_reason,
            "created": self.created,
            "ip_address": None,
            "ip_address_location": None,
            "livemode": False,
            "open": self.closed_reason is None,
            "opened_reason": self.opened_reason,
            "payment_intent": self.payment_intent,
            "reason": self.closed_reason or self.opened_reason,
            "session": None,
        }


def find(world: World, id_: str) -> Review:
    """Return a review; raise ApiError if it is unknown."""
    if (review := world.reviews.get(id_)) is None:
        raise not_found("review", id_, "review")
    return review


def start(world: World, charge: Charge) -> Review:
    """Place a charge in review."""
    if charge.review is not None or charge.status != "succeeded":
        raise refused(f"Charge {charge.id} failed, or was reviewed already.")
    review = Review(world.ids.new("prv"), world.now(), charge.id, charge.payment_intent)
    world.reviews[review.id] = review
    charge.review = review.id
    world.intents[charge.payment_intent].review = review.id
    world.emit("review.opened", review.to_json())
    return review


def close(world: World, review: Review, reason: str) -> Review:
    """Close a review; an approval does not capture a hold."""
    if review.closed_reason is not None:
        raise refused("This review is closed already.")
    review.closed_reason = reason
    world.emit("review.closed", review.to_json())
    return review
