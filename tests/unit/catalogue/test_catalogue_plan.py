from dataclasses import replace
from uuid import UUID

import pytest

from kit.values.plain_text import fold
from services.catalogue.plan import (
    Country,
    country_keys,
    plan_id,
    region_keys,
    search_text,
)
from tests.unit.catalogue.places import FRANCE, GERMANY, JAPAN, PLAIN


def test_the_id_of_a_name_never_changes() -> None:
    # Orders and caches contain such ids: another value here breaks them.
    assert plan_id("esim_1GB_7D_FR_V2") == UUID("06de16ca-30d2-5b8c-9662-c574f1087f20")
    assert plan_id("esim_1gb_7d_fr_v2") != plan_id("esim_1GB_7D_FR_V2")


@pytest.mark.parametrize(
    ("countries", "region"),
    [
        ((FRANCE,), "Europe"),
        ((FRANCE, GERMANY, JAPAN), "Europe"),
        ((FRANCE, JAPAN), "Global"),  # half is not a majority
        ((), "Global"),
        ((Country("Nowhere", "XX", ""),), "Global"),
    ],
)
def test_the_region_of_a_plan_is_that_of_most_of_its_countries(
    countries: tuple[Country, ...], region: str
) -> None:
    assert replace(PLAIN, countries=countries).region == region


def test_a_bundle_is_found_by_each_of_its_regions_and_by_global_if_it_is_global() -> None:
    assert region_keys(replace(PLAIN, countries=(FRANCE, JAPAN))) == ["asia", "europe", "global"]
    assert region_keys(PLAIN) == ["europe"]


def test_a_bundle_is_found_by_codes_and_names() -> None:
    assert country_keys(replace(PLAIN, countries=(FRANCE, GERMANY))) == [
        "de",
        "fr",
        "france",
        "germany",
    ]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  FRANCE ", "france"),
        ("Côte d’Ivoire", "cote d'ivoire"),
        ("Türkiye", "turkiye"),
        ("Curaçao", "curacao"),
        ("Straße", "strasse"),
    ],
)
def test_folding_removes_case_accents_and_typography(text: str, folded: str) -> None:
    assert fold(text) == folded == fold(folded)


def test_no_search_term_spans_two_fields() -> None:
    assert "v2europe" not in search_text(PLAIN).replace(" ", "")
