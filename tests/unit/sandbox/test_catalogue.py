import json
import re
from collections import Counter
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from kit.values import exact_json
from sandbox.state.bundles import CatalogueError, read_bundle, read_catalogue
from sandbox.state.catalogue import Catalogue, page_of
from sandbox.state.own_catalogue import own_catalogue
from sandbox.state.records import CatalogueChange
from sandbox.state.rows import Table
from tests.fixtures.examples import CATALOGUES, SETS, Examples, each_set
from tests.unit.sandbox.conftest import BUNDLE, CATALOGUE


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(CATALOGUE, Table("catalogue", CatalogueChange))


def test_the_catalogue_has_about_two_thousand_bundles_and_is_deterministic() -> None:
    assert 1900 <= len(CATALOGUE) <= 2200
    assert len({bundle.name for bundle in CATALOGUE}) == len(CATALOGUE)
    own_catalogue.cache_clear()  # without the cache
    assert own_catalogue() == CATALOGUE


def test_names_follow_the_provider_s_form() -> None:
    form = re.compile(r"esim_(\d+GB|UL|ULE|ULP)_(\d+)D_([A-Z0-9-]+)_V[23]")
    for bundle in CATALOGUE:
        found = form.fullmatch(bundle.name)
        assert found is not None, bundle.name
        assert int(found[2]) == bundle.duration
        if not bundle.unlimited:
            assert bundle.data_mb == int(found[1].removesuffix("GB")) * 1000


def test_prices_have_two_decimals_and_long_durations_three() -> None:
    digits = {
        group: {
            -int(bundle.price.as_tuple().exponent) for bundle in CATALOGUE if group in bundle.groups
        }
        for group in ("Standard Fixed", "Standard Long Duration", "Standard Unlimited Lite")
    }
    assert digits == {
        "Standard Fixed": {2},
        "Standard Long Duration": {3},
        "Standard Unlimited Lite": {2},
    }
    assert all(bundle.price > 0 for bundle in CATALOGUE)


def test_more_data_costs_more_in_every_area() -> None:
    for area in ("GB", "JP", "REUP"):
        fixed = [
            bundle
            for bundle in CATALOGUE
            if bundle.name.endswith(f"D_{area}_V2") and bundle.groups == ("Standard Fixed",)
        ]
        by_size = sorted(fixed, key=lambda bundle: bundle.data_mb)
        prices = [bundle.price for bundle in by_size]
        assert prices == sorted(prices)


def test_every_profile_region_and_kind_occurs() -> None:
    assert len({bundle.profile for bundle in CATALOGUE}) == 4
    regions = Counter(place.region for bundle in CATALOGUE for place in bundle.countries)
    assert len(regions) == 8
    assert any(bundle.has_number for bundle in CATALOGUE)
    assert any(bundle.autostart for bundle in CATALOGUE)


def test_filters_are_combined(catalogue: Catalogue) -> None:
    found = catalogue.find(
        {"countries": "gb, us", "group": "Standard Fixed", "description": "1GB*7 days"},
        "price",
        descending=False,
    )
    assert BUNDLE in [bundle.name for bundle in found]
    prices = [bundle.price for bundle in found]
    assert prices == sorted(prices)
    for bundle in found:
        assert {"GB", "US"} & {place.iso for place in bundle.countries}
        assert "1GB, 7 Days" in bundle.description


def test_group_is_exact_and_region_ignores_case(catalogue: Catalogue) -> None:
    assert catalogue.find({"group": "Standard"}, "name", descending=False) == []
    lower = catalogue.find({"region": "oceania"}, "name", descending=False)
    assert lower == catalogue.find({"region": "Oceania"}, "name", descending=False)
    assert lower != []


def test_wildcards_in_a_description_filter_are_plain_text(catalogue: Catalogue) -> None:
    found = catalogue.find({"description": "Europe + USA"}, "name", descending=False)
    assert {bundle.name.split("_")[3] for bundle in found} == {"REUS"}


def test_pages_contain_every_bundle_once() -> None:
    rows = list(range(23))
    pages = [page_of(rows, page, 10) for page in (1, 2, 3, 4)]
    assert [row for shown, _ in pages for row in shown] == rows
    assert pages[-1] == ([], 3)


def test_changes_are_applied_and_restored_by_a_replay(catalogue: Catalogue) -> None:
    changes: Table[CatalogueChange] = Table("catalogue", CatalogueChange)
    first = Catalogue(CATALOGUE, changes)
    shape = first.all()[0].to_json(-1) | {"name": "A_BUNDLE", "price": Decimal("1.255")}
    first.put_on_sale(shape)
    first.reprice(BUNDLE, Decimal("0.5"))
    first.withdraw("esim_1GB_7D_JP_V2")
    second = Catalogue(CATALOGUE, changes)
    second.replay()
    for known in (first, second):
        prices = {bundle.name: bundle.price for bundle in known.all()}
        assert prices["A_BUNDLE"] == Decimal("1.255")
        assert prices[BUNDLE] == Decimal("0.5")
        assert "esim_1GB_7D_JP_V2" not in prices
        assert known.known("esim_1GB_7D_JP_V2") is not None


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_may_be_an_array_or_an_object(tmp_path: Path, wrapped: bool) -> None:
    file = tmp_path / "bundles.json"
    shapes = [{"name": "A", "price": 135.163, "duration": 7, "dataAmount": 1000}]
    file.write_text(json.dumps({"bundles": shapes} if wrapped else shapes))
    [bundle] = read_catalogue(file)
    assert (bundle.price, bundle.data_mb) == (Decimal("135.163"), 1000)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"name": "A"},
        {"name": "A", "price": "dear", "duration": 7},
        {"name": "A", "price": -1, "duration": 7},
        {"name": "A", "price": 1, "duration": 0},
        {"name": "A", "price": "NaN", "duration": 1},
        {"name": "A", "price": 1, "duration": 7, "countries": ["GB"]},
        ["A"],
    ],
)
def test_an_invalid_bundle_is_refused_with_its_name(shape: Any) -> None:
    with pytest.raises(CatalogueError, match=r"bundle"):
        read_bundle(shape)


@each_set
def test_thousands_of_bundles_are_returned_unchanged(examples: Examples, tmp_path: Path) -> None:
    rows = islice(cycle(examples.response("catalogue-array.json")), 5000)
    shapes = [
        row | {"name": f"{row['name']}_{number}", "price": Decimal(number + 1) / 1000}
        for number, row in enumerate(rows)
    ]
    file = tmp_path / "bundles.json"
    file.write_text(exact_json.dumps(shapes))
    assert [bundle.to_json(-1) for bundle in read_catalogue(file)] == shapes


@pytest.mark.parametrize(
    "file",
    [*(one.folder / "responses" / "catalogue-array.json" for one in SETS), *CATALOGUES],
    ids=lambda file: f"{file.parts[-3]}-{file.stem}",
)
def test_a_catalogue_of_the_provider_is_returned_unchanged(file: Path) -> None:
    shapes = exact_json.loads(file.read_text())
    assert shapes
    assert [bundle.to_json(-1) for bundle in read_catalogue(file)] == shapes
