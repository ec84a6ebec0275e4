"""The purchases that the buyers of a run want, how they pay, and what they do afterwards."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from tests.chaos.purchase.wishes import Manner, Plan

K = TypeVar("K")


class Means(Enum):
    """How a purchase is paid.

    CARD pays an intent, as a form in the shop's page does. HOSTED pays on the payment provider's page. BOTH
    pays with the wallet first and the card for the rest.
    """

    CARD = "card"
    HOSTED = "hosted page"
    BOTH = "wallet and card"
    WALLET = "wallet"


class Conduct(Enum):
    """What a buyer does when a card has to pay.

    A buyer who TAMPERS changes the amount of the intent before paying it. A RISKY card makes the order wait
    for a person.
    """

    PAYS = "pays"
    COMES_BACK = "leaves, comes back and pays"
    DECLINED = "pays after a declined card"
    HOPELESS = "has only declined cards"
    SECURE = "pays with 3-D Secure, which fails first"
    NEVER = "never pays"
    CANCELS = "cancels before paying"
    RACES = "cancels while paying"
    TAMPERS = "changes the amount"
    RISKY = "pays with a risky card"


class Later(Enum):
    """What happens to a completed order: nothing, a cancellation, or two refunds by the staff."""

    KEEPS = "kept"
    RETURNS = "cancelled"
    REFUNDED = "refunded by staff"


MANNERS = {Manner.PATIENT: 80, Manner.IMPATIENT: 12, Manner.DOUBLE: 8}
MEANS = {Means.CARD: 40, Means.HOSTED: 25, Means.BOTH: 20, Means.WALLET: 15}
CONDUCTS = {
    Conduct.PAYS: 48,
    Conduct.COMES_BACK: 12,
    Conduct.DECLINED: 8,
    Conduct.HOPELESS: 3,
    Conduct.SECURE: 7,
    Conduct.NEVER: 4,
    Conduct.CANCELS: 4,
    Conduct.RACES: 5,
    Conduct.TAMPERS: 5,
    Conduct.RISKY: 4,
}
LATER = {Later.KEEPS: 70, Later.RETURNS: 15, Later.REFUNDED: 15}
# More than five eSIMs are delivered later.
QUANTITIES = {1: 60, 2: 15, 3: 10, 6: 15}
# Share of the purchases before which the customer tops up the wallet.
TOPS_UP = 0.1


@dataclass(frozen=True, slots=True)
class Mix:
    """How often buyers do what, as weights."""

    manners: Mapping[Manner, int] = field(default_factory=lambda: MANNERS)
    means: Mapping[Means, int] = field(default_factory=lambda: MEANS)
    conducts: Mapping[Conduct, int] = field(default_factory=lambda: CONDUCTS)
    later: Mapping[Later, int] = field(default_factory=lambda: LATER)
    quantities: Mapping[int, int] = field(default_factory=lambda: QUANTITIES)


EVERYTHING = Mix()


@dataclass(frozen=True, slots=True)
class Wish:
    """One purchase, which must become at most one order and one payment, whatever the buyer does."""

    key: str
    customer: int
    plan: Plan
    quantity: int
    manner: Manner
    means: Means
    conduct: Conduct
    later: Later
    hangs_up_after: float = 0.0  # seconds, of an impatient buyer
    tops_up: bool = False


def make(
    orders: int,
    plans: Sequence[Plan],
    customers: int,
    chance: random.Random,
    name: str,
    mix: Mix = EVERYTHING,
) -> list[Wish]:
    """Return that many purchases; `name` begins the idempotency keys."""
    manners, means = _each(mix.manners, orders, chance), _each(mix.means, orders, chance)
    conducts, later = _each(mix.conducts, orders, chance), _each(mix.later, orders, chance)
    quantities = _each(mix.quantities, orders, chance)
    return [
        Wish(
            key=f"{name}-{number}",
            customer=chance.randrange(customers),
            plan=chance.choice(plans),
            quantity=quantities[number],
            manner=manners[number],
            means=means[number],
            conduct=conducts[number],
            later=later[number],
            hangs_up_after=chance.uniform(0.01, 0.2),
            tops_up=chance.random() < TOPS_UP,
        )
        for number in range(orders)
    ]


def _each(weights: Mapping[K, int], count: int, chance: random.Random) -> list[K]:
    """Return `count` values in random order, each about as often as its weight, so that none is missing."""
    total = sum(weights.values())
    found = [one for one, weight in weights.items() for _ in range(round(weight * count / total))]
    while len(found) < count:
        found.append(chance.choices(list(weights), weights=list(weights.values()))[0])
    chance.shuffle(found)
    return found[:count]
