"""Names of countries and regions, numbers and units in the languages that CLDR covers well."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.lists import format_list
from babel.units import format_unit

from services.catalogue.language.locales import ENGLISH, fallbacks

# Languages with names for nearly all countries. Each one that is used takes some 1 MB of memory for as long
# as the process runs, so locales of regions, which differ in a few names only, use their language's names.
_CODES = """
af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu he hi hr hu hy id is it ja ka kk
km kn ko ky lo lt lv mk ml mn mr ms my nb ne nl nn pa pl pt ro ru si sk sl sq sr sr-Latn sv sw ta te th tr
uk ur uz vi zh zh-Hant zu
"""
LANGUAGES = frozenset(_CODES.split())
# UN M49 codes of the provider's regions. CLDR has no name for its "Middle East".
REGIONS = {
    "Africa": "002",
    "Asia": "142",
    "Caribbean": "029",
    "Europe": "150",
    "Global": "001",
    "North America": "003",
    "Oceania": "009",
    "South America": "005",
}
# Translations of "unlimited", which CLDR does not have. Other languages get the sign.
UNLIMITED = {
    "ar": "غير محدود",
    "da": "ubegrænset",
    "de": "unbegrenzt",
    "es": "ilimitado",
    "fi": "rajaton",
    "fr": "illimité",
    "it": "illimitato",
    "ja": "無制限",
    "ko": "무제한",
    "nb": "ubegrenset",
    "nl": "onbeperkt",
    "pl": "bez limitu",
    "pt": "ilimitado",
    "ru": "безлимит",
    "sv": "obegränsat",
    "tr": "sınırsız",
    "zh": "无限流量",
    "zh-Hant": "無限流量",
}
UNLIMITED_SIGN = "∞"
# Amounts and durations whose texts are cached: some hundred in each language that is used.
MAX_CACHED = 5_000


@lru_cache(maxsize=2_000)
def language_of(locale: str) -> str:
    """Return the one of LANGUAGES in which a canonical locale shows names; English if none fits."""
    return next((name for name in fallbacks(locale) if name in LANGUAGES), ENGLISH)


def country_name(iso: str, english: str, language: str) -> str:
    """Return a country's name; for English, and for a code that CLDR lacks, the provider's name."""
    return english if language == ENGLISH else _territories(language).get(iso, english)


def region_name(english: str, language: str) -> str:
    """Return the name of one of the provider's regions, such as "Europa"; English if CLDR has none."""
    return country_name(REGIONS.get(english, ""), english, language)


def joined(names: Sequence[str], language: str) -> str:
    """Join names with the language's "and"."""
    return format_list(names, locale=_tag(language))


@lru_cache(maxsize=MAX_CACHED)
def data(amount: Decimal, *, gigabytes: bool, language: str) -> str:
    """Return an amount of data, such as "1,5 Go"."""
    unit = "digital-gigabyte" if gigabytes else "digital-megabyte"
    return format_unit(amount, unit, length="short", locale=_tag(language))


@lru_cache(maxsize=MAX_CACHED)
def days(number: int, language: str) -> str:
    """Return a number of days, such as "7 Tage"."""
    return format_unit(number, "duration-day", length="long", locale=_tag(language))


def unlimited(language: str) -> str:
    return UNLIMITED.get(language, UNLIMITED_SIGN)


@cache  # one entry for each of LANGUAGES
def _territories(language: str) -> Mapping[str, str]:
    names = Locale.parse(_tag(language)).territories
    return {code: str(name) for code, name in names.items()}


def _tag(language: str) -> str:
    return language.replace("-", "_")
