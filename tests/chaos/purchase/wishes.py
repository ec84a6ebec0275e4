"""What the buyers of a run want, decided by its seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Manner(Enum):
    """How a buyer behaves.

    PATIENT waits for the answer. IMPATIENT hangs up at once and asks again with the same key.
    DOUBLE sends the same request twice at the same time.
    """

    PATIENT = "patient"
    IMPATIENT = "impatient"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan on sale, as the gateway shows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Wish:
    """One purchase: whatever a buyer does to get it, it is to be one order."""

    key: str
    customer: int
    plan: Plan
    quantity: int
    manner: Manner
    hangs_up_after: float  # seconds, of an impatient buyer


def make(
    orders: int, plans: Sequence[Plan], customers: int, chance: random.Random, name: str
) -> list[Wish]:
    """So many wishes; `name` begins their idempotency keys."""
    return [
        Wish(
            key=f"{name}-{number}",
            customer=chance.randrange(customers),
            plan=chance.choice(plans),
            # Mostly few, as in a shop; ten is the most, and more than five are delivered later.
            quantity=chance.choice((1, 1, 1, 2, 3, 4, 5, 6, 8, 10)),
            manner=chance.choices(list(Manner), weights=(90, 5, 5))[0],
            hangs_up_after=chance.uniform(0.01, 0.2),
        )
        for number in range(orders)
    ]
