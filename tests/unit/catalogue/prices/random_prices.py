"""Random price lists, rules and plans."""

from decimal import Decimal

from hypothesis import strategies as st

from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.plan import plan_id
from services.catalogue.prices.matching import Countries, Facts

CURRENCIES = ("USD", "EUR", "JPY", "KWD")
DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
ISOS = {"FR": "France", "DE": "Germany", "JP": "Japan", "US-HI": "Hawaii"}
PLACES = [
    Countries(tuple((iso, ISOS[iso]) for iso in isos))
    for isos in (("FR",), ("FR", "DE"), ("JP",), ("US-HI",), ("FR", "JP"), ())
]
REGIONS = ("Europe", "Asia", "Global")
GROUPS = ("Standard Fixed", "Standard Unlimited Lite", "Promo")


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    """Numbers with up to so many decimal places."""
    return st.integers(low * 10**places, high * 10**places).map(
        lambda number: Decimal(number).scaleb(-places)
    )


def texts(low: int, high: int, places: int) -> st.SearchStrategy[str]:
    return decimals(low, high, places).map(lambda number: f"{number:f}")


@st.composite
def plans(draw: st.DrawFn) -> Facts:
    unlimited = draw(st.booleans())
    name = f"esim_{draw(st.integers(0, 5))}"
    return Facts(
        id=plan_id(name),
        name=name,
        cost=draw(decimals(0, 200, 3)),
        currency="USD",
        region=draw(st.sampled_from(REGIONS)),
        groups=tuple(draw(st.lists(st.sampled_from(GROUPS), max_size=2, unique=True))),
        countries=draw(st.sampled_from(PLACES)),
        days=draw(st.integers(1, 90)),
        data_mb=None if unlimited else draw(st.integers(0, 50_000)),
        unlimited=unlimited,
        on_sale=True,
    )


@st.composite
def lists(draw: st.DrawFn, currency: str) -> pb.PriceList:
    grids = [pb.ROUNDING_NONE, pb.ROUNDING_TO_WHOLE]
    if DIGITS[currency] >= 2:
        grids += [pb.ROUNDING_TO_99, pb.ROUNDING_TO_90]
    return pb.PriceList(
        id=currency.lower(),
        currency=currency,
        tax_mode=draw(st.sampled_from([pb.TAX_MODE_INCLUSIVE, pb.TAX_MODE_EXCLUSIVE])),
        tax_country=draw(st.sampled_from(["", "DE"])),
        rounding=draw(st.sampled_from(grids)),
        min_margin=draw(texts(0, 5, 2)),
        min_margin_percent=draw(texts(0, 90, 1)),
        payment_fee_percent=draw(texts(0, 9, 2)),
        payment_fee=draw(texts(0, 1, 2)),
        exchange_rate_buffer_percent=draw(texts(0, 5, 1)),
        max_markup_percent=draw(st.one_of(st.just(""), texts(0, 500, 0))),
    )


@st.composite
def matches(draw: st.DrawFn) -> pb.PriceRuleMatch:
    some = pb.PriceRuleMatch(
        countries=draw(st.lists(st.sampled_from(["FR", "Germany", "JPN"]), max_size=2)),
        regions=draw(st.lists(st.sampled_from(REGIONS), max_size=1)),
        groups=draw(st.lists(st.sampled_from(GROUPS), max_size=1)),
        plans=draw(st.lists(st.sampled_from(["esim_1", str(plan_id("esim_2"))]), max_size=2)),
    )
    if draw(st.booleans()):
        some.min_duration_days = draw(st.integers(0, 45))
    if draw(st.booleans()):
        some.max_duration_days = draw(st.integers(45, 90))
    if draw(st.booleans()):
        some.min_data_mb = draw(st.integers(0, 20_000))
    if draw(st.booleans()):
        some.max_data_mb = draw(st.integers(20_000, 50_000))
    if draw(st.booleans()):
        some.unlimited = draw(st.booleans())
    return some


@st.composite
def rules(draw: st.DrawFn, currency: str, name: str) -> pb.PriceRule:
    kind = draw(st.sampled_from(pb.PriceRuleKind.values()[1:]))
    rule = pb.PriceRule(name=name, price_list=currency.lower(), kind=kind, match=draw(matches()))
    digits = DIGITS[currency]
    if kind == pb.PRICE_RULE_KIND_MATRIX:
        rule.matrix.extend(
            pb.PriceMatrixCell(group=group, from_days=days, amount=draw(texts(0, 50, digits)))
            for group in GROUPS[:2]
            for days in (0, 30)
        )
    elif kind == pb.PRICE_RULE_KIND_TARGET_MARGIN:
        rule.value = draw(texts(0, 99, 1))
    else:
        rule.value = draw(texts(0, 300, digits))
    return rule
