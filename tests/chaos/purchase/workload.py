"""The purchases of a run, chosen by its seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

# Few eSIMs get many top-ups, because concurrent equal top-ups can be mixed up.
SHARE_OF_TOP_UPS = 0.15
# Price limits in multiples of the catalogue's price: prices move below, between and above them.
SHARE_WITH_LIMIT = 0.4
LIMITS = (Decimal(1), Decimal("1.2"), Decimal(2))


class Behavior(Enum):
    """How a buyer behaves.

    PATIENT waits for the response. IMPATIENT disconnects at once and retries with the same key.
    DOUBLE sends the same request twice at the same time.
    """

    PATIENT = "patient"
    IMPATIENT = "impatient"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Plan:
    id: str
    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Owned:
    """An eSIM that a customer already has, and its plan, which can top it up."""

    esim_id: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase, which must become exactly one order, however the buyer behaves.

    With `esim_id` it is a top-up of that eSIM.
    """

    key: str
    customer: int
    plan: Plan
    quantity: int
    behavior: Behavior
    disconnects_after: float = 0.0  # seconds, of an impatient buyer
    esim_id: str | None = None
    max_price: Decimal | None = None


def first(plans: Sequence[Plan], customers: int) -> list[Purchase]:
    """Return one eSIM purchase for each customer, to be topped up later."""
    return [
        Purchase(f"first-{number}", number, plans[number % len(plans)], 1, Behavior.PATIENT)
        for number in range(customers)
    ]


def make(
    orders: int, plans: Sequence[Plan], owned: Sequence[Owned], rng: random.Random, name: str
) -> list[Purchase]:
    """Return that many purchases; `owned` is an eSIM of each customer, `name` begins the idempotency keys."""
    return [_one(f"{name}-{number}", plans, owned, rng) for number in range(orders)]


def _one(key: str, plans: Sequence[Plan], owned: Sequence[Owned], rng: random.Random) -> Purchase:
    customer = rng.randrange(len(owned))
    purchase = Purchase(
        key=key,
        customer=customer,
        plan=rng.choice(plans),
        # Mostly small, as in a shop; ten is the maximum, and orders of more than five are delivered later.
        quantity=rng.choice((1, 1, 1, 2, 3, 4, 5, 6, 8, 10)),
        behavior=rng.choices(list(Behavior), weights=(90, 5, 5))[0],
        disconnects_after=rng.uniform(0.01, 0.2),
    )
    if rng.random() < SHARE_OF_TOP_UPS:
        owned_esim = owned[customer]
        purchase = replace(purchase, plan=owned_esim.plan, quantity=1, esim_id=owned_esim.esim_id)
    if rng.random() < SHARE_WITH_LIMIT:
        purchase = replace(purchase, max_price=purchase.plan.price * rng.choice(LIMITS))
    return purchase
