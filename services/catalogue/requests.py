"""Checks requests to the catalogue service; a Failure names every bad field of a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from kit.auth.sessions import STAFF, Session
from kit.errors import Failure, Kind
from kit.values import money, page_token
from kit.values.checks import Checks
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.common.v1 import money_pb2
from providers.esim_go.countries import country_key
from services.catalogue import messages, paging
from services.catalogue.plan import PlanFilter, PlanOrder

# Plans in one page. The largest page has room for twice the provider's whole catalogue: some 10 MB.
DEFAULT_PAGE = 100
MAX_PAGE = 10_000
MAX_BATCH = 1_000
DEFAULT_FEATURED = 10
MAX_FEATURED = 50
DEFAULT_TOP_UPS = 10
MAX_TOP_UPS = 100
# Top-ups of all plans in one call: some 40 MB, of the 64 MB that a response may have.
MAX_ALL_TOP_UPS = 50_000
# Characters; the longest of the provider's bundle names has 24.
MAX_BUNDLE_NAME = 200
# Characters; the longest country name has 50.
MAX_NAME = 100
MAX_TEXT = 200
# Words of a search; each new one is looked for in all names, which takes some milliseconds of the event loop.
MAX_WORDS = 20
# Countries in one filter.
MAX_COUNTRIES = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """A checked request for a page of plans; `after` is the sort key where the previous page ended."""

    criteria: PlanFilter
    order: PlanOrder
    size: int
    after: list[str] | None


def listing(request: pb.ListPlansRequest, caller: Session) -> Listing:
    """Check a request for a page; raises Failure INVALID, or FORBIDDEN for plans that are not on sale."""
    checks = Checks()
    criteria = plan_filter(checks, request.filter)
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    order = messages.ORDERS.get(request.order_by)
    if order is None:
        checks.fail("order_by", "must be a value of PlanOrder")
    checks.done()
    assert order is not None  # or checks.done() had raised
    if criteria.include_unavailable and caller.role not in STAFF:
        raise Failure(
            Kind.FORBIDDEN,
            "FORBIDDEN",
            "Not allowed: filter.include_unavailable needs the session of an account of the staff",
        )
    length = paging.key_length(order)
    after = page_token.read(
        page_token.without(request, "without_total"), request.page_token, length
    )
    return Listing(criteria, order, size, after)


def next_page(request: pb.ListPlansRequest, key: list[str]) -> str:
    return page_token.write(page_token.without(request, "without_total"), key)


def plan(request: pb.GetPlanRequest) -> UUID | None:
    """Return the plan's id, or None if the request names it; raises Failure INVALID."""
    checks = Checks()
    which = request.WhichOneof("plan")
    found = checks.uuid("id", request.id) if which == "id" else None
    if which is None:
        checks.fail("plan", "must contain an id or a name")
    elif which == "name" and not checks.free_text("name", request.name, MAX_BUNDLE_NAME):
        checks.fail("name", "must not be blank")
    checks.done()
    return found


def plan_id(text: str) -> UUID:
    checks = Checks()
    checked = checks.uuid("plan_id", text)
    checks.done()
    return checked


def batch(request: pb.BatchGetPlansRequest) -> tuple[list[UUID], list[str]]:
    """Return the ids and names of the plans; raises Failure INVALID."""
    checks = Checks()
    names = list(request.names)
    if len(names) > MAX_BATCH or not all(names) or any("\0" in name for name in names):
        text = (
            f"must contain at most {MAX_BATCH} names, none of them empty or with control characters"
        )
        checks.fail("names", text)
    ids = [] if names and not request.ids else checks.uuids("ids", [*request.ids], MAX_BATCH)
    checks.done()
    return ids, names


def top_ups(request: pb.BatchListTopUpPlansRequest) -> tuple[list[UUID], int]:
    """Return the plans, and the number of top-ups to list for each; raises Failure INVALID."""
    checks = Checks()
    ids = checks.uuids("plan_ids", list(request.plan_ids), MAX_BATCH)
    size = checks.page_size(request.page_size, DEFAULT_TOP_UPS, MAX_TOP_UPS)
    if len(ids) * size > MAX_ALL_TOP_UPS:
        most = MAX_ALL_TOP_UPS // len(ids)
        checks.fail("page_size", f"must be at most {most} for {len(ids)} plans, not {size}")
    checks.done()
    return ids, size


