"""Compares the provider's records of purchases with ours."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tests.chaos.purchase.books import Charge, RecordedOrder
from tests.chaos.purchase.buyers import BuyerResult

# The status that customers see of an order that an operator must settle.
CUSTOMER_STATUS = {"NEEDS_REVIEW": "PROCESSING"}
# Allowed refusals of a purchase with a limit before it is recorded, when the provider confirms its price:
# the price itself, or a fault of the provider. Any other refusal is a fault.
REFUSALS = frozenset({"PRICE_CHANGED", "NOT_SOLD_NOW"})
# Maximum age of the price confirmation at an order's first attempt (Settings.price_holds), and a second
# for clock differences.
CONFIRMED_BEFORE = timedelta(seconds=4)
# The default of ORDERS_PRICE_TOLERANCE_PERCENT.
TOLERANCE = Decimal("0.02")
LowestPrice = Callable[[str, datetime, datetime], Decimal | None]
Seen = Mapping[str, tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, how many things it was applied to, and descriptions of the violations."""

    rule: str
    checked: int
    violations: Sequence[str]


def audit(
    charges: Sequence[Charge],
    orders: Sequence[RecordedOrder],
    results: Mapping[str, BuyerResult],
    seen: Seen,
    lowest: LowestPrice,
) -> list[Finding]:
    """Apply all rules; `results` is by idempotency key, `seen` by order id.

    `lowest` returns the lowest price of a bundle that may have applied between two moments.
    """
    completed = [o for o in orders if o.status == "COMPLETED"]
    failed = [o for o in orders if o.status == "FAILED"]
    return [
        Finding(
            "every charge belongs to exactly one order", len(charges), _owners(charges, orders)
        ),
        Finding("every order that was charged paid exactly its price", *_prices(charges, orders)),
        Finding(
            "no limit was exceeded by a price that held before the attempt",
            *_limits(orders, lowest),
        ),
        Finding("every charge above the expected price is an incident", *_incidents(orders)),
        Finding(
            "every COMPLETED order has exactly its eSIMs, in both services",
            len(completed),
            _deliveries(charges, completed),
        ),
        Finding("no eSIM came with two orders", *_shared(orders)),
        Finding(
            "every FAILED order has no charge and no eSIM",
            len(failed),
            [
                f"{o.id} has {o.reference or 'eSIMs'}"
                for o in failed
                if o.reference or o.delivered or o.registered
            ],
        ),
        Finding(
            "no order is PROCESSING, and no attempt open",
            len(orders),
            [
                f"{o.id} ({o.status}, {o.open_attempts} open attempts)"
                for o in orders
                if o.status == "PROCESSING" or (o.status != "NEEDS_REVIEW" and o.open_attempts)
            ],
        ),
        Finding(
            "no order needs an operator",
            len(orders),
            [f"{o.id} of {o.quantity} {o.bundle}" for o in orders if o.status == "NEEDS_REVIEW"],
        ),
        Finding("every key is one order, and was always answered with it", *_keys(orders, results)),
        Finding(
            "customers see exactly what is in the tables",
            len(orders),
            _shown(orders, results, seen),
        ),
    ]


def _owners(charges: Sequence[Charge], orders: Sequence[RecordedOrder]) -> list[str]:
    owners = Counter(o.reference for o in orders if o.reference)
    violations = [
        f"{c.reference}: {c.quantity} {c.bundle} for {c.amount} belongs to {owners[c.reference]} orders"
        for c in charges
        if owners[c.reference] != 1
    ]
    twice = [ref for ref, n in Counter(c.reference for c in charges).items() if n > 1]
    return violations + [f"{reference} was charged twice" for reference in twice]


def _prices(charges: Sequence[Charge], orders: Sequence[RecordedOrder]) -> tuple[int, list[str]]:
    by_reference = {c.reference: c for c in charges}
    owning = [o for o in orders if o.reference]
    violations = []
    for order in owning:
        charge = by_reference.get(order.reference or "")
        if charge is None:
            violations.append(f"{order.id}: {order.reference} was never charged")
        elif (charge.amount, charge.bundle, charge.quantity) != (
            order.total,
            order.bundle,
            order.quantity,
        ):
            violations.append(
                f"{order.id}: {order.quantity} {order.bundle} for {order.total}, charged were"
                f" {charge.quantity} {charge.bundle} for {charge.amount}"
            )
    return len(owning), violations


