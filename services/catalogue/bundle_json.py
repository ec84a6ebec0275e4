"""One bundle of the provider's JSON as a value: strict in what a sale needs, lenient in the rest."""

from decimal import Decimal
from typing import Any

from kit import money
from kit.errors import Failure, Kind
from services.catalogue.plan import Allowance, Bundle, Country

# A century: whatever is longer is a mistake, and would not fit where days are kept.
MOST_DAYS = 36_500
# Whole units. No bundle costs nearly as much in any currency.
MOST_PRICE = 10**12
# Decimal places that money has between services.
MOST_PLACES = 9
# Far above the largest bundle in MB, and within 64 bits.
MOST_AMOUNT = 10**15


def bad_answer(what: str) -> Failure:
    """The failure for an answer that lacks something essential; `what` in our own words."""
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_BAD_ANSWER",
        f"The provider's answer can't be used: {what}",
    )


def read_bundle(row: Any) -> Bundle:
    """A bundle of GET /catalogue (`groups`) or of GET /catalogue/bundle/{name} (`group`).

    Essential are name, price, duration and each country's name and ISO code; unknown keys are
    ignored. `dataAmount` says nothing when the bundle is unlimited. Raises Failure UNAVAILABLE
    (PROVIDER_BAD_ANSWER) otherwise.
    """
    if not isinstance(row, dict):
        raise bad_answer("a bundle is not an object")
    name = _text(row.get("name"))
    if not name or not name.isprintable():
        raise bad_answer("a bundle has no name")
    allowances = tuple(_allowance(item) for item in _objects(row.get("allowances")))
    data = next((item for item in allowances if item.type == "DATA"), None)
    unlimited = row.get("unlimited") is True or (data is not None and data.unlimited)
    return Bundle(
        name=name,
        description=_text(row.get("description")) or name,
        groups=_texts(row.get("groups", row.get("group"))),
        countries=tuple(_country(item, name) for item in _objects(row.get("countries"))),
        duration_days=_duration(row.get("duration"), name),
        price=_price(row.get("price"), name),
        data_mb=None if unlimited else _data_mb(row.get("dataAmount"), data),
        unlimited=unlimited,
        speeds=_texts(row.get("speed")),
        autostart=row.get("autostart") is True,
        profile_name=_text(row.get("profileName")),
        allowances=allowances,
    )


def _country(item: dict[str, Any], bundle: str) -> Country:
    name, iso = _text(item.get("name")), _text(item.get("iso"))
    if not name or not iso:
        raise bad_answer(f"a country of bundle {bundle} has no name or no ISO code")
    return Country(name, iso, _text(item.get("region")))


def _allowance(item: dict[str, Any]) -> Allowance:
    return Allowance(
        type=_text(item.get("type")).upper(),
        service=_text(item.get("service")).upper(),
        description=_text(item.get("description")),
        amount=_amount(item.get("amount")) or 0,
        unit=_text(item.get("unit")).upper(),
        unlimited=item.get("unlimited") is True,
    )


def _data_mb(amount: Any, allowance: Allowance | None) -> int | None:
    """`dataAmount`, or the allowance that is to take its place."""
    if (found := _amount(amount)) is not None:
        return found
    return allowance.amount if allowance is not None and allowance.unit == "MB" else None


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


def _text(value: Any) -> str:
    """NUL and halves of surrogate pairs are left out: JSON may hold them, PostgreSQL can't."""
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode(errors="ignore").decode().strip()


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := _text(item)))


def _objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