def featured(request: pb.ListFeaturedPlansRequest) -> int:
    """Return how many plans to list; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_FEATURED, MAX_FEATURED)
    checks.done()
    return size


def region(request: pb.ListCountriesRequest) -> str | None:
    """Return the region's key, None for all; raises Failure INVALID."""
    checks = Checks()
    given = pb.PlanFilter(region=request.region if request.HasField("region") else None)
    criteria = plan_filter(checks, given)
    checks.done()
    return criteria.region


def facets(request: pb.GetPlanFacetsRequest) -> PlanFilter:
    """Return the filter whose plans to count; raises Failure INVALID."""
    checks = Checks()
    criteria = plan_filter(checks, request.filter)
    if criteria.include_unavailable:
        checks.fail("filter.include_unavailable", "must be false: only plans on sale are counted")
    checks.done()
    return criteria


def choice(request: pb.SetFeaturedPlansRequest) -> list[UUID]:
    """Return the plans to feature, none to apply the rule again; raises Failure INVALID."""
    checks = Checks()
    given = list(request.plan_ids)
    ids = checks.uuids("plan_ids", given, MAX_FEATURED) if given else []
    if len(ids) < len(given) <= MAX_FEATURED:
        checks.fail("plan_ids", "must not contain a plan twice")
    checks.done()
    return ids


def plan_filter(checks: Checks, given: pb.PlanFilter) -> PlanFilter:
    """Return the filter, and add problems to `checks`."""

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
        checks.fail("filter.max_price", f"must not be lower than the minimum price, which is {low}")
    min_days, max_days = positive("min_duration_days"), positive("max_duration_days")
    if min_days is not None and max_days is not None and min_days > max_days:
        checks.fail(
            "filter.max_duration_days", f"must not be lower than the minimum, which is {min_days}"
        )
    currencies = {price.currency_code for price in (given.min_price, given.max_price)} - {""}
    if len(currencies) > 1:
        checks.fail("filter.max_price", "must be in the same currency as min_price")
    text = _name(checks, "text", given.text, MAX_TEXT) if given.HasField("text") else ""
    words = tuple(dict.fromkeys(fold(text).split()))
    if len(words) > MAX_WORDS:
        checks.fail("filter.text", f"must have at most {MAX_WORDS} words, not {len(words)}")
    return PlanFilter(
        region=named("region", fold),
        country=named("country", country_key),
        duration_days=positive("duration_days"),
        min_price=low,
        max_price=high,
        currency=next(iter(currencies), None),
        unlimited=given.unlimited if given.HasField("unlimited") else None,
        bundle_group=named("bundle_group"),
        words=words,
        min_data_mb=positive("min_data_mb"),
        include_unavailable=given.include_unavailable,
        countries=_countries(checks, given.countries),
        min_days=min_days,
        max_days=max_days,
        single_country=given.single_country if given.HasField("single_country") else None,
    )


def check_currency(criteria: PlanFilter, currency: str | None) -> None:
    """Raise Failure INVALID if the filter's prices are not in the currency of the request."""
    if criteria.currency and currency and criteria.currency != currency:
        checks = Checks()
        field = "min_price" if criteria.min_price is not None else "max_price"
        checks.fail(
            f"filter.{field}",
            f"must be in {currency}, the currency of the request, not {criteria.currency}",
        )
        checks.done()


def _has(given: Message, field: str) -> bool:
    return given.HasField(field)


def _name(checks: Checks, field: str, text: str, limit: int = MAX_NAME) -> str:
    found = checks.free_text(f"filter.{field}", text, limit)
    if not fold(found).strip():  # accents alone match every plan
        checks.fail(f"filter.{field}", "must not be blank; omit it to match every plan")
    return found


def _countries(checks: Checks, given: Sequence[str]) -> tuple[str, ...]:
    """Return the countries' keys, each once and sorted, so that equal filters share a cache entry."""
    if len(given) > MAX_COUNTRIES:
        text = f"must contain at most {MAX_COUNTRIES} countries, not {len(given)}"
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