def _limits(orders: Sequence[RecordedOrder], lowest: LowestPrice) -> tuple[int, list[str]]:
    """Check price limits. The provider has none, so it charges a price that rises after its confirmation."""
    limited = [o for o in orders if o.reference and o.max_price is not None]
    violations = []
    for order in limited:
        if order.max_price is None or order.total <= order.max_price * order.quantity:
            continue
        began = order.placed_at
        price = lowest(order.bundle, began - CONFIRMED_BEFORE, began) if began else None
        if price is None or price > order.max_price:
            violations.append(
                f"{order.id}: {order.quantity} {order.bundle} for {order.total}, above"
                f" {order.max_price} each; it cost {price} or more when it was confirmed"
            )
    return len(limited), violations


def _incidents(orders: Sequence[RecordedOrder]) -> tuple[int, list[str]]:
    violations = []
    placed = [o for o in orders if o.reference and o.unit is not None]
    for order in placed:
        expected = (order.unit or Decimal()) * order.quantity
        allowed = expected * (1 if order.max_price is not None else 1 + TOLERANCE)
        above = order.total - expected if order.total > allowed else None
        if order.charged_above != above:
            violations.append(
                f"{order.id}: expected {expected}, charged {order.total}, recorded as"
                f" {order.charged_above} above"
            )
    return len(placed), violations


def _deliveries(charges: Sequence[Charge], completed: Sequence[RecordedOrder]) -> list[str]:
    sold_iccids = {c.reference: c.iccids for c in charges}
    violations = []
    for order in completed:
        sold = sold_iccids.get(order.reference or "", frozenset())
        for where, iccids in (("orders", order.delivered), ("esims", order.registered)):
            if len(iccids) != order.quantity or frozenset(iccids) != sold:
                violations.append(
                    f"{order.id}: {len(iccids)} eSIMs in {where}, {len(sold)} sold,"
                    f" {order.quantity} wanted"
                )
        if order.target and order.delivered != (order.target,):
            violations.append(f"{order.id}: a top-up that went to another eSIM")
    return violations


def _shared(orders: Iterable[RecordedOrder]) -> tuple[int, list[str]]:
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for order in orders:
        if order.target:
            continue  # it adds a bundle to an eSIM of another order
        for iccid in (*order.delivered, *order.registered):
            owners[iccid].add(order.id)
    violations = [
        f"…{iccid[-4:]} is in {', '.join(ids)}" for iccid, ids in owners.items() if len(ids) > 1
    ]
    return len(owners), violations


def _keys(
    orders: Sequence[RecordedOrder], results: Mapping[str, BuyerResult]
) -> tuple[int, list[str]]:
    of_key: defaultdict[str | None, set[str]] = defaultdict(set)
    for order in orders:
        of_key[order.key].add(order.id)
    violations = [
        f"{key}: reported {len(result.order_ids)} orders {result.refused}, recorded are {len(of_key[key])}"
        for key, result in results.items()
        if not _matches(result, of_key[key])
    ]
    unknown = of_key.keys() - results.keys()
    return len(results), violations + [f"{key} is no buyer's key" for key in unknown]


def _matches(result: BuyerResult, recorded: set[str]) -> bool:
    """True if the buyer received the one order of the key.

    Of two concurrent requests with one key, one may be refused and the other recorded.
    """
    if result.refused in REFUSALS:
        return len(recorded) <= 1 and result.order_ids <= recorded
    return len(recorded) == 1 and result.order_ids == recorded and not result.refused


def _shown(
    orders: Sequence[RecordedOrder], results: Mapping[str, BuyerResult], seen: Seen
) -> list[str]:
    violations = []
    for order in orders:
        status = CUSTOMER_STATUS.get(order.status, order.status)
        # A top-up always shows the eSIM that it is for.
        iccids = frozenset({order.target} if order.target else order.registered)
        if seen.get(order.id) != (status, iccids):
            shown, iccids_seen = seen.get(order.id, ("nothing", frozenset()))
            violations.append(
                f"{order.id} is {order.status}, shown {shown} with {len(iccids_seen)} eSIMs"
            )
        result = results.get(order.key or "")
        if result is not None and result.order_ids and result.status != status:
            violations.append(
                f"{order.id} is {order.status}, its buyer last received {result.status}"
            )
    return violations
