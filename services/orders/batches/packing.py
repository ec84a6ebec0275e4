"""Packs the rows of a batch into orders of at most ten eSIMs of one plan. Pure."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.orders.batches.batch import Planned, Row
from services.orders.order import MAX_QUANTITY


def pack(rows: Sequence[Row], most: Mapping[UUID, int]) -> list[Planned]:
    """Return the orders that buy these rows, by their first position; a row is never divided.

    `most` is the greatest quantity of an order of each plan, at least that of each of its rows. A top-up is
    an order of its own.
    """
    planned: list[Planned] = []
    filling: dict[UUID, list[tuple[int, list[int]]]] = {}
    for row in rows:
        if row.plan_id is None:
            raise ValueError(f"row {row.position} has no plan")
        if row.esim_id is not None:
            planned.append(Planned(row.plan_id, 1, row.esim_id, [row.position]))
            continue
        boxes = filling.setdefault(row.plan_id, [])
        size = min(most.get(row.plan_id, MAX_QUANTITY), MAX_QUANTITY)
        for index, (taken, positions) in enumerate(boxes):
            if taken + row.quantity <= size:
                boxes[index] = (taken + row.quantity, [*positions, row.position])
                break
        else:
            boxes.append((row.quantity, [row.position]))
    for plan_id, boxes in filling.items():
        planned += [Planned(plan_id, taken, None, positions) for taken, positions in boxes]
    return sorted(planned, key=lambda order: order.positions[0])
