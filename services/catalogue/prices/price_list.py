"""Price lists: a currency, how prices are taxed and rounded, and the minimum margin."""

from dataclasses import dataclass
from decimal import Decimal

from kit.values import currencies, plain_text
from kit.values.checks import Checks
from kit.values.margin import Terms
from protos.catalogue.v1 import prices_pb2 as pb
from providers.esim_go.countries import is_country
from services.catalogue.prices.rounding import ENDING_DIGITS, ENDINGS, Grid, Rounding, grid

HUNDRED = Decimal(100)
# Amounts of a list: far above any margin or fee in any currency.
MAX_AMOUNT = 10**9
# Decimal places of percentages, and of amounts that are not prices themselves.
PLACES = 6
MAX_ID = 40
# Characters of an id.
ID = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# Percent. Higher values are mistakes; a minimum margin close to 100 % would need an absurd price.
MAX_FEE = 50
MAX_BUFFER = 100
MAX_MARGIN = 99
MAX_MARKUP = 100_000

ROUNDINGS: dict[int, Rounding] = {
    pb.ROUNDING_UNSPECIFIED: Rounding.NONE,
    pb.ROUNDING_NONE: Rounding.NONE,
    pb.ROUNDING_TO_99: Rounding.TO_99,
    pb.ROUNDING_TO_90: Rounding.TO_90,
    pb.ROUNDING_TO_WHOLE: Rounding.TO_WHOLE,
}


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list. Amounts are in its currency, shares are fractions: 0.029 is 2.9 %.

    `tax_country` is empty if there is no tax. `max_markup` is the share of the converted cost by which
    the price without tax may exceed it; None: any.
    """

    id: str
    currency: str
    includes_tax: bool
    tax_country: str
    rounding: Rounding
    min_margin: Decimal
    min_share: Decimal
    absorb: Decimal
    fee_share: Decimal
    fee_amount: Decimal
    buffer: Decimal
    max_markup: Decimal | None

    @property
    def grid(self) -> Grid:
        return grid(self.rounding, self.currency)

    def terms(self, tax: Decimal, rate: Decimal) -> Terms:
        """Return the terms of a sale with this tax, as a fraction, and this exchange rate."""
        return Terms(tax, self.includes_tax, self.fee_share, self.fee_amount, rate, self.buffer)


def price_list(checks: Checks, at: str, given: pb.PriceList, *, stored: bool = False) -> PriceList:
    """Return a list, and add its problems to `checks`; `at` is the path of its fields.

    A `stored` list is not checked against today's currencies and countries.
    """

    def name(field: str) -> str:
        return f"{at}.{field}"

    def percent(field: str, most: int) -> Decimal:
        text = getattr(given, field) or "0"
        return checks.decimal(name(field), text, 0, most, PLACES) / HUNDRED

    def amount(field: str) -> Decimal:
        return checks.decimal(name(field), getattr(given, field) or "0", 0, MAX_AMOUNT, PLACES)

    if not 1 <= len(given.id) <= MAX_ID or not ID.issuperset(given.id):
        checks.fail(name("id"), f"must be 1 to {MAX_ID} lower-case letters, digits and hyphens")
    if given.tax_mode not in pb.TaxMode.values():
        checks.fail(name("tax_mode"), "must be a value of TaxMode")
    tax_country = given.tax_country
    if tax_country and not stored and not is_country(tax_country):
        shown = plain_text.quoted(tax_country)
        checks.fail(
            name("tax_country"), f'must be an ISO 3166-1 alpha-2 code such as "DE", not {shown}'
        )
    return PriceList(
        id=given.id,
        currency=given.currency if stored else currency(checks, name("currency"), given.currency),
        includes_tax=given.tax_mode != pb.TAX_MODE_EXCLUSIVE,
        tax_country=tax_country,
        rounding=_rounding(checks, name("rounding"), given, stored=stored),
        min_margin=amount("min_margin"),
        min_share=percent("min_margin_percent", MAX_MARGIN),
        absorb=amount("min_margin_to_absorb"),
        fee_share=percent("payment_fee_percent", MAX_FEE),
        fee_amount=amount("payment_fee"),
        buffer=percent("exchange_rate_buffer_percent", MAX_BUFFER),
        max_markup=percent("max_markup_percent", MAX_MARKUP) if given.max_markup_percent else None,
    )


def currency(checks: Checks, field: str, code: str) -> str:
    """Return a currency, and add a problem to `checks` if no country uses it."""
    if not currencies.is_known(code):
        shown = plain_text.quoted(code)
        checks.fail(
            field, f'must be the ISO 4217 code of a currency in use, such as "EUR", not {shown}'
        )
    return code


def _rounding(checks: Checks, field: str, given: pb.PriceList, *, stored: bool) -> Rounding:
    rounding = ROUNDINGS.get(given.rounding)
    if rounding is None:
        checks.fail(field, "must be a value of Rounding")
    elif (
        rounding in ENDINGS
        and not stored
        and currencies.is_known(given.currency)
        and currencies.digits(given.currency) < ENDING_DIGITS
    ):
        ending = str(ENDINGS[rounding])[1:]
        checks.fail(
            field,
            f"must not be {rounding}: amounts in {given.currency} have"
            f" {currencies.digits(given.currency)} decimal places, so none ends in {ending};"
            " use NONE or TO_WHOLE",
        )
    return rounding or Rounding.NONE
