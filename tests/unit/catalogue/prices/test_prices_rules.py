"""Which price lists and rules are refused, and that each bad field is named."""

from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.plan import plan_id
from services.catalogue.prices import rule_set
from services.catalogue.prices.conditions import Known

USD, EUR = pb.PriceList(id="usd", currency="USD"), pb.PriceList(id="eur", currency="EUR")
KNOWN = Known(
    countries=frozenset({"fr", "france", "us-hi", "hawaii"}),
    regions=frozenset({"europe", "global"}),
    groups=frozenset({"Standard Fixed"}),
    plans=frozenset({plan_id("esim_a")}),
)
PERCENT, FIXED, MARGIN = (
    pb.PRICE_RULE_KIND_MARKUP_PERCENT,
    pb.PRICE_RULE_KIND_FIXED_PRICE,
    pb.PRICE_RULE_KIND_TARGET_MARGIN,
)
ADD, MATRIX = pb.PRICE_RULE_KIND_MARKUP_FIXED, pb.PRICE_RULE_KIND_MATRIX


def problems(lists: list[pb.PriceList], rules: list[pb.PriceRule]) -> dict[str, str]:
    with pytest.raises(Failure) as caught:
        rule_set.parse(lists, rules, known=KNOWN)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "INVALID_ARGUMENT")
    return dict(caught.value.fields)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("id", "", "1 to 40 lower-case letters"),
        ("id", "US dollars", "1 to 40 lower-case letters"),
        ("id", "a" * 41, "1 to 40 lower-case letters"),
        ("currency", "", "ISO 4217 code of a currency in use"),
        ("currency", "usd", "ISO 4217 code of a currency in use"),
        ("currency", "DEM", "ISO 4217 code of a currency in use"),
        ("tax_mode", 7, "a value of TaxMode"),
        ("tax_country", "XX", "ISO 3166-1 alpha-2 code"),
        ("tax_country", "Germany", "ISO 3166-1 alpha-2 code"),
        ("rounding", 9, "a value of Rounding"),
        ("min_margin", "-1", "from 0 to 1000000000"),
        ("min_margin", "1e3", "a decimal number"),
        ("min_margin", "NaN", "a decimal number"),
        ("min_margin", "9999999999", "from 0 to 1000000000"),
        ("min_margin", "0.0000001", "at most 6 decimal places"),
        ("min_margin_percent", "100", "from 0 to 99"),
        ("min_margin_to_absorb", "-0.01", "from 0 to"),
        ("payment_fee_percent", "51", "from 0 to 50"),
        ("payment_fee", "free", 'not "free"'),
        ("exchange_rate_buffer_percent", "101", "from 0 to 100"),
        ("max_markup_percent", "-5", "from 0 to 100000"),
    ],
)
def test_a_bad_field_of_a_list_is_named(field: str, value: Any, text: str) -> None:
    given = pb.PriceList(**{"id": "usd", "currency": "USD", field: value})
    found = problems([EUR, given], [])
    assert list(found) == [f"lists[1].{field}"]
    assert text in found[f"lists[1].{field}"]


@pytest.mark.parametrize(
    ("fields", "at", "text"),
    [
        ({"name": ""}, "name", "1 to 100 characters"),
        ({"name": "a\nb"}, "name", "without line breaks"),
        ({"price_list": "gbp"}, "price_list", "the id of one of the lists"),
        ({"kind": 0}, "kind", "a value of PriceRuleKind"),
        ({"kind": 99}, "kind", "a value of PriceRuleKind"),
        ({"value": ""}, "value", "a decimal number"),
        ({"value": "-10"}, "value", 'from 0 to 10000, not "-10"'),
        ({"value": "10001"}, "value", "from 0 to 10000"),
        ({"value": "ten"}, "value", "a decimal number"),
        ({"kind": MARGIN, "value": "100"}, "value", "from 0 to 99.9"),
        ({"kind": FIXED, "value": "5"}, "price_list", "an amount can be in one currency only"),
        ({"kind": ADD, "value": "-5", "price_list": "usd"}, "value", "from 0 to"),
        ({"kind": FIXED, "value": "0.999", "price_list": "usd"}, "value", "at most 2 decimal"),
        ({"kind": FIXED, "value": "9999999999", "price_list": "usd"}, "value", "from 0 to"),
        ({"kind": MATRIX, "value": "", "price_list": "usd"}, "matrix", "1 to 1000 cells"),
        ({"matrix": [pb.PriceMatrixCell()]}, "matrix", "must be empty for MARKUP_PERCENT"),
        ({"match": {"countries": ["FR", "Atlantis"]}}, "match.countries[1]", '"Atlantis"'),
        ({"match": {"regions": ["Europ"]}}, "match.regions[0]", 'the catalogue has "europe"'),
        ({"match": {"groups": ["Fixed"]}}, "match.groups[0]", 'has "Standard Fixed"'),
        ({"match": {"plans": ["esim_b"]}}, "match.plans[0]", "id or bundle name of a plan"),
        ({"match": {"provider": "other"}}, "match.provider", "esim-go"),
        ({"match": {"min_duration_days": -1}}, "match.min_duration_days", "from 0 to 36500"),
        (
            {"match": {"min_duration_days": 9, "max_duration_days": 8}},
            "match.max_duration_days",
            "not be lower than the minimum, which is 9",
        ),
        ({"match": {"min_data_mb": 10**16}}, "match.min_data_mb", "from 0 to"),
        ({"match": {"countries": ["FR"] * 1001}}, "match.countries", "at most 1000 items"),
    ],
)
def test_a_bad_field_of_a_rule_is_named_with_the_rule(
    fields: dict[str, Any], at: str, text: str
) -> None:
    given: dict[str, Any] = {"name": "Europe", "kind": PERCENT, "value": "10"} | fields
    match = pb.PriceRuleMatch(**given.pop("match", {}))
    found = problems([USD, EUR], [pb.PriceRule(**given, match=match)])
    assert list(found) == [f"rules[0].{at}"]
    assert text in found[f"rules[0].{at}"]
    if given["name"] == "Europe":
        assert '(rule "Europe")' in found[f"rules[0].{at}"]


