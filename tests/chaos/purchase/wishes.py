"""The purchases that the buyers of a run want, chosen by its seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

# Few eSIMs get many top-ups: concurrent equal ones can be mixed up.
SHARE_OF_TOP_UPS = 0.15
# Price limits in multiples of the catalogue's price: prices move below, between and above them.
SHARE_WITH_LIMIT = 0.4
LIMITS = (Decimal(1), Decimal("1.2"), Decimal(2))


class Manner(Enum):
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
    """An eSIM that a customer has already, and the plan that it came with, so that this fits."""

    esim_id: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Wish:
    """One purchase, which must become one order whatever the buyer does.

    With `esim_id` it is a top-up of that eSIM.
    """

    key: str
    customer: int
    plan: Plan
    quantity: int
    manner: Manner
    hangs_up_after: float = 0.0  # seconds, of an impatient buyer
    esim_id: str | None = None
    max_price: Decimal | None = None


def first(plans: Sequence[Plan], customers: int) -> list[Wish]:
    """Return one eSIM purchase for each customer, to be topped up later."""
    return [
        Wish(f"first-{number}", number, plans[number % len(plans)], 1, Manner.PATIENT)
        for number in range(customers)
    ]


def make(
    orders: int, plans: Sequence[Plan], owned: Sequence[Owned], chance: random.Random, name: str
) -> list[Wish]:
    """Return that many purchases; `owned` is an eSIM of each customer, `name` begins the idempotency keys."""
    return [_one(f"{name}-{number}", plans, owned, chance) for number in range(orders)]


def _one(key: str, plans: Sequence[Plan], owned: Sequence[Owned], chance: random.Random) -> Wish:
    customer = chance.randrange(len(owned))
    wish = Wish(
        key=key,
        customer=customer,
        plan=chance.choice(plans),
        # Mostly few, as in a shop; ten is the maximum, and more than five are delivered later.
        quantity=chance.choice((1, 1, 1, 2, 3, 4, 5, 6, 8, 10)),
        manner=chance.choices(list(Manner), weights=(90, 5, 5))[0],
        hangs_up_after=chance.uniform(0.01, 0.2),
    )
    if chance.random() < SHARE_OF_TOP_UPS:
        mine = owned[customer]
        wish = replace(wish, plan=mine.plan, quantity=1, esim_id=mine.esim_id)
    if chance.random() < SHARE_WITH_LIMIT:
        wish = replace(wish, max_price=wish.plan.price * chance.choice(LIMITS))
    return wish
