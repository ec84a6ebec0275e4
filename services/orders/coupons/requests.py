"""Checks requests to the coupons service; a Failure names every bad field of a request."""

import re
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from kit.values import currencies, money, page_token
from kit.values.checks import Checks
from protos.common.v1 import money_pb2
from protos.orders.v1 import coupons_pb2 as pb
from providers.esim_go.countries import country_key, is_country
from services.orders.coupons.coupon import Coupon, Rules, normalized
from services.orders.order import MAX_QUANTITY
from services.orders.provider.provider_order import CURRENCY

CODE = re.compile(r"[A-Z0-9-]{3,40}")
MAX_CODE = 40
PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?", re.ASCII)
# Above any discount.
MAX_AMOUNT = Decimal(10) ** 9
# Maximum number of plans, groups or countries of a coupon, and of characters in each.
MAX_CONDITIONS = 1000
MAX_NAME = 200
# Characters of a UUID in its canonical form.
ID_LENGTH = 36
DEFAULT_PAGE = 50
MAX_PAGE = 500
AMOUNTS = ("amount", "minimum", "budget", "max_loss")
# Set by the service.
SERVICE_FIELDS = ("id", "disabled", "used", "reserved", "spent", "created_at", "created_by")
# The provider's codes of places that ISO doesn't have look like these: "US-HI", "CYP".
PROVIDER_COUNTRY = re.compile(r"[A-Z]{2}-[A-Z]{2}|CYP", re.ASCII)


