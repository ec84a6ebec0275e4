"""Reads one bundle of the provider's JSON: strict about what a sale needs, lenient about the rest."""

import unicodedata
from decimal import Decimal
from typing import Any

from kit.errors import Failure, Kind
from kit.values import money, plain_text, quantities
from providers.esim_go.countries import code_of
from services.catalogue.plan import Allowance, Bundle, Country

# A century: a longer duration is a mistake, and would not fit its column.
MAX_DAYS = 36_500
# Whole units. No bundle costs nearly as much in any currency.
MAX_PRICE = 10**12
# Decimal places of money in messages.
MAX_PLACES = 9
BYTES_PER_MB = 10**6
# Far above the largest bundle in MB, and within 64 bits.
MAX_AMOUNT = 10**15
# Characters of a bundle's name, which becomes a part of URLs, and of other names that indexes contain; the
# longest known has 24.
MAX_NAME = 200
# Characters of any other text, which no index contains.
MAX_TEXT = 500
# Countries of one bundle. There are some 250 in the world.
MAX_COUNTRIES = 500


def bad_answer(what: str) -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_BAD_ANSWER",
        f"The provider's response can't be used: {what}",
        details={"problem": what},
    )


def read_bundle(row: Any) -> Bundle:
    """Read a bundle of GET /catalogue (`groups`) or GET /catalogue/bundle/{name} (`group`).

    Required are the name, price, duration, amount of data (unless unlimited), and each country's name and
    ISO code. Raises Failure UNAVAILABLE (PROVIDER_BAD_ANSWER) with the problem in its `details`.
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
        groups=_texts(row.get("groups", row.get("group")), MAX_NAME),
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
    """Return the name that identifies a bundle; None if there is no valid one."""
    name = _text(row.get("name"), MAX_NAME) if isinstance(row, dict) else ""
    # U+FFFD replaces a letter that could not be decoded, so the real name is unknown.
    odd = any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") or sign == "\ufffd" for sign in name)
    return None if odd or not name else name


def readable_price(row: Any) -> Decimal | None:
    """Return the price of a bundle that is unusable for another reason; None if the price is too."""
    try:
        return _price(row.get("price"), "") if isinstance(row, dict) else None
    except Failure:
        return None


def _countries(value: Any, bundle: str) -> tuple[Country, ...]:
    """Return each country once. A missing value means no countries; anything but a list is an error."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_COUNTRIES:
        raise bad_answer(f"the countries of bundle {bundle} are not a list of countries")
    countries: dict[str, Country] = {}
    for item in value:
        country = _country(item, bundle)
        countries.setdefault(country.iso, country)
    return tuple(countries.values())


def _country(item: Any, bundle: str) -> Country:
    shape = item if isinstance(item, dict) else {}
    name, iso = _text(shape.get("name"), MAX_NAME), _text(shape.get("iso"), MAX_NAME)
    if not name or not iso:
        raise bad_answer(f"a country of bundle {bundle} has no name or no ISO code")
    return Country(name, code_of(iso, name), _text(shape.get("region"), MAX_NAME))


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
    """Return the field `unlimited`, or else whether the amount is -1."""
    given = shape.get("unlimited")
    return given is True or (given is not False and _is_minus_one(shape.get(amount)))


def _is_minus_one(value: Any) -> bool:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        return False
    return Decimal(value).is_finite() and value == -1  # a signaling NaN can't be compared


def _data_mb(amount: Any, allowance: Allowance | None, bundle: str) -> int | None:
    """Return `dataAmount`, or the data allowance that the provider replaces it with."""
    if (found := _amount(amount)) is not None:
        return found
    if allowance is not None and allowance.unit and allowance.amount:
        in_bytes = quantities.in_bytes(allowance.amount, allowance.unit)
        if in_bytes and in_bytes % BYTES_PER_MB == 0:
            return in_bytes // BYTES_PER_MB
    if amount is None or _is_minus_one(amount):
        return None
    raise bad_answer(f"bundle {bundle} has an invalid amount of data")


def _duration(value: Any, bundle: str) -> int:
    days = _amount(value)
    if days is None or not 1 <= days <= MAX_DAYS:
        raise bad_answer(f"bundle {bundle} has no duration in whole days")
    return days


def _price(value: Any, bundle: str) -> Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        price = money.without_float_noise(Decimal(value))
        exponent = price.as_tuple().exponent  # a letter for NaN and infinity
        if isinstance(exponent, int) and -exponent <= MAX_PLACES and 0 <= price < MAX_PRICE:
            return price
    raise bad_answer(f"bundle {bundle} has no price that can be charged")


def _amount(value: Any) -> int | None:
    """Return a whole number from 0; None for -1, which means unlimited, and anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    # In this order, as converting a huge number takes long.
    if not Decimal(value).is_finite() or not 0 <= value <= MAX_AMOUNT or value % 1 != 0:
        return None
    return int(value)


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    """Return trimmed text that PostgreSQL can store; empty for anything else and for too long text."""
    if not isinstance(value, str) or len(value) > limit:
        return ""
    return plain_text.storable(value).strip()


def _texts(value: Any, limit: int = MAX_TEXT) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := _text(item, limit)))


def _objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
