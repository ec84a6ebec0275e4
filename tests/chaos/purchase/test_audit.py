"""The audit detects each way in which the records can differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.chaos.purchase.audit import audit
from tests.chaos.purchase.books import Charge, RecordedOrder
from tests.chaos.purchase.buyers import BuyerResult
from tests.chaos.purchase.price_changes import PriceChange, lowest

CHARGE = Charge("ref-1", Decimal("2.20"), "esim_1GB_7D_GB_V2", 2, frozenset({"8944001", "8944002"}))
ORDER = RecordedOrder(
    id="order-1",
    key="key-1",
    customer="anna",
    status="COMPLETED",
    reference="ref-1",
    total=Decimal("2.20"),
    bundle="esim_1GB_7D_GB_V2",
    quantity=2,
    delivered=("8944001", "8944002"),
    registered=("8944002", "8944001"),
    open_attempts=0,
)
FAILED = replace(
    ORDER, id="order-2", key="key-2", status="FAILED", reference=None, delivered=(), registered=()
)


def constant_price(bundle: str, since: datetime, until: datetime) -> Decimal | None:
    """A constant price."""
    return Decimal("1.10")


def violated(charges: Sequence[Charge], orders: Sequence[RecordedOrder]) -> list[str]:
    """Return the violated rules, if the buyers received and see what is recorded."""
    results = {o.key or "": BuyerResult({o.id}, o.status) for o in orders}
    seen = {o.id: (o.status, frozenset(o.registered)) for o in orders}
    return [f.rule for f in audit(charges, orders, results, seen, constant_price) if f.violations]


def test_consistent_books_violate_no_rule() -> None:
    assert violated([CHARGE], [ORDER, FAILED]) == []


def test_a_charge_without_an_order_is_detected() -> None:
    assert violated([CHARGE, replace(CHARGE, reference="ref-2")], [ORDER]) == [
        "every charge belongs to exactly one order"
    ]


def test_a_charge_for_a_failed_order_is_detected() -> None:
    assert "every charge belongs to exactly one order" in violated([CHARGE], [FAILED])
    assert "every FAILED order has no charge and no eSIM" in violated(
        [CHARGE], [replace(FAILED, reference="ref-1")]
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, amount=Decimal("2.21")),
        lambda c: replace(c, quantity=3),
        lambda c: replace(c, bundle="another"),
    ],
)
def test_a_charge_that_differs_from_its_order_is_detected(
    change: Callable[[Charge], Charge],
) -> None:
    assert violated([change(CHARGE)], [ORDER]) == [
        "every order that was charged paid exactly its price"
    ]


@pytest.mark.parametrize(
    "changed",
    [
        replace(ORDER, delivered=("8944001",)),
        replace(ORDER, registered=("8944001",)),
        replace(ORDER, delivered=("8944001", "8944003")),
        replace(ORDER, delivered=(), registered=()),
    ],
)
def test_a_missing_or_foreign_esim_is_detected(changed: RecordedOrder) -> None:
    assert violated([CHARGE], [changed]) == [
        "every COMPLETED order has exactly its eSIMs, in both services"
    ]


def test_an_esim_in_two_orders_is_detected() -> None:
    other = replace(ORDER, id="order-3", key="key-3", reference="ref-3")
    assert violated([CHARGE, replace(CHARGE, reference="ref-3")], [ORDER, other]) == [
        "no eSIM came with two orders"
    ]


def test_a_top_up_may_share_only_the_esim_that_it_is_for() -> None:
    iccids = ("8944001",)
    top_up = replace(
        ORDER, id="order-4", key="key-4", quantity=1, delivered=iccids, registered=iccids
    )
    top_up = replace(top_up, reference="ref-4", target="8944001")
    charge = replace(CHARGE, reference="ref-4", quantity=1, iccids=frozenset(iccids))
    assert violated([CHARGE, charge], [ORDER, top_up]) == []
    another_esim = replace(top_up, target="8944009")
    assert "every COMPLETED order has exactly its eSIMs, in both services" in violated(
        [CHARGE, charge], [ORDER, another_esim]
    )


def test_an_unfinished_order_is_detected() -> None:
    processing = replace(FAILED, status="PROCESSING")
    assert violated([], [processing]) == ["no order is PROCESSING, and no attempt open"]
    assert violated([], [replace(FAILED, open_attempts=1)]) == [
        "no order is PROCESSING, and no attempt open"
    ]


def test_two_orders_with_one_key_are_detected() -> None:
    twin = replace(FAILED, key="key-1")
    results = {"key-1": BuyerResult({"order-1", "order-2"}, "COMPLETED")}
    seen = {o.id: (o.status, frozenset(o.registered)) for o in (ORDER, twin)}
    found = [
        f.rule
        for f in audit([CHARGE], [ORDER, twin], results, seen, constant_price)
        if f.violations
    ]
    assert "every key is one order, and was always answered with it" in found


def test_a_wrong_answer_to_a_customer_is_detected() -> None:
    results = {"key-1": BuyerResult({"order-1"}, "COMPLETED")}
    for seen in ({}, {"order-1": ("COMPLETED", frozenset({"8944001"}))}):
        found = [
            f.rule for f in audit([CHARGE], [ORDER], results, seen, constant_price) if f.violations
        ]
        assert found == ["customers see exactly what is in the tables"]


def test_an_order_in_review_is_detected() -> None:
    in_review = replace(FAILED, status="NEEDS_REVIEW", open_attempts=1)
    results = {"key-2": BuyerResult({"order-2"}, "PROCESSING")}
    seen: dict[str, tuple[str, frozenset[str]]] = {"order-2": ("PROCESSING", frozenset())}
    found = [f.rule for f in audit([], [in_review], results, seen, constant_price) if f.violations]
    assert found == ["no order needs an operator"]


AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_purchase_above_its_price_limit_is_detected() -> None:
    above = replace(ORDER, unit=Decimal("1.10"), max_price=Decimal(1), placed_at=AT)
    assert violated([CHARGE], [above]) == [
        "no limit was exceeded by a price that held before the attempt"
    ]
    # The price rose after its confirmation: an incident, but not our fault.
    rose = replace(above, unit=Decimal("0.90"), charged_above=Decimal("0.40"))
    results, seen = {}, {rose.id: (rose.status, frozenset(rose.registered))}
    results["key-1"] = BuyerResult({rose.id}, rose.status)
    found = audit([CHARGE], [rose], results, seen, lambda *_: Decimal("0.90"))
    assert [f.rule for f in found if f.violations] == []


def test_an_unrecorded_incident_is_detected() -> None:
    unrecorded = replace(ORDER, unit=Decimal("1.00"))
    assert violated([CHARGE], [unrecorded]) == [
        "every charge above the expected price is an incident"
    ]
    assert violated([CHARGE], [replace(unrecorded, charged_above=Decimal("0.20"))]) == []
    within = replace(ORDER, unit=Decimal("1.09"))
    assert violated([CHARGE], [within]) == []
    assert violated([CHARGE], [replace(within, max_price=Decimal(5))]) == [
        "every charge above the expected price is an incident"
    ]


def test_only_a_refused_price_confirmation_may_have_no_order() -> None:
    for code, rules in (
        ("PRICE_CHANGED", []),
        ("NOT_SOLD_NOW", []),
        ("PLAN_UNAVAILABLE", ["every key is one order"]),
    ):
        results = {"key-9": BuyerResult(refused=code)}
        found = audit([], [], results, {}, constant_price)
        assert [f.rule.partition(",")[0] for f in found if f.violations] == rules


def test_the_lowest_price_considers_every_price_that_may_have_applied() -> None:
    second = timedelta(seconds=1)
    changes = [
        PriceChange(Decimal(price), AT + start * second, AT + (start + 1) * second)
        for price, start in (("1", 0), ("3", 10), ("2", 20))
    ]
    assert lowest(changes, AT + 5 * second, AT + 6 * second) == 1
    assert (
        lowest(changes, AT + 11 * second, AT + 12 * second) == 1
    )  # it may have been set at the end
    assert lowest(changes, AT + 12 * second, AT + 15 * second) == 3
    assert lowest(changes, AT + 12 * second, AT + 20 * second) == 2
    assert lowest(changes, AT + 90 * second, AT + 99 * second) == 2
    assert lowest(changes, AT - second, AT + second) == 1  # the first one changes nothing
    assert lowest([], AT, AT) is None
