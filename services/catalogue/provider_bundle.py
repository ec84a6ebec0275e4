"""One bundle of the provider's JSON as a value: strict in what a sale needs, lenient in the rest."""

import unicodedata
from decimal import Decimal
from typing import Any

from kit.errors import Failure, Kind
from kit.values import money, plain_text
from services.catalogue.countries import code_of
from services.catalogue.plan import Allowance, Bundle, Country

# A century: whatever is longer is a mistake, and would not fit where days are kept.
MOST_DAYS = 36_500
# Whole units. No bundle costs nearly as much in any currency.
MOST_PRICE = 10**12
# Decimal places that money has between services.
MOST_PLACES = 9
# Far above the largest bundle in MB, and within 64 bits.
MOST_AMOUNT = 10**15
# Characters of a bundle's name, which addresses and other services take; the longest known has 24.
MOST_NAME = 200
# Characters of any other text. Indexes refuse what is much longer, and no page shows it.
MOST_TEXT = 500
# Countries of one bundle. There are some 250 in the world.
MOST_COUNTRIES = 500


def bad_answer(what: str) -> Failure:
    """The failure for an answer that lacks something essential; `what` in our own words."""
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_BAD_ANSWER",
        f"The provider's response can't be used: {what}",
        details={"problem": what},
    )


def read_bundle(row: Any) -> Bundle:
    """A bundle of GET /catalogue (`groups`) or of GET /catalogue/bundle/{name} (`group`).

    Essential are name, price, duration, the amount of data and each country's name and ISO code;
    unknown keys are ignored. `dataAmount` says nothing when the bundle is unlimited. Raises Failure
    UNAVAILABLE (PROVIDER_BAD_ANSWER), whose `details` have the problem, otherwise.
    """
    if not isinstance(row, dict):
        raise bad_answer("a bundle is not an object")
    name = bundle_name(row)
    if name is None:
        raise bad_answer("a bundle has no name")
    allowances = tuple(_allowance(item) for item in _objects(row.get("allowances")))
    data = next((item for item in allowances if item.type == "DATA"), None)
    unlimited = _unlimited(row, "dataAmount") or (data is not None and data.unlimited)
    return Bundle(
        name=name,
        description=_text(row.get("description")) or name,
        groups=_texts(row.get("groups", row.get("group"))),
        countries=_countries(row.get("countries"), name),
        duration_days=_duration(row.get("duration"), name),
        price=_price(row.get("price"), name),
        data_mb=None if unlimited else _data_mb(row.get("dataAmount"), data, name),
        unlimited=unlimited,
        speeds=_texts(row.get("speed")),
        autostart=row.get("autostart") is True,
        profile_name=_text(row.get("profileName")),
        allowances=allowances,
    )


def bundle_name(row: Any) -> str | None:
    """The name that a bundle of the provider is identified by; None when it can't be one."""
    name = _text(row.get("name"), MOST_NAME) if isinstance(row, dict) else ""
    # U+FFFD stands for a letter that could not be read: the name is another one.
    odd = any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") or sign == "\ufffd" for sign in name)
    return None if odd or not name else name


def readable_price(row: Any) -> Decimal | None:
    """The price of a bundle that can't be used for another reason; None when it can't be trusted."""
    try:
        return _price(row.get("price"), "") if isinstance(row, dict) else None
    except Failure:
        return None


def _countries(value: Any, bundle: str) -> tuple[Country, ...]:
    """Each country once; no value is no country, anything but a list of objects a mistake."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_COUNTRIES:
        raise bad_answer(f"the countries of bundle {bundle} are not a list of countries")
    countries: dict[str, Country] = {}
    for item in value:
        country = _country(item, bundle)
        countries.setdefault(country.iso, country)
    return tuple(countries.values())


def _country(item: Any, bundle: str) -> Country:
    shape = item if isinstance(item, dict) else {}
    name, iso = _text(shape.get("name")), _text(shape.get("iso"))
    if not name or not iso:
        raise bad_answer(f"a country of bundle {bundle} has no name or no ISO code")
    return Country(name, code_of(iso, name), _text(shape.get("region")))


def _allowance(item: dict[str, Any]) -> Allowance:
    return Allowance(
        type=_text(item.get("type")).upper(),
        service=_text(item.get("service")).upper(),
        description=_text(item.get("description")),
        amount=_amount(item.get("amount")) or 0,
        unit=_text(item.get("unit")).upper(),
        unlimited=_unlimited(item, "amount"),
    )


def _unlimited(shape: dict[str, Any], amount: str) -> bool:
    """An amount of -1 stands for "unlimited" where the field of that name says nothing else."""
    given = shape.get("unlimited")
    return given is True or (given is not False and _is_minus_one(shape.get(amount)))


def _is_minus_one(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value == -1


def _data_mb(amount: Any, allowance: Allowance | None, bundle: str) -> int | None:
    """`dataAmount`, or the allowance that is to take its place."""
    if (found := _amount(amount)) is not None:
        return found
    if allowance is not None and allowance.unit == "MB" and allowance.amount:
        return allowance.amount
    if amount is None or _is_minus_one(amount):
        return None
    raise bad_answer(f"bundle {bundle} has an invalid amount of data")


def _duration(value: Any, bundle: str) -> int:
    days = _amount(value)
    if days is None or not 1 <= days <= MOST_DAYS:
        raise bad_answer(f"bundle {bundle} has no duration in whole days")
    return days


def _price(value: Any, bundle: str) -> Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        price = money.without_float_noise(Decimal(value))
        exponent = price.as_tuple().exponent  # a letter for NaN and infinities
        if isinstance(exponent, int) and -exponent <= MOST_PLACES and 0 <= price < MOST_PRICE:
            return price
    raise bad_answer(f"bundle {bundle} has no price that can be charged")


def _amount(value: Any) -> int | None:
    """A whole number from 0; -1 and whatever else stands for "unlimited" is None."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    # In this order: only a number of bounded size is worth converting.
    if not Decimal(value).is_finite() or not 0 <= value <= MOST_AMOUNT or value % 1 != 0:
        return None
    return int(value)


def _text(value: Any, most: int = MOST_TEXT) -> str:
    """Trimmed text that PostgreSQL can hold, or empty for anything else and for text that is too long."""
    if not isinstance(value, str) or len(value) > most:
        return ""
    return plain_text.storable(value).strip()


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := _text(item)))


def _objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
