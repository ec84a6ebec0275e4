"""Which eSIMs accept which bundles, and when large orders are done."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.state import lifecycle, timers
from sandbox.state.ids import luhn_digit
from sandbox.state.refusal import Refusal
from tests.unit.sandbox.conftest import BUNDLE, START, Bench

Make = Callable[..., Bench]
OTHER_PROFILE = "esim_1GB_7D_JP_V2"


def line(**more: Any) -> dict[str, Any]:
    return {"type": "bundle", "quantity": 1, "item": BUNDLE, **more}


def test_every_iccid_is_unique_with_19_digits_and_a_check_digit(bench: Bench) -> None:
    order = bench.order(line(quantity=5))
    iccids = order.lines[0].iccids
    assert len(set(iccids)) == 5
    for iccid in iccids:
        assert len(iccid) == 19
        assert iccid.startswith("894310")
        assert luhn_digit(iccid[:-1]) == iccid[-1]


def test_the_luhn_digit_of_a_published_number_is_correct() -> None:
    assert luhn_digit("7992739871") == "3"


def test_equal_seeds_give_equal_names_and_different_seeds_different_ones(make_bench: Make) -> None:
    names = [
        (esim.iccid, esim.matching_id, esim.puk)
        for seed in (7, 7, 8)
        for esim in [make_bench(seed=seed).esim()]
    ]
    assert names[0] == names[1]
    assert names[0] != names[2]


def test_bundles_go_to_the_named_esim(bench: Bench) -> None:
    esim = bench.esim()
    order = bench.order(line(iccids=[esim.iccid]))
    assert order.lines[0].iccids == (esim.iccid,)
    assert len(esim.assignments) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"quantity": 2, "iccids": ["ESIM"]}, "quantity must match the number of iccids"),
        ({"iccids": ["8943108170000000001"]}, "access denied"),
        ({"item": "esim_1GB_7D_gb_V2"}, "case-sensitive"),
        ({"item": OTHER_PROFILE, "iccids": ["ESIM"]}, "does not fit"),
        ({"quantity": 10_001}, "at most 10000"),
    ],
)
def test_invalid_orders_are_refused_without_any_effect(
    bench: Bench, body: dict[str, Any], message: str
) -> None:
    esim = bench.esim()
    if body.get("iccids") == ["ESIM"]:
        body = {**body, "iccids": [esim.iccid]}
    with pytest.raises(Refusal, match=message):
        bench.order(line(**body))
    assert len(bench.world.orders) == 1


def test_an_inventory_order_accepts_no_iccids(bench: Bench) -> None:
    esim = bench.esim()
    with pytest.raises(Refusal, match="assign: true"):
        bench.order(line(iccids=[esim.iccid]), assign=False)


def test_allow_reassign_gives_a_new_esim_where_the_bundle_does_not_fit(bench: Bench) -> None:
    esim = bench.esim()
    order = bench.order(line(item=OTHER_PROFILE, iccids=[esim.iccid], allowReassign=True))
    [given] = order.lines[0].iccids
    assert given != esim.iccid
    assert bench.world.esims[given].profile == "Profile 4"


def test_a_deactivated_esim_accepts_no_bundle_unless_reassigned(bench: Bench) -> None:
    esim = bench.esim()
    lifecycle.deactivate(bench.world, esim, "revoked", bench.now)
    with pytest.raises(Refusal, match="deactivated"):
        bench.order(line(iccids=[esim.iccid]))
    order = bench.order(line(iccids=[esim.iccid], allowReassign=True))
    assert order.lines[0].iccids[0] != esim.iccid


def test_up_to_five_bundles_are_assigned_at_once(bench: Bench) -> None:
    order = bench.order(line(quantity=5))
    assert (order.status, len(order.lines[0].iccids)) == ("completed", 5)
    assert order.message == "Order completed: 5 eSIMs assigned"


def test_more_than_five_are_charged_at_once_and_assigned_later(bench: Bench) -> None:
    order = bench.order(line(quantity=3), line(quantity=3))
    assert order.status == "processing"
    assert bench.world.account.balance == 1000 - order.total
    assert len(bench.world.esims) == 0
    bench.later(seconds=1)
    assert order.status == "processing"
    bench.later(seconds=1)
    assert order.status == "completed"
    assert [len(item.iccids) for item in order.lines] == [3, 3]
    references = [item.reference for item in bench.world.assignments]
    assert references == [f"{order.reference}-{place}" for place in range(6)]


def test_a_bundle_withdrawn_while_an_order_waits_is_still_assigned(bench: Bench) -> None:
    order = bench.order(line(quantity=6))
    bench.world.catalogue.withdraw(BUNDLE)
    bench.later(seconds=2)
    assert order.status == "completed"
    with pytest.raises(Refusal, match="not in the catalogue"):
        bench.order(line())


def test_a_requested_start_time_is_respected(bench: Bench) -> None:
    esim = bench.esim()
    bundle = bench.world.catalogue.get(BUNDLE)
    assert bundle is not None
    begins = bench.now.replace(day=5)
    assignment = lifecycle.assign(
        bench.world,
        esim,
        bundle,
        "reference-0",
        price=bundle.price,
        bought_at=START,
        at=bench.now,
        begins=begins,
    )
    bench.later(days=3, hours=23)
    assert assignment.state == "queued"
    bench.later(hours=1)
    assert (assignment.state, assignment.started_at) == ("active", begins)


def test_rescheduled_timers_have_the_same_effect(bench: Bench) -> None:
    order = bench.order(line(quantity=6))
    esim = bench.esim("esim_1GB_1D_GB_V3")
    while bench.world.due_timer(START.replace(year=8000)):
        pass
    timers.set_timers(bench.world)
    bench.later(days=1)
    assert order.status == "completed"
    assert bench.assignment(esim).state == "expired"
    bench.later(days=400)
    assert {item.state for item in bench.world.esims} == {"deactivated"}
