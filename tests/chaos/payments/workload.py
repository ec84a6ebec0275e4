"""The purchases of a run, how they are paid, and what happens afterwards."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from tests.chaos.purchase.workload import Behavior, Plan

K = TypeVar("K")


class Method(Enum):
    """How a purchase is paid.

    CARD pays an intent, as a form in the shop's page does. HOSTED pays on the payment provider's page. BOTH
    pays with the wallet first and the card for the rest.
    """

    CARD = "card"
    HOSTED = "hosted page"
    BOTH = "wallet and card"
    WALLET = "wallet"


class Payer(Enum):
    """What a buyer does when a card has to pay.

    A buyer who TAMPERS changes the amount of the intent before paying it. A RISKY card makes the order wait
    for staff.
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


class Afterwards(Enum):
    """What happens to a completed order: nothing, a cancellation, or two refunds by the staff."""

    KEEPS = "kept"
    RETURNS = "cancelled"
    REFUNDED = "refunded by staff"


BEHAVIORS = {Behavior.PATIENT: 80, Behavior.IMPATIENT: 12, Behavior.DOUBLE: 8}
METHODS = {Method.CARD: 40, Method.HOSTED: 25, Method.BOTH: 20, Method.WALLET: 15}
PAYERS = {
    Payer.PAYS: 48,
    Payer.COMES_BACK: 12,
    Payer.DECLINED: 8,
    Payer.HOPELESS: 3,
    Payer.SECURE: 7,
    Payer.NEVER: 4,
    Payer.CANCELS: 4,
    Payer.RACES: 5,
    Payer.TAMPERS: 5,
    Payer.RISKY: 4,
}
AFTERWARDS = {Afterwards.KEEPS: 70, Afterwards.RETURNS: 15, Afterwards.REFUNDED: 15}
# More than five eSIMs are delivered later.
QUANTITIES = {1: 60, 2: 15, 3: 10, 6: 15}
# Share of the purchases before which the customer tops up the wallet.
TOPS_UP = 0.1


@dataclass(frozen=True, slots=True)
class Mix:
    """How often buyers do what, as weights."""

    behaviors: Mapping[Behavior, int] = field(default_factory=lambda: BEHAVIORS)
    methods: Mapping[Method, int] = field(default_factory=lambda: METHODS)
    payers: Mapping[Payer, int] = field(default_factory=lambda: PAYERS)
    afterwards: Mapping[Afterwards, int] = field(default_factory=lambda: AFTERWARDS)
    quantities: Mapping[int, int] = field(default_factory=lambda: QUANTITIES)


EVERYTHING = Mix()


@dataclass(frozen=True, slots=True)
class PaidPurchase:
    """One purchase, which must become at most one order and one payment, however the buyer behaves."""

    key: str
    customer: int
    plan: Plan
    quantity: int
    behavior: Behavior
    method: Method
    payer: Payer
    afterwards: Afterwards
    disconnects_after: float = 0.0  # seconds, of an impatient buyer
    tops_up: bool = False


def make(
    orders: int,
    plans: Sequence[Plan],
    customers: int,
    rng: random.Random,
    name: str,
    mix: Mix = EVERYTHING,
) -> list[PaidPurchase]:
    """Return that many purchases; `name` begins the idempotency keys."""
    behaviors, methods = _each(mix.behaviors, orders, rng), _each(mix.methods, orders, rng)
    payers, afterwards = _each(mix.payers, orders, rng), _each(mix.afterwards, orders, rng)
    quantities = _each(mix.quantities, orders, rng)
    return [
        PaidPurchase(
            key=f"{name}-{number}",
            customer=rng.randrange(customers),
            plan=rng.choice(plans),
            quantity=quantities[number],
            behavior=behaviors[number],
            method=methods[number],
            payer=payers[number],
            afterwards=afterwards[number],
            disconnects_after=rng.uniform(0.01, 0.2),
            tops_up=rng.random() < TOPS_UP,
        )
        for number in range(orders)
    ]


def _each(weights: Mapping[K, int], count: int, rng: random.Random) -> list[K]:
    """Return `count` values in random order, each about as often as its weight, so that none is missing."""
    total = sum(weights.values())
    values = [one for one, weight in weights.items() for _ in range(round(weight * count / total))]
    while len(values) < count:
        values.append(rng.choices(list(weights), weights=list(weights.values()))[0])
    rng.shuffle(values)
    return values[:count]
