"""Titles, fair-use notes and features of plans."""

from dataclasses import replace

import pytest

from services.catalogue.language.wording import FairUse, fair_use, features, title
from services.catalogue.plan import Allowance, Bundle, Country
from tests.unit.catalogue.places import FRANCE, GERMANY, JAPAN, PLAIN

SPAIN = Country("Spain", "ES", "Europe")
UNLIMITED = replace(PLAIN, unlimited=True, data_mb=None, groups=("Standard Unlimited Lite",))


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        (PLAIN, "France, 1 GB, 7 days"),
        (replace(PLAIN, duration_days=1), "France, 1 GB, 1 day"),
        (replace(PLAIN, data_mb=500), "France, 500 MB, 7 days"),
        (replace(PLAIN, data_mb=1500), "France, 1.5 GB, 7 days"),
        (replace(PLAIN, data_mb=100_000), "France, 100 GB, 7 days"),
        (
            replace(UNLIMITED, countries=(FRANCE, GERMANY, SPAIN), duration_days=30),
            "Europe, unlimited, 30 days",
        ),
        # Two countries are not named as a region, which would promise more.
        (replace(PLAIN, countries=(FRANCE, GERMANY)), "France and Germany, 1 GB, 7 days"),
        (replace(PLAIN, countries=(FRANCE, JAPAN, SPAIN, JAPAN)), "Global, 1 GB, 7 days"),
        (replace(PLAIN, countries=()), "1 GB, 7 days"),
        (replace(PLAIN, data_mb=None), "France, 7 days"),
        (
            replace(
                PLAIN,
                data_mb=0,
                allowances=(Allowance("VOICE", "STANDARD", "", 100, "MINS", False),),
            ),
            "France, 100 minutes, 7 days",
        ),
    ],
)
def test_a_title_contains_place_data_and_duration(bundle: Bundle, text: str) -> None:
    assert title(bundle) == text


@pytest.mark.parametrize(
    ("language", "place", "whole"),
    [
        ("de", "Frankreich und Deutschland, 1,5\xa0GB, 7 Tage", "Europa, unbegrenzt, 1 Tag"),
        ("fr", "France et Allemagne, 1,5\u202fGo, 7\xa0jours", "Europe, illimité, 1\xa0jour"),
        ("ja", "フランス、ドイツ, 1.5 GB, 7 日", "ヨーロッパ, 無制限, 1 日"),
        ("pt", "França e Alemanha, 1,5 GB, 7 dias", "Europa, ilimitado, 1 dia"),
        # CLDR has no word for unlimited.
        ("ga", "An Fhrainc agus an Ghearmáin, 1.5 GB, 7 lá", "An Eoraip, ∞, 1 lá"),
    ],
)
def test_a_title_is_made_in_every_language(language: str, place: str, whole: str) -> None:
    two = replace(PLAIN, countries=(FRANCE, GERMANY), data_mb=1500)
    assert title(two, language) == place
    three = replace(UNLIMITED, countries=(FRANCE, GERMANY, SPAIN), duration_days=1)
    assert title(three, language) == whole


def test_a_region_without_a_name_in_cldr_is_in_english() -> None:
    emirates, qatar, oman = (
        Country(name, name[:2].upper(), "Middle East") for name in ("Emirates", "Qatar", "Oman")
    )
    plan = replace(PLAIN, countries=(emirates, qatar, oman))
    assert title(plan, "de") == "Middle East, 1\xa0GB, 7 Tage"


def test_a_title_starts_with_a_capital_letter() -> None:
    plan = replace(
        PLAIN, countries=(FRANCE, GERMANY, JAPAN, Country("Chile", "CL", "South America"))
    )
    assert title(plan, "ru").startswith("Весь мир, ")


@pytest.mark.parametrize(
    ("groups", "limit"),
    [
        (("Standard Unlimited Lite",), FairUse(1000, 512)),
        (("Standard Unlimited Essential",), FairUse(1000, 1250)),
        (("Standard Unlimited Plus",), FairUse(2000, 2000)),
        (("Special", "standard unlimited plus"), FairUse(2000, 2000)),
        (("Standard Unlimited Bundles",), None),
        (("Europe Lite",), None),
        (("Standard Unlimited Lite", "Standard Unlimited Plus"), None),
        ((), None),
    ],
)
def test_the_fair_use_policy_is_that_of_the_group(
    groups: tuple[str, ...], limit: FairUse | None
) -> None:
    assert fair_use(replace(UNLIMITED, groups=groups)) == limit
    assert fair_use(replace(PLAIN, groups=groups)) is None


def test_a_plan_with_a_fixed_amount_lists_its_features() -> None:
    assert features(PLAIN) == ["4G", "Starts at first use"]


@pytest.mark.parametrize(
    ("group", "limit"),
    [
        ("Standard Unlimited Lite", "Throttled to 512 kbps after 1GB a day"),
        ("Standard Unlimited Essential", "Throttled to 1.25 Mbps after 1GB a day"),
        ("Standard Unlimited Plus", "Throttled to 2 Mbps after 2GB a day"),
    ],
)
def test_unlimited_plans_state_their_daily_limit(group: str, limit: str) -> None:
    unlimited = replace(PLAIN, unlimited=True, data_mb=None, groups=(group,))
    assert limit in features(unlimited)
    assert limit not in features(replace(PLAIN, groups=(group,)))


def test_no_feature_is_stated_that_the_provider_does_not_report() -> None:
    bare = replace(PLAIN, speeds=(), autostart=True, groups=("Special Unlimited",), unlimited=True)
    assert features(bare) == ["Unlimited data"]


def test_voice_and_messages_are_stated() -> None:
    allowances = (
        Allowance("VOICE", "STANDARD", "", 100, "MINS", False),
        Allowance("SMS", "ROAMING", "", 0, "SMS", True),
    )
    found = features(replace(PLAIN, allowances=allowances, countries=(FRANCE, GERMANY)))
    assert found[1:4] == ["100 minutes", "Unlimited SMS abroad", "Works in 2 countries"]
