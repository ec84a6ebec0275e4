"""One bad record of the provider does not affect the others; only garbage is refused as a whole."""

from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure
from services.catalogue import provider_bundle, provider_records
from services.catalogue.provider_records import Unusable, read_records

GOOD: dict[str, Any] = {"name": "esim_good", "price": 2, "duration": 30}
ODD: dict[str, Any] = {"name": "esim_odd", "price": 3, "duration": 7}


@pytest.mark.parametrize(
    ("change", "price"),
    [
        ({"price": None}, None),
        ({"price": "3"}, None),
        ({"price": -3}, None),
        ({"price": Decimal("NaN")}, None),
        ({"price": {}}, None),
        ({"duration": None}, 3),
        ({"duration": "7"}, 3),
        ({"dataAmount": "1000"}, 3),
        ({"countries": 1}, 3),
    ],
)
def test_a_bad_record_is_reported_with_its_price_if_that_is_reliable(
    change: dict[str, Any], price: int | None
) -> None:
    read = read_records([{**ODD, **change}, GOOD])
    assert [bundle.name for bundle in read.bundles] == ["esim_good"]
    [record] = read.unusable
    assert (record.name, record.price) == ("esim_odd", price)
    assert "bundle esim_odd" in record.problem
    assert read.complete


@pytest.mark.parametrize("row", [None, 1, [], {}, {**ODD, "name": None}, {**ODD, "name": ["x"]}])
def test_a_record_without_a_bundle_name_makes_the_snapshot_incomplete(row: Any) -> None:
    read = read_records([row, GOOD])
    assert [bundle.name for bundle in read.bundles] == ["esim_good"]
    assert [record.name for record in read.unusable] == [""]
    assert not read.complete


def test_a_bundle_listed_twice_counts_once() -> None:
    assert len(read_records([GOOD, {**GOOD, "description": "newer"}]).bundles) == 1
    broken_too = read_records([GOOD, {**GOOD, "duration": None}])
    assert (len(broken_too.bundles), broken_too.unusable) == (1, [])


def test_a_bundle_listed_at_two_prices_has_no_price() -> None:
    read = read_records([ODD, GOOD, {**ODD, "price": 4}, ODD])
    assert [bundle.name for bundle in read.bundles] == ["esim_good"]
    assert read.unusable == [Unusable("esim_odd", "bundle esim_odd is listed at two prices")]


def test_records_without_a_usable_one_are_a_bad_response() -> None:
    with pytest.raises(Failure, match="none of its 2 records can be used") as caught:
        read_records([None, {**GOOD, "price": "2"}])
    assert caught.value.reason == "PROVIDER_BAD_ANSWER"
    assert read_records([]).bundles == []


def test_an_unexpected_error_in_one_record_does_not_affect_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_bundle = provider_bundle.read_bundle

    def reads(row: Any) -> Any:
        if row["name"] == "esim_odd":
            raise ZeroDivisionError
        return read_bundle(row)

    monkeypatch.setattr(provider_records, "read_bundle", reads)
    read = read_records([ODD, GOOD])
    assert [bundle.name for bundle in read.bundles] == ["esim_good"]
    assert read.unusable == [
        Unusable("esim_odd", "a bundle can't be parsed: ZeroDivisionError", Decimal(3))
    ]
