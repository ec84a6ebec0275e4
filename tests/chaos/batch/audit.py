"""Compares the rows of a batch with the provider's orders, the money and the travelers."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.chaos.batch.books import Books, Placed
from tests.chaos.purchase.audit import Finding

MOST = 10
# The provider stamps an order when it takes effect, a moment after the request arrived.
TOLERANCE = timedelta(milliseconds=150)
DELIVERED = pb.BATCH_ITEM_STATUS_DELIVERED
FAILED = pb.BATCH_ITEM_STATUS_FAILED


def audit(books: Books, poisoned: Sequence[int], pause: timedelta) -> list[Finding]:
    """Apply all rules; `poisoned` are the positions of the rows that can't be bought."""
    rows, placed = books.rows, books.placed
    of_rows = [iccid for row in rows for iccid in row.iccids]
    of_provider = [iccid for order in placed for iccid in order.iccids]
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
        Finding("a poisoned row failed alone, with its reason", len(rows), _fates(rows, poisoned)),
        Finding("esims knows the travelers of the rows", len(delivered), _travelers(books)),
        Finding("no order has more than ten eSIMs", len(placed), _large(placed)),
        Finding("no two orders came closer than the pause", len(placed), _close(placed, pause)),
        Finding("the counts of the batch are those of its rows", len(rows), _counts(books)),
        Finding("nothing is open, and no reservation is left", len(rows), _open(books)),
        Finding("what was spent equals the orders, the wallet and the budget", 1, _money(books)),
    ]


def _twice(iccids: Sequence[str]) -> list[str]:
    return [f"{iccid}: {n} times" for iccid, n in Counter(iccids).items() if n > 1]


def _fates(rows: Sequence[pb.BatchItem], poisoned: Sequence[int]) -> list[str]:
    broken = []
    for row in rows:
        wanted = FAILED if row.position in poisoned else DELIVERED
        if row.status != wanted or (wanted == FAILED) != bool(row.code and row.error):
            status = pb.BatchItemStatus.Name(row.status)
            broken.append(f"row {row.position} is {status} {row.code}: {row.error}")
    return broken


def _travelers(books: Books) -> list[str]:
    return [
        f"{iccid} of row {row.position}: {books.names.get(iccid)!r} is not {row.traveler.name!r}"
        for row in books.rows
        for iccid in row.iccids
        if books.names.get(iccid, "") != row.traveler.name
    ]


def _large(placed: Sequence[Placed]) -> list[str]:
    return [f"{order.reference}: {order.quantity}" for order in placed if order.quantity > MOST]


def _close(placed: Sequence[Placed], pause: timedelta) -> list[str]:
    return [
        f"{one.reference} and {other.reference}: {(other.at - one.at).total_seconds():.3f} s"
        for one, other in pairwise(placed)
        if other.at - one.at < pause - TOLERANCE
    ]


def _counts(books: Books) -> list[str]:
    shown, rows = books.batch.counts, books.rows
    counted = {
        "items": len(rows),
        "delivered": sum(row.status == DELIVERED for row in rows),
        "failed": sum(row.status == FAILED for row in rows),
        "esims": sum(row.quantity for row in rows),
        "esims_delivered": sum(len(row.iccids) for row in rows),
    }
    return [
        f"{name}: {getattr(shown, name)} instead of {number}"
        for name, number in counted.items()
        if getattr(shown, name) != number
    ]


def _open(books: Books) -> list[str]:
    found = []
    if books.open:
        found.append(f"{books.open} planned orders are open")
    if books.reserved or books.budget_reserved:
        found.append(f"{books.reserved} reservations of {books.budget_reserved} are left")
    return found


def _money(books: Books) -> list[str]:
    shown = money.from_proto(books.batch.spent_total)
    amounts = {
        "the batch": shown,
        "its orders": books.spent,
        "the wallet": books.paid,
        "the budget": books.budget_spent,
    }
    if len(set(amounts.values())) == 1 and shown > 0:
        return []
    return [", ".join(f"{name}: {amount}" for name, amount in amounts.items())]