def create(request: pb.CreateCouponRequest, now: datetime) -> Rules:
    """Check a new coupon; raises Failure INVALID."""
    checks, given = Checks(), request.coupon
    for name in SERVICE_FIELDS:
        # Only fields that are set: messages that are present, and other values that are not zero.
        if name in {field.name for field, _ in given.ListFields()}:
            checks.fail(f"coupon.{name}", "is set by the service; leave it out")
    code = normalized(given.code)
    if not CODE.fullmatch(code):
        checks.fail("coupon.code", "must consist of 3 to 40 letters, digits and hyphens")
    which = given.WhichOneof("reduction")
    if which is None:
        checks.fail("coupon.percent", "must be set, unless an amount is")
    starts_at, ends_at = _moment(checks, given, "starts_at"), _moment(checks, given, "ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        checks.fail("coupon.ends_at", "must be later than the start")
    elif ends_at is not None and ends_at <= now:
        checks.fail("coupon.ends_at", "must be in the future")
    amounts = {name: _amount(checks, given, name) for name in AMOUNTS}
    rules = Rules(
        code=code,
        percent=_percent(checks, given.percent) if which == "percent" else None,
        amount=amounts["amount"],
        currency=_currency(checks, given),
        starts_at=starts_at,
        ends_at=ends_at,
        plans=_names(checks, "plans", list(given.plans)),
        groups=_names(checks, "groups", list(given.groups)),
        countries=_countries(checks, list(given.countries)),
        minimum=amounts["minimum"],
        max_uses=_limit(checks, "max_uses", given.max_uses),
        max_uses_per_customer=_limit(checks, "max_uses_per_customer", given.max_uses_per_customer),
        budget=amounts["budget"],
        first_purchase_only=given.first_purchase_only,
        max_loss=amounts["max_loss"],
    )
    _check_together(checks, rules)
    checks.done()
    return rules


def _check_together(checks: Checks, rules: Rules) -> None:
    """Refuse limits that contradict each other."""
    if (
        rules.max_uses is not None
        and rules.max_uses_per_customer is not None
        and rules.max_uses_per_customer > rules.max_uses
    ):
        checks.fail(
            "coupon.max_uses_per_customer",
            f"must be at most {rules.max_uses}, the number of uses in all",
        )
    if rules.budget is not None and rules.amount is not None and rules.budget < rules.amount:
        checks.fail(
            "coupon.budget", "must be at least the amount: otherwise the coupon can never be used"
        )


def _percent(checks: Checks, text: str) -> Decimal:
    if not PERCENT.fullmatch(text) or not 0 < Decimal(text) <= 100:
        checks.fail(
            "coupon.percent",
            'must be a number above 0 and at most 100, such as "15" or "12.5", with at most four decimal'
            " places",
        )
        return Decimal(1)
    return Decimal(text)


def _amount(checks: Checks, coupon: Message, name: str) -> Decimal | None:
    """Return an amount with the digits of its currency; None if it isn't set."""
    if not coupon.HasField(name):
        return None
    given: money_pb2.Money = getattr(coupon, name)
    field, code = f"coupon.{name}", given.currency_code
    if not currencies.is_known(code):
        checks.fail(
            field, f'has the unknown currency "{code[:10]}"; use an ISO 4217 code such as "EUR"'
        )
        return None
    if not -(10**9) < given.nanos < 10**9 or given.units * given.nanos < 0:
        checks.fail(field, "must be an amount of money, with units and nanos of the same sign")
        return None
    amount, digits = money.from_proto(given), currencies.digits(code)
    least = "0 or more" if name == "max_loss" else "above 0"
    if amount < 0 or (amount == 0 and name != "max_loss") or amount >= MAX_AMOUNT:
        checks.fail(field, f"must be {least} and below {MAX_AMOUNT:f}")
    elif amount != round(amount, digits):
        checks.fail(field, f"must have at most {digits} decimal places, as {code} has")
    return amount


def _currency(checks: Checks, coupon: pb.Coupon) -> str | None:
    """Return the currency of the coupon, which all amounts must have; None if it has none."""
    found = coupon.currency
    if found and not currencies.is_known(found):
        checks.fail(
            "coupon.currency", f'"{found[:10]}" is unknown; use an ISO 4217 code such as "EUR"'
        )
    given: Message = coupon
    for name in AMOUNTS:
        if not given.HasField(name):
            continue
        code = str(getattr(coupon, name).currency_code)
        found = found or code
        if code != found:
            checks.fail(
                f"coupon.{name}",
                f"must be in {found[:10]}: all amounts of a coupon are in its currency",
            )
    return found or None


def _moment(checks: Checks, coupon: Message, name: str) -> datetime | None:
    if not coupon.HasField(name):
        return None
    return checks.moment(f"coupon.{name}", getattr(coupon, name))


def _limit(checks: Checks, name: str, value: int) -> int | None:
    if value < 0:
        checks.fail(f"coupon.{name}", "must not be negative; 0 means no limit")
    return value or None


def _names(checks: Checks, name: str, given: list[str]) -> frozenset[str]:
    if len(given) > MAX_CONDITIONS:
        checks.fail(f"coupon.{name}", f"must have at most {MAX_CONDITIONS} items, not {len(given)}")
        return frozenset()
    found = set()
    for index, text in enumerate(given):
        place = f"coupon.{name}[{index}]"
        checked = checks.free_text(place, text, MAX_NAME)
        if not checked:
            checks.fail(place, "must not be empty")
        with suppress(ValueError):  # ids are compared in their canonical form
            checked = str(UUID(checked)) if len(checked) == ID_LENGTH else checked
        found.add(checked)
    return frozenset(found)


def _countries(checks: Checks, given: list[str]) -> frozenset[str]:
    _names(checks, "countries", given)
    codes = [country_key(text[:MAX_NAME]).upper() for text in given[:MAX_CONDITIONS]]
    for index, code in enumerate(codes):
        if not is_country(code) and not PROVIDER_COUNTRY.fullmatch(code):
            checks.fail(
                f"coupon.countries[{index}]",
                f'"{given[index][:20]}" is not a known country; use ISO 3166-1 alpha-2 codes such as "FR"',
            )
    return frozenset(codes)


def check(request: pb.CheckCouponRequest) -> tuple[str, UUID, int, str]:
    """Return the code, plan, quantity and currency; raises Failure INVALID."""
    checks = Checks()
    code = given_code(checks, "code", request.code)
    if code is None:
        checks.fail("code", "must not be empty")
    plan_id = checks.uuid("plan_id", request.plan_id)
    quantity = checks.between("quantity", request.quantity, 1, MAX_QUANTITY)
    currency = given_currency(checks, request.currency)
    checks.done()
    return code or "", plan_id, quantity, currency


def given_currency(checks: Checks, code: str) -> str:
    """Check the form of a currency; the catalogue knows which ones exist."""
    if code and not CURRENCY.fullmatch(code):
        checks.fail("currency", "must be an ISO 4217 code in upper case, such as EUR")
    return code


def given_code(checks: Checks, field: str, text: str) -> str | None:
    """Return a code that a customer entered, as it is stored; None if there is none.

    A code that no coupon can have is no error here: it must be answered as any other unknown code.
    """
    return normalized(checks.free_text(field, text, MAX_CODE)) or None


def listing(request: pb.ListCouponsRequest) -> tuple[int, tuple[datetime, UUID] | None]:
    """Return the page size, and where the last page ended; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    return size, page_token.read_position(request, request.page_token)


def next_page(request: pb.ListCouponsRequest, last: Coupon) -> str:
    return page_token.write_position(request, last.created_at, last.id)
