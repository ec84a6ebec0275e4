"""Parsing the provider's bundles: required fields, optional fields, and implausible values."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Failure
from kit.values import exact_json
from services.catalogue.plan import Bundle, Country
from services.catalogue.provider_bundle import read_bundle

LEAST: dict[str, Any] = {"name": "esim_x", "price": 2, "duration": 30}


def test_a_minimal_bundle_is_parsed() -> None:
    assert read_bundle(LEAST) == Bundle(
        name="esim_x",
        description="esim_x",
        groups=(),
        countries=(),
        duration_days=30,
        price=Decimal(2),
        data_mb=None,
        unlimited=False,
        speeds=(),
        autostart=False,
        profile_name="",
        allowances=(),
    )


def test_prices_preserve_every_digit() -> None:
    row = exact_json.loads('{"name": "esim_x", "price": 135.163, "duration": 180}')
    assert read_bundle(row).price == Decimal("135.163")


@pytest.mark.parametrize(
    ("sent", "price"),
    [
        ("2.2800000000000002", "2.28"),
        ("2.2849999999999997", "2.285"),
        ("0.30000000000000004", "0.3"),
        ("2.2799999713897705", "2.28"),
    ],
)
def test_float_noise_is_removed_from_a_price(sent: str, price: str) -> None:
    row = exact_json.loads(f'{{"name": "esim_x", "price": {sent}, "duration": 180}}')
    assert str(read_bundle(row).price) == str(Decimal(price).quantize(Decimal("0.001")))


def test_groups_are_parsed_under_two_names_and_in_two_formats() -> None:
    assert read_bundle({**LEAST, "groups": ["A", "B"]}).groups == ("A", "B")
    assert read_bundle({**LEAST, "group": ["A"]}).groups == ("A",)
    assert read_bundle({**LEAST, "group": "A"}).groups == ("A",)


def test_the_amount_of_an_unlimited_bundle_is_ignored() -> None:
    for amount in (-1, 50_000, None):
        assert read_bundle({**LEAST, "unlimited": True, "dataAmount": amount}).data_mb is None


@pytest.mark.parametrize("amount", [-1, Decimal("-1.0")])
def test_an_amount_of_minus_one_means_unlimited_by_default(amount: Any) -> None:
    bundle = read_bundle({**LEAST, "dataAmount": amount})
    assert (bundle.unlimited, bundle.data_mb) == (True, None)
    # Odd values of `unlimited` are ignored; false means limited by an unknown amount.
    assert read_bundle({**LEAST, "dataAmount": amount, "unlimited": "yes"}).unlimited
    allowance = {"type": "DATA", "amount": amount, "unit": "MB"}
    assert read_bundle({**LEAST, "allowances": [allowance]}).unlimited
    limited = read_bundle({**LEAST, "dataAmount": amount, "unlimited": False})
    assert (limited.unlimited, limited.data_mb) == (False, None)


def test_allowances_replace_deprecated_fields() -> None:
    fixed = {"type": "DATA", "amount": 3000, "unit": "MB", "unlimited": False}
    assert read_bundle({**LEAST, "allowances": [fixed]}).data_mb == 3000
    unlimited = {"type": "DATA", "amount": -1, "unit": "MB", "unlimited": True}
    bundle = read_bundle({**LEAST, "allowances": [unlimited]})
    assert (bundle.unlimited, bundle.data_mb, bundle.allowances[0].amount) == (True, None, 0)


@pytest.mark.parametrize(
    ("amount", "unit", "data_mb"),
    [
        *((3, "GB", 3000), (3000, "mb", 3000), (3_000_000_000, "BYTES", 3000), (1, "TB", 10**6)),
        *((30, "MINUTES", None), (30, "GiB", None), (30, "", None), (1500, "KB", None)),
    ],
)
def test_the_data_of_an_allowance_is_in_its_unit(
    amount: int, unit: str, data_mb: int | None
) -> None:
    allowance = {"type": "DATA", "amount": amount, "unit": unit}
    bundle = read_bundle({**LEAST, "allowances": [allowance]})
    assert (bundle.data_mb, bundle.unlimited) == (data_mb, False)


def test_unknown_keys_and_malformed_optional_ones_are_ignored() -> None:
    odd = {
        **LEAST,
        "countryNetworks": [1],
        "speed": None,
        "allowances": [None, 3],
        "roamingEnabled": "no",
        "profileName": 7,
        "autostart": "yes",
    }
    assert read_bundle(odd) == read_bundle(LEAST)


def test_text_that_is_too_long_for_an_index_is_omitted() -> None:
    long = "x" * 501
    odd = {**LEAST, "description": long, "groups": [long, "A"], "profileName": long}
    assert read_bundle(odd) == replace(read_bundle(LEAST), groups=("A",))
    country = {"name": "Spain", "iso": "ES", "region": "x" * 201}
    assert read_bundle({**LEAST, "countries": [country]}).countries == (Country("Spain", "ES", ""),)


def test_characters_that_no_database_can_store_are_omitted() -> None:
    row = exact_json.loads(
        '{"name": "esim_x", "price": 2, "duration": 3, "description": "a\\u0000b\\ud800"}'
    )
    assert read_bundle(row).description == "ab"


def test_countries_keep_their_order() -> None:
    places = [
        {"name": "Spain", "iso": "ES", "region": "Europe"},
        {"name": "Antarctica", "iso": "AQ"},
    ]
    assert read_bundle({**LEAST, "countries": places}).countries == (
        Country("Spain", "ES", "Europe"),
        Country("Antarctica", "AQ", ""),
    )


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        "esim_x",
        {**LEAST, "name": ""},
        {**LEAST, "name": None},
        {**LEAST, "name": "a\nb"},
        {**LEAST, "price": None},
        {**LEAST, "price": "2.28"},
        {**LEAST, "price": True},
        {**LEAST, "price": -1},
        {**LEAST, "price": 10**12},
        {**LEAST, "price": Decimal("0.1234567891")},
        {**LEAST, "price": Decimal("NaN")},
        {**LEAST, "duration": 0},
        {**LEAST, "duration": 36_501},
        {**LEAST, "duration": Decimal("1.5")},
        {**LEAST, "duration": "30"},
        {**LEAST, "duration": True},
        {**LEAST, "duration": Decimal("1E+999999")},
        {**LEAST, "countries": [{"name": "France"}]},
        {**LEAST, "countries": [{"iso": "FR"}]},
        {**LEAST, "countries": "France"},
        {**LEAST, "countries": {"name": "France", "iso": "FR"}},
        {**LEAST, "countries": ["FR"]},
        {**LEAST, "countries": [{"name": "France", "iso": "FR"}] * 501},
        {**LEAST, "name": "x" * 201},
        {**LEAST, "name": "esim_\ufffd"},
        {**LEAST, "price": Decimal("9" * 5000)},
        {**LEAST, "price": exact_json.LARGEST},
        {**LEAST, "duration": Decimal("9" * 5000)},
        {**LEAST, "dataAmount": "1000"},
        {**LEAST, "dataAmount": -5},
        {**LEAST, "dataAmount": Decimal("sNaN")},
        {**LEAST, "dataAmount": Decimal("9" * 5000)},
        {**LEAST, "dataAmount": [1000]},
    ],
)
def test_fields_required_for_a_sale_must_be_present(row: Any) -> None:
    with pytest.raises(Failure, match="PROVIDER_BAD_ANSWER"):
        read_bundle(row)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = [*Bundle.__slots__, "group", "dataAmount", "duration", "speed", "profileName"]


@pytest.mark.slow
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)))
def test_any_json_is_a_bundle_or_a_failure_with_a_message(odd: dict[str, Any]) -> None:
    try:
        bundle = read_bundle(LEAST | odd)
    except Failure as failure:
        if failure.reason != "PROVIDER_BAD_ANSWER":
            raise
    else:
        assert bundle.name
        assert 0 <= bundle.price < 10**12
        assert 1 <= bundle.duration_days <= 36_500
