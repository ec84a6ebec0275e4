"""Locales of requests: what is known, how it is written, and what it falls back to."""

import pytest
from babel import localedata

from kit.errors import Failure, Kind
from services.catalogue.language.cldr import LANGUAGES, country_name, language_of
from services.catalogue.language.locales import exact, fallbacks, of_request


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE_at", "de-AT"),
        ("pt-BR", "pt-BR"),
        ("zh-TW", "zh-Hant-TW"),
        ("iw", "he"),
        ("no", "nb"),
        # What CLDR doesn't know is dropped, at worst the language.
        ("de-XX", "de"),
        ("de-DE-1996", "de-DE"),
        ("de-u-co-phonebk", "de"),
        ("xx", "en"),
        ("qq-ZZ", "en"),
        ("root", "en"),
    ],
)
def test_a_request_gets_a_known_locale(given: str, canonical: str) -> None:
    assert of_request(given) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "d",
        "de DE",
        "de--DE",
        "de-",
        "日本語",
        "de\n",
        "d" * 36,
        "../../etc/passwd",
        "de;q=0.8",
        "*",
    ],
)
def test_a_malformed_locale_is_refused(given: str) -> None:
    with pytest.raises(Failure) as caught:
        of_request(given)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.fields == {"locale": "must be a BCP 47 code, such as de or pt-BR"}


def test_the_number_of_locales_in_cache_keys_is_bounded() -> None:
    known = {of_request(name) for name in localedata.locale_identifiers()}
    assert len(known) < 1_200
    assert {of_request(f"de-{number:03}") for number in range(1000)} <= known
    assert all(of_request(name) == name for name in known)


@pytest.mark.parametrize(
    ("locale", "order"),
    [
        ("de", ["de"]),
        ("de-AT", ["de-AT", "de"]),
        ("es-MX", ["es-MX", "es-419", "es"]),
        ("pt-AO", ["pt-AO", "pt-PT", "pt"]),
        ("zh-Hant-TW", ["zh-Hant-TW", "zh-Hant"]),  # readers of zh expect the other script
        ("zh-Hans-CN", ["zh-Hans-CN", "zh-Hans", "zh"]),
    ],
)
def test_a_locale_falls_back_as_cldr_inherits(locale: str, order: list[str]) -> None:
    assert list(fallbacks(locale)) == order


@pytest.mark.parametrize("given", ["", "xx", "de-XX", "de-DE-1996", "de-u-co-phonebk", "german"])
def test_texts_can_be_set_only_for_an_exact_known_locale(given: str) -> None:
    assert exact(given) is None
    assert exact("DE_at") == "de-AT"


def test_every_language_names_the_countries() -> None:
    for language in sorted(LANGUAGES - {"en"}):
        assert country_name("FR", "", language), language
        assert country_name("CI", "", language), language


def test_the_language_of_names_is_the_nearest_one_of_the_locale() -> None:
    assert language_of("de-AT") == "de"
    assert language_of("zh-Hant-HK") == "zh-Hant"
    assert language_of("en-GB") == "en"
    assert language_of("yue") == "en"  # known to CLDR, but not among the languages of names


def test_names_that_cldr_lacks_are_those_of_the_provider() -> None:
    assert country_name("CYP", "Northern Cyprus", "de") == "Northern Cyprus"
    assert country_name("US-HI", "Hawaii", "de") == "Hawaii"
    assert country_name("FR", "The provider's France", "en") == "The provider's France"