def cell(group: str = "Standard Fixed", days: int = 0, amount: str = "1") -> pb.PriceMatrixCell:
    return pb.PriceMatrixCell(group=group, from_days=days, amount=amount)


@pytest.mark.parametrize(
    ("cells", "at"),
    [
        ([cell("")], "matrix[0].group"),
        ([cell("Nothing")], "matrix[0].group"),
        ([cell(days=-1)], "matrix[0].from_days"),
        ([cell(), cell(days=1), cell()], "matrix[2]"),
        ([cell(amount="-1")], "matrix[0].amount"),
        ([cell(amount="")], "matrix[0].amount"),
        ([cell(amount="0.001")], "matrix[0].amount"),
    ],
)
def test_a_bad_cell_of_a_matrix_is_named(cells: list[pb.PriceMatrixCell], at: str) -> None:
    rule = pb.PriceRule(name="Matrix", kind=MATRIX, matrix=cells)
    assert list(problems([USD], [rule])) == [f"rules[0].{at}"]


def test_what_must_be_unique_is_named() -> None:
    rules = [pb.PriceRule(name="A", kind=PERCENT, value="1")] * 2
    lists = [USD, pb.PriceList(id="usd", currency="USD")]
    assert list(problems(lists, rules)) == ["lists[1].id", "lists[1].currency", "rules[1].name"]


def test_lists_and_rules_have_limits() -> None:
    many = [pb.PriceRule(name=str(i), kind=PERCENT, value="1") for i in range(1_001)]
    lists = [pb.PriceList(id=f"l{i}", currency="USD") for i in range(11)]
    assert {"lists", "rules"} <= set(problems(lists, many))
    assert list(problems([], many[:1])) == ["lists"]


@pytest.mark.parametrize("rounding", [pb.ROUNDING_TO_99, pb.ROUNDING_TO_90])
def test_yen_have_no_decimal_places(rounding: "pb.Rounding.ValueType") -> None:
    yen = pb.PriceList(id="jpy", currency="JPY", rounding=rounding)
    assert "use NONE or TO_WHOLE" in problems([yen], [])["lists[0].rounding"]
    rule = pb.PriceRule(name="A", kind=FIXED, value="9.5")
    yen.rounding = pb.ROUNDING_NONE
    assert "no decimal places" in problems([yen], [rule])["rules[0].value"]
    dinar = pb.PriceList(id="kwd", currency="KWD", rounding=rounding)
    rule.value = "9.125"
    assert rule_set.parse([dinar], [rule]).lists[0].currency == "KWD"


def test_a_stored_version_is_read_as_it_was_set() -> None:
    rule = pb.PriceRule(
        name="Hawaii",
        kind=PERCENT,
        value="12.5",
        match=pb.PriceRuleMatch(countries=["Hawaii", "FR"], plans=["esim_a"], unlimited=False),
    )
    stored = rule_set.to_json([USD, EUR]), rule_set.to_json([rule])
    lists, rules = rule_set.lists_from_json(stored[0]), rule_set.rules_from_json(stored[1])
    assert (lists, rules) == ([USD, EUR], [rule])
    # Without the names of the catalogue, which may have changed since.
    assert rule_set.parse(lists, rules) == rule_set.parse([USD, EUR], [rule], known=KNOWN)


def test_a_stored_version_stays_readable_when_a_currency_changes() -> None:
    """Otherwise one list in a currency that ends would stop the purchases in all others."""
    lists = [
        pb.PriceList(id="kuna", currency="HRK", tax_country="AN"),
        pb.PriceList(id="forint", currency="HUF", rounding=pb.ROUNDING_TO_99),
    ]
    rules = [
        pb.PriceRule(name="A", price_list="forint", kind=FIXED, value="1990.5"),
        pb.PriceRule(name="B", price_list="forint", kind=MATRIX, matrix=[cell(amount="0.25")]),
    ]
    assert set(problems(lists, rules)) == {
        "lists[0].currency",
        "lists[0].tax_country",
        "lists[1].rounding",
        "rules[0].value",
        "rules[1].matrix[0].amount",
    }
    stored = rule_set.parse(lists, rules)
    assert [one.currency for one in stored.lists] == ["HRK", "HUF"]
    assert stored.rules[0].value == Decimal("1990.5")
    # Prices have the decimal places that the currency has today.
    assert str(stored.lists[1].grid.up(Decimal("1990.5"))) == "1991"


def test_of_all_cells_that_fit_a_plan_the_one_with_the_longest_duration_applies() -> None:
    cells = [cell("A", 0, "1"), cell("A", 10, "2"), cell("B", 5, "3"), cell("B", 10, "4")]
    rule = pb.PriceRule(name="Matrix", kind=MATRIX, matrix=cells)
    [matrix] = rule_set.parse([USD], [rule]).rules
    found = [matrix.cell(("A", "B"), days) for days in (1, 5, 9, 10)]
    assert found == [1, 3, 3, 2], "with equal durations, the first cell"
    assert matrix.cell(("B", "A"), 10) == 2
    assert (matrix.cell(("B",), 4), matrix.cell((), 10)) == (None, None)
