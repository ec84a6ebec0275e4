"""A list's request as a filter: every field checked, all that is wrong told together."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from kit import money
from kit.checks import Checks
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2
from services.catalogue.countries import country_key
from services.catalogue.plan import PlanFilter, fold

# Characters. The longest country name has 50; a search for more than that is not a search.
MOST_NAME = 100
MOST_TEXT = 200
# Countries of one filter; each is one more set to compare.
MOST_COUNTRIES = 50


def plan_filter(checks: Checks, given: pb.PlanFilter) -> PlanFilter:
    """The filter; what makes no sense is noted in `checks`, not raised."""

    def named(field: str, convert: Callable[[str], str] = str) -> str | None:
        return convert(_name(checks, field, getattr(given, field))) if _has(given, field) else None

    def positive(field: str) -> int | None:
        if not _has(given, field):
            return None
        value: int = getattr(given, field)
        if value < 1:
            checks.fail(f"filter.{field}", f"must be at least 1, not {value}")
        return value

    low = _price(checks, "min_price", given.min_price) if given.HasField("min_price") else None
    high = _price(checks, "max_price", given.max_price) if given.HasField("max_price") else None
    if low is not None and high is not None and low > high:
        checks.fail("filter.max_price", f"must not be below the lowest price, which is {low}")
    least, most = positive("min_duration_days"), positive("max_duration_days")
    if least is not None and most is not None and least > most:
        checks.fail("filter.max_duration_days", f"must not be below the minimum, which is {least}")
    currencies = {price.currency_code for price in (given.min_price, given.max_price)} - {""}
    if len(currencies) > 1:
        checks.fail("filter.max_price", "must be in the same currency as min_price")
    text = _name(checks, "text", given.text, MOST_TEXT) if given.HasField("text") else ""
    return PlanFilter(
        region=named("region", fold),
        country=named("country", country_key),
        duration_days=positive("duration_days"),
        min_price=low,
        max_price=high,
        currency=next(iter(currencies), None),
        unlimited=given.unlimited if given.HasField("unlimited") else None,
        bundle_group=named("bundle_group"),
        words=tuple(fold(text).split()),
        min_data_mb=positive("min_data_mb"),
        include_unavailable=given.include_unavailable,
        countries=_countries(checks, given.countries),
        min_days=least,
        max_days=most,
        single_country=given.single_country if given.HasField("single_country") else None,
    )


def check_currency(wanted: PlanFilter, catalogue: str | None) -> None:
    """Raises Failure INVALID when prices of the filter are in another currency than the catalogue."""
    if wanted.currency and catalogue and wanted.currency != catalogue:
        checks = Checks()
        field = "min_price" if wanted.min_price is not None else "max_price"
        checks.fail(
            f"filter.{field}",
            f"must be in {catalogue}, the catalogue's currency, not {wanted.currency}",
        )
        checks.done()


def _has(given: pb.PlanFilter, field: str) -> bool:
    return given.HasField(field)  # type: ignore[arg-type]  # its type names each field


def _name(checks: Checks, field: str, text: str, most: int = MOST_NAME) -> str:
    found = checks.words(f"filter.{field}", text, most)
    if not found:
        checks.fail(f"filter.{field}", "must not be blank; leave it out to match every plan")
    return found


def _countries(checks: Checks, given: Sequence[str]) -> tuple[str, ...]:
    """The keys of the countries, each once and sorted: equal filters are counted once."""
    if len(given) > MOST_COUNTRIES:
        text = f"must name at most {MOST_COUNTRIES} countries, not {len(given)}"
        checks.fail("filter.countries", text)
        return ()
    names = [_name(checks, f"countries[{i}]", country) for i, country in enumerate(given)]
    return tuple(sorted({country_key(name) for name in names}))


def _price(checks: Checks, field: str, given: money_pb2.Money) -> Decimal:
    path = f"filter.{field}"
    code = given.currency_code
    if code and not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        checks.fail(path, "must have an ISO 4217 currency code, such as USD, or none")
    if abs(given.nanos) > 999_999_999 or given.units * given.nanos < 0:
        checks.fail(path, "must have nanos from -999999999 to 999999999 of the same sign as units")
    price = money.from_proto(given)
    if price < 0:
        checks.fail(path, f"must not be negative, as {price} is")
    return price
