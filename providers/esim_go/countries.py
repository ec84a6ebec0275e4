"""Recognizes countries by ISO code, by CLDR's English name and by common name."""

import re
import unicodedata
from functools import cache

from babel import Locale
from babel.core import get_global

from kit.values.plain_text import fold

# Codes that the provider uses for something else than ISO 3166-1 does: "CYP" is its Northern Cyprus.
# Filters must match the codes that lists show.
PROVIDER_CODES = frozenset({"CYP"})
# Withdrawn alpha-3 codes, which CLDR maps to today's countries beside their present codes.
WITHDRAWN = frozenset({"BUR", "DDR", "FXX", "TMP", "YMD", "ZAR"})
# CLDR's groups and placeholders, which are not countries.
NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
# Common names that CLDR's list of English names lacks.
COMMON_NAMES = {
    "AG": ("antigua",),
    "BA": ("bosnia",),
    "GB": (
        *("great britain", "britain", "england", "scotland", "wales", "northern ireland"),
        "united kingdom of great britain and northern ireland",
    ),
    "US": ("united states of america", "america"),
    "AE": ("uae", "emirates"),
    "AX": ("aaland islands",),
    "BN": ("brunei darussalam",),
    "CD": (
        *("dr congo", "drc", "democratic republic of the congo", "congo dr", "congo drc"),
        "congo democratic republic of",
    ),
    "CG": ("congo republic", "republic of the congo", "congo"),
    "CI": ("ivory coast",),
    "CV": ("cabo verde",),
    "CZ": ("czech republic",),
    "FM": ("federated states of micronesia",),
    "GR": ("el", "hellas"),
    "HK": ("hong kong", "hong kong sar", "china hong kong sar"),
    "IR": ("islamic republic of iran",),
    "KP": ("democratic peoples republic of korea", "korea democratic peoples republic of"),
    "KR": ("korea", "republic of korea"),
    "LA": ("lao pdr", "lao peoples democratic republic"),
    "MF": ("saint martin (french part)",),
    "MK": ("macedonia", "republic of north macedonia"),
    "MM": ("myanmar", "burma"),
    "MO": ("macau", "macao", "macau sar", "macao sar", "china macau sar", "china macao sar"),
    "NL": ("holland",),
    "PS": ("palestine", "state of palestine"),
    "RU": ("russian federation",),
    "SX": ("sint maarten (dutch part)",),
    "SZ": ("swaziland",),
    "SY": ("syrian arab republic",),
    "TL": ("east timor",),
    "TR": ("turkey", "turkiye"),
    "TT": ("trinidad",),
    "TW": ("taiwan province of china", "republic of china"),
    "TZ": ("united republic of tanzania",),
    "VA": ("vatican", "holy see"),
    "VG": ("virgin islands (british)",),
    "VI": ("united states virgin islands", "us virgin islands", "virgin islands (us)"),
    "VN": ("viet nam",),
    "XK": ("xkx",),
}
# Words that official names put before "of", or after the common name with a comma or in parentheses.
OFFICIAL = frozenset(
    {
        "arab",
        "bolivarian",
        "commonwealth",
        "federal",
        "federated",
        "federation",
        "islamic",
        "kingdom",
    }
    | {"of", "peoples", "plurinational", "republic", "state", "states", "union", "united"}
)
# Distance from a letter to the regional indicator that stands for it in a flag.
INDICATOR = ord("🇦") - ord("A")


def code_of(iso: str, name: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a country that the provider lists.

    A code that ISO doesn't have is corrected by the name ("PO" with the name Poland is PL), or else as an
    alias ("UK" is GB). The provider's own codes, such as "US-HI", stay.
    """
    code = iso.upper()
    if code in _names():
        return code
    alias = _alias(code) if len(code) == 2 else None
    return _named(name) or alias or code


def country_key(text: str) -> str:
    """Return the filter key of a country as a person writes it.

    It is the folded ISO 3166-1 alpha-2 code for a known name or code (alpha-2, alpha-3, numeric, or an
    alias such as "UK"); for anything else, the folded text.
    """
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    code = text.replace(".", "").strip().upper()
    if code in _names():
        return fold(code)
    found = _named(text)
    if found is None and code not in PROVIDER_CODES:
        found = _alias(code)
    return fold(found or text)


def iso_code(code: str, name: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a place with a code or a name; empty for an unknown one.

    "FRA" and "fr" are FR; a part of a country, such as "US-HI", is that country.
    """
    found = code_of(code, name)
    if found not in _names():
        found = country_key(found.partition("-")[0]).upper()
    return found if found in _names() else ""


def english_name(key: str) -> str:
    """Return the name of a country for a key of `country_key`, or the key itself."""
    return _names().get(key.upper(), key)


def is_country(code: str) -> bool:
    """Return whether this is the ISO 3166-1 alpha-2 code of a country."""
    return code in _names()


def iso3(code: str) -> str:
    """Return the ISO 3166-1 alpha-3 code, or empty for a place that has none."""
    return _alpha3().get(code, "")


def flag(code: str) -> str:
    """Return the flag as an emoji, that of the country for its part ("US-HI"), or empty."""
    country = code.partition("-")[0]
    if country not in _names():
        return ""
    return "".join(chr(ord(letter) + INDICATOR) for letter in country)


@cache
def _names() -> dict[str, str]:
    names = Locale("en").territories
    return {
        code: name
        for code, name in names.items()
        if len(code) == 2 and code.isalpha() and code not in NO_COUNTRIES
    }


@cache
def _by_name() -> dict[str, str]:
    found = {_simple(name): code for code, names in COMMON_NAMES.items() for name in names}
    return found | {_simple(name): code for code, name in _names().items()}


@cache
def _alpha3() -> dict[str, str]:
    """Return alpha-3 by alpha-2 codes, without those for private use."""
    return {
        codes[0]: alias
        for alias, codes in get_global("territory_aliases").items()
        if len(alias) == 3 and alias.isalpha() and len(codes) == 1
        if alias not in WITHDRAWN and not alias.startswith(("QU", "X"))
    }


def _alias(code: str) -> str | None:
    """Return the country that a code is CLDR's alias of; None if there are several."""
    codes = get_global("territory_aliases").get(code, ())
    return codes[0] if len(codes) == 1 and codes[0] in _names() else None


def _named(text: str) -> str | None:
    """Return the alpha-2 code of a common or official name, such as "Moldova, Republic of"."""
    usual = re.split(r"[,(]", text, maxsplit=1)[0]
    rest = text[len(usual) :]
    title, _, short = _simple(text).partition(" of ")
    names = [_simple(text)]
    if OFFICIAL.issuperset(_simple(rest).split()):
        names.append(_simple(usual))
    if OFFICIAL.issuperset(title.split()):
        names.append(short)
    return next((_by_name()[name] for name in names if name in _by_name()), None)


def _simple(text: str) -> str:
    """Normalize spelling variants, as in "St. Kitts & Nevis"."""
    plain = re.sub(r"[-,()]", " ", fold(text).replace("&", " and ").replace(".", ""))
    words = [word for word in plain.replace("'", "").split() if word != "the"]
    return " ".join("st" if word == "saint" else word for word in words)
