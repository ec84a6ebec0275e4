"""Checks the format of tax ids by the rules of each country; whether an id is registered is not checked."""

import re
from collections.abc import Iterator

from babel import Locale
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError
from stdnum.util import NumberValidationModule, get_cc_module

MAX_LENGTH = 40
# For countries of which the library knows no number of companies.
PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ./-]*[A-Za-z0-9])?")
# Numbers that companies have on invoices besides, or instead of, the number for value added tax.
OTHERS = {
    "AT": ("tin",),
    "BR": ("cpf",),
    "CH": ("uid",),
    "DE": ("stnr",),
    "FI": ("ytunnus",),
    "FR": ("siren", "siret"),
    "IN": ("pan",),
    "IT": ("codicefiscale",),
    "JP": ("in_",),
    "NO": ("orgnr",),
    "RO": ("cui",),
    "SE": ("orgnr",),
    "TH": ("pin", "tin"),
    "TR": ("tckimlik",),
    "UA": ("edrpou", "rntrc"),
    "US": ("ein", "tin"),
    "ZA": ("tin",),
}
# The European Union writes EL for Greece, and XI for Northern Ireland.
UNION_PREFIXES = {"GR": "EL", "GB": "XI"}


def normalized(tax_id: str, country: str) -> tuple[str, str | None]:
    """Return a tax id in its usual form, and what is wrong with it, None if nothing is.

    `country` is an ISO 3166 code in upper case, or empty if it is not known: then only the characters are
    checked, as for a country without rules here. An empty tax id is right.
    """
    text = tax_id.strip()
    if not text:
        return "", None
    if len(text) > MAX_LENGTH:
        return text, f"must have at most {MAX_LENGTH} characters, not {len(text)}"
    union = _union(text, country)
    if union is not None:
        return union, None
    failures: list[ValidationError] = []
    for module in _modules(country):
        try:
            return _with_prefix(module.validate(text), module, country), None
        except ValidationError as failure:
            failures.append(failure)
    if not failures:
        problem = "must consist of letters, digits, spaces and the characters . / -"
        return text, None if PLAIN.fullmatch(text) else problem
    return text, f"must be a tax id of {_name(country)}: {_why(failures[0])}"


def _modules(country: str) -> Iterator[NumberValidationModule]:
    names = (("vat", *OTHERS.get(country, ()))) if country else ()
    for name in names:
        module = get_cc_module(country.lower(), name)
        if module is not None:
            yield module


def _union(text: str, country: str) -> str | None:
    """Return a number of the European Union with its prefix; None if it is none of the country."""
    if country and not text.upper().startswith((country, UNION_PREFIXES.get(country, country))):
        return None
    try:
        return str(eu_vat.validate(text))
    except ValidationError:
        return None


def _with_prefix(number: str, module: NumberValidationModule, country: str) -> str:
    """Return a number with the prefix without which it is no number for value added tax in the Union."""
    code = country.lower()
    if code not in eu_vat.MEMBER_STATES or module is not get_cc_module(code, "vat"):
        return number
    prefix = UNION_PREFIXES.get(country, country)
    return number if number.startswith(prefix) else prefix + number


def _why(failure: ValidationError) -> str:
    if isinstance(failure, InvalidChecksum):
        return "its check digits are wrong"
    if isinstance(failure, InvalidLength):
        return "it has the wrong length"
    return "its characters are not those of such a number"


def _name(country: str) -> str:
    return str(Locale("en").territories.get(country, country))
