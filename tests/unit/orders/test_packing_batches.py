"""Rows of a batch are packed into orders of at most ten eSIMs of one plan, and none is divided."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.orders.batches.batch import Row
from services.orders.batches.packing import pack

PLANS = [uuid4() for _ in range(3)]
MOST = st.dictionaries(st.sampled_from(PLANS), st.integers(1, 10), min_size=3, max_size=3)


def row(position: int, plan: UUID, quantity: int, esim: UUID | None = None) -> Row:
    return Row(position, plan, quantity, esim, None, "")


@given(
    st.lists(st.tuples(st.sampled_from(PLANS), st.integers(1, 10), st.booleans()), max_size=80),
    MOST,
)
def test_every_row_is_in_one_order_that_is_within_the_limits(
    wanted: list[tuple[UUID, int, bool]], most: dict[UUID, int]
) -> None:
    rows = [
        row(n, plan, 1, uuid4()) if top_up else row(n, plan, min(quantity, most[plan]))
        for n, (plan, quantity, top_up) in enumerate(wanted, 1)
    ]
    orders = pack(rows, most)
    by_position = {one.position: one for one in rows}
    positions = [position for order in orders for position in order.positions]
    assert sorted(positions) == [one.position for one in rows]
    for order in orders:
        of_order = [by_position[position] for position in order.positions]
        assert {one.plan_id for one in of_order} == {order.plan_id}
        assert order.quantity == sum(one.quantity for one in of_order) <= most[order.plan_id]
        assert {one.esim_id for one in of_order} == {order.esim_id}
        assert order.esim_id is None or len(of_order) == 1
    assert [order.positions[0] for order in orders] == sorted(o.positions[0] for o in orders)


def test_single_rows_fill_orders_of_ten() -> None:
    orders = pack([row(n, PLANS[0], 1) for n in range(1, 26)], {PLANS[0]: 10})
    assert [order.quantity for order in orders] == [10, 10, 5]


def test_a_row_that_does_not_fit_leaves_room_for_later_ones() -> None:
    rows = [row(1, PLANS[0], 7), row(2, PLANS[0], 6), row(3, PLANS[0], 3), row(4, PLANS[0], 4)]
    orders = pack(rows, {PLANS[0]: 10})
    assert [list(order.positions) for order in orders] == [[1, 3], [2, 4]]
