"""Quantities and allowances of assignments: amounts of data are exact, and anything else is unknown."""

from decimal import Decimal
from typing import Any

import pytest

from services.esims.bundle import AssignmentState
from tests.unit.esims.assignments import read

GB = 10**9


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (1_000_000_000, 400_000_000)),
        ({"initialQuantity": Decimal("1E+9")}, (1_000_000_000, 400_000_000)),
        ({"unlimited": True, "initialQuantity": 50_000}, (None, None)),
        ({"initialQuantity": -1, "remainingQuantity": -1}, (None, None)),
        ({"callTypeGroup": "voice", "initialQuantity": 60}, (0, 0)),
        ({"callTypeGroup": "SMS", "initialQuantity": 60, "remainingQuantity": 0}, (0, 0)),
        ({"callTypeGroup": "a new word"}, (None, None)),
        ({"unit": "minutes", "remainingQuantity": 0}, (None, None)),
        ({"unit": "furlongs"}, (None, None)),
        ({"unit": "MB", "initialQuantity": 1000, "remainingQuantity": "400"}, (GB, 4 * GB // 10)),
        ({"remainingQuantity": Decimal("0.5")}, (None, None)),
        ({"remainingQuantity": "soon"}, (None, None)),
        ({"remainingQuantity": 10**30}, (None, None)),
        ({"remainingQuantity": Decimal("1e999999")}, (None, None)),
        ({"initialQuantity": ..., "remainingQuantity": ...}, (None, None)),
    ],
)
def test_bytes_are_exact_and_absent_if_not_reported(
    fields: dict[str, Any], expected: tuple[int | None, int | None]
) -> None:
    found = read(**fields)
    assert (found.initial_bytes, found.remaining_bytes) == expected


@pytest.mark.parametrize(
    ("unit", "initial", "remaining"),
    [
        ("MB", 1000, Decimal("400.5")),
        ("GB", 1, Decimal("0.4005")),
        ("BYTES", 1_000_000_000, 400_500_000),
        (None, 1_000_000_000, 400_500_000),
    ],
)
def test_allowances_replace_quantities_in_their_own_unit(
    unit: str, initial: int, remaining: Any
) -> None:
    voice = {"type": "VOICE", "initialAmount": 60, "remainingAmount": 60, "unit": "MINS"}
    data = {"type": "DATA", "initialAmount": initial, "remainingAmount": remaining, "unit": unit}
    found = read(initialQuantity=..., remainingQuantity=..., allowances=[voice, data])
    assert (found.initial_bytes, found.remaining_bytes) == (1_000_000_000, 400_500_000)


@pytest.mark.parametrize("unit", ["MINS", "SMS", "furlongs", 7])
def test_an_allowance_in_another_unit_is_not_an_amount_of_data(unit: Any) -> None:
    data = {"type": "DATA", "initialAmount": 60, "remainingAmount": 0, "unit": unit}
    found = read(initialQuantity=..., remainingQuantity=..., allowances=[data])
    assert (found.initial_bytes, found.remaining_bytes) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"unlimited": True},
        {"unlimited": ..., "initialQuantity": -1, "remainingQuantity": -1},
        {"unlimited": ..., "initialQuantity": "-1", "remainingQuantity": "-1"},
        {"unlimited": None, "allowances": [{"type": "DATA", "unlimited": True}]},
        {"unlimited": ..., "allowances": [{"type": "DATA", "initialAmount": -1}]},
    ],
)
def test_an_unlimited_bundle_is_never_depleted(fields: dict[str, Any]) -> None:
    found = read(bundleState="depleted", **{"remainingQuantity": 0, **fields})
    assert (found.unlimited, found.state) == (True, AssignmentState.ACTIVE)
    assert (found.initial_bytes, found.remaining_bytes) == (None, None)
    assert read(bundleState="expired", **fields).state is AssignmentState.EXPIRED


@pytest.mark.parametrize("remaining", [-52, "-52", None, ...])
def test_a_depleted_bundle_has_no_data_left_whatever_its_amount(remaining: Any) -> None:
    assert read(bundleState="depleted", remainingQuantity=remaining).remaining_bytes == 0
    assert read(bundleState="active", remainingQuantity=remaining).remaining_bytes is None


@pytest.mark.parametrize("amount", [2**63 - 1, 2**53 - 1, "9223372036854775807", 10**18])
def test_an_amount_that_no_bundle_has_is_unknown(amount: Any) -> None:
    found = read(initialQuantity=amount, remainingQuantity=amount)
    assert (found.initial_bytes, found.remaining_bytes) == (None, None)
