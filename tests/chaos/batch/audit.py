"""Compares the rows of a batch with the provider's orders, the money and the travelers."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.chaos.batch.books import Books, ProviderOrder
from tests.chaos.purchase.audit import Finding

MAX_ESIMS = 10
# The provider stamps an order when it takes effect, a moment after the request arrived.
TOLERANCE = timedelta(milliseconds=150)
DELIVERED = pb.BATCH_ITEM_STATUS_DELIVERED
FAILED = pb.BATCH_ITEM_STATUS_FAILED


def audit(books: Books, poisoned: Sequence[int], pause: timedelta) -> list[Finding]:
    """Apply all rules; `poisoned` are the positions of the rows that can't be bought."""
    rows, provider_orders = books.rows, books.provider_orders
    of_rows = [iccid for row in rows for iccid in row.iccids]
    of_provider = [iccid for order in provider_orders for iccid in order.iccids]
    delivered = [row for row in rows if row.status == DELIVERED]
    return [
        Finding(
            "the rows have exactly the eSIMs that the provider delivered",
            len(of_provider),
            sorted(set(of_rows) ^ set(of_provider)),
        ),
        Finding("no eSIM belongs to two rows", len(of_rows), _twice(of_rows)),
        Finding(
            "every delivered row has as many eSIMs as it wanted",
            len(delivered),
            [
                f"row {row.position}: {len(row.iccids)} of {row.quantity}"
                for row in delivered
                if len(row.iccids) != row.quantity
            ],
        ),
        Finding(
            "a poisoned row failed alone, with its reason", len(rows), _statuses(rows, poisoned)
        ),
        Finding("esims knows the travelers of the rows", len(delivered), _travelers(books)),
        Finding("no order has more than ten eSIMs", len(provider_orders), _large(provider_orders)),
        Finding(
            "no two orders came closer than the pause",
            len(provider_orders),
            _close(provider_orders, pause),
        ),
        Finding("the counts of the batch are those of its rows", len(rows), _counts(books)),
        Finding("nothing is open, and no reservation is left", len(rows), _open(books)),
        Finding("what was spent equals the orders, the wallet and the budget", 1, _money(books)),
    ]


def _twice(iccids: Sequence[str]) -> list[str]:
    return [f"{iccid}: {n} times" for iccid, n in Counter(iccids).items() if n > 1]


def _statuses(rows: Sequence[pb.BatchItem], poisoned: Sequence[int]) -> list[str]:
    violations = []
    for row in rows:
        expected = FAILED if row.position in poisoned else DELIVERED
        if row.status != expected or (expected == FAILED) != bool(row.code and row.error):
            status = pb.BatchItemStatus.Name(row.status)
            violations.append(f"row {row.position} is {status} {row.code}: {row.error}")
    return violations


def _travelers(books: Books) -> list[str]:
    return [
        f"{iccid} of row {row.position}: {books.names.get(iccid)!r} is not {row.traveler.name!r}"
        for row in books.rows
        for iccid in row.iccids
        if books.names.get(iccid, "") != row.traveler.name
    ]


def _large(provider_orders: Sequence[ProviderOrder]) -> list[str]:
    return [
        f"{order.reference}: {order.quantity}"
        for order in provider_orders
        if order.quantity > MAX_ESIMS
    ]


def _close(provider_orders: Sequence[ProviderOrder], pause: timedelta) -> list[str]:
    return [
        f"{one.reference} and {other.reference}: {(other.at - one.at).total_seconds():.3f} s"
        for one, other in pairwise(provider_orders)
        if other.at - one.at < pause - TOLERANCE
    ]


def _counts(books: Books) -> list[str]:
    reported, rows = books.batch.counts, books.rows
    counted = {
        "items": len(rows),
        "delivered": sum(row.status == DELIVERED for row in rows),
        "failed": sum(row.status == FAILED for row in rows),
        "esims": sum(row.quantity for row in rows),
        "esims_delivered": sum(len(row.iccids) for row in rows),
    }
    return [
        f"{name}: {getattr(reported, name)} instead of {number}"
        for name, number in counted.items()
        if getattr(reported, name) != number
    ]


def _open(books: Books) -> list[str]:
    violations = []
    if books.open:
        violations.append(f"{books.open} planned orders are unfinished")
    if books.reserved or books.budget_reserved:
        violations.append(f"{books.reserved} reservations of {books.budget_reserved} are left")
    return violations


def _money(books: Books) -> list[str]:
    spent = money.from_proto(books.batch.spent_total)
    amounts = {
        "the batch": spent,
        "its orders": books.spent,
        "the wallet": books.paid,
        "the budget": books.budget_spent,
    }
    if len(set(amounts.values())) == 1 and spent > 0:
        return []
    return [", ".join(f"{name}: {amount}" for name, amount in amounts.items())]
