"""Files of price lists and rules: read exactly, refused with the line or the field, and written back."""

import json
import re
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.operators.pricing import price_file
from protos.catalogue.v1 import prices_pb2 as pb
from tests.fixtures.prices.price_rules import LISTS, RULES, rule_set

EXAMPLE = Path(__file__).parents[4] / "examples" / "prices.json"


def refusal(folder: Path, text: str) -> str:
    path = folder / "prices.json"
    path.write_text(text)
    with pytest.raises(CommandError) as raised:
        price_file.read(path)
    return str(raised.value).removeprefix(str(path))


def test_a_file_has_the_names_and_values_of_the_graphql_schema() -> None:
    found = price_file.parse(json.dumps({"priceLists": LISTS, "rules": RULES}))
    assert list(found.lists) == list(rule_set(6).lists)
    assert list(found.rules) == list(rule_set(6).rules)


def test_what_is_shown_is_read_as_the_same_rules() -> None:
    shown = price_file.document(rule_set(6)) | {"version": 6, "note": "n", "createdBy": None}
    found = price_file.parse(json.dumps(shown))
    assert list(found.lists) == list(rule_set(6).lists)
    assert list(found.rules) == list(rule_set(6).rules)
    # Fields that are not set are left out.
    assert shown["rules"][1] == {
        "name": "rest",
        "match": {},
        "kind": "MARKUP_PERCENT",
        "value": "40",
    }


def test_amounts_may_be_numbers_and_are_exact() -> None:
    found = price_file.parse(
        '{"rules": [{"name": "a", "kind": "PRICE_RULE_KIND_FIXED_PRICE", "value": 12.10},'
        ' {"name": "b", "value": 40}, {"name": "c", "value": 0.1000000000000000055511151231257827}]}'
    )
    assert [rule.value for rule in found.rules] == [
        "12.10",
        "40",
        "0.1000000000000000055511151231257827",
    ]
    assert found.rules[0].kind == pb.PRICE_RULE_KIND_FIXED_PRICE


def test_text_that_is_not_json_is_refused_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, '{\n  "priceLists": [],\n  "rules": [}\n}')
    assert said == ", line 3, column 13: not valid JSON: Expecting value"
    assert refusal(tmp_path, "").startswith(", line 1, column 1: not valid JSON")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"rules": [{}, {"name": "\\ud83d"}]}',
            "rules[1].name must be valid Unicode text",
        ),
        (
            '{"rules": [{"match": {"countries": ["GB", "\\udc80"]}}]}',
            "rules[0].match.countries[1] must be valid Unicode text",
        ),
        (
            '{"rules": [{"\\ud83d": 1}]}',
            "rules[0].\ud83d is unknown. Known fields: ",
        ),
        (f'{{"rules": [{{"value": 1{"0" * 5_000}}}]}}', f"the number 1{'0' * 99}... is too long"),
        (
            '{"rules": [{"value": 1e99999999999999999999}]}',
            "the number 1e99999999999999999999 has too large an exponent",
        ),
        ("[]", 'must be an object: {"priceLists": [...], "rules": [...]}'),
        ('{"rulez": []}', "rulez is unknown; did you mean rules? Known fields: priceLists, rules"),
        ('{"lists": []}', "lists is unknown; did you mean priceLists?"),
        ('{"rules": {}}', "rules must be a list"),
        ('{"rules": [1]}', "rules[0] must be an object"),
        (
            '{"rules": [{"name": "a"}, {"valu": "1"}]}',
            "rules[1].valu is unknown; did you mean value?",
        ),
        (
            '{"rules": [{"match": {"min_data_mb": 1}}]}',
            "rules[0].match.min_data_mb is unknown; did you mean minDataMB?",
        ),
        (
            '{"rules": [{"kind": "MARKUP"}]}',
            "rules[0].kind must be one of MARKUP_PERCENT, MARKUP_FIXED, TARGET_MARGIN, FIXED_PRICE,"
            ' MATRIX, not "MARKUP"',
        ),
        ('{"rules": [{"kind": 1}]}', "rules[0].kind must be one of"),
        ('{"rules": [{"kind": "UNSPECIFIED"}]}', "rules[0].kind must be one of"),
        (
            '{"rules": [{"match": {"minDurationDays": 1.5}}]}',
            'rules[0].match.minDurationDays must be a whole number, not "1.5"',
        ),
        (
            '{"rules": [{"match": {"minDurationDays": 1e999999999}}]}',
            "rules[0].match.minDurationDays must be a whole number",
        ),
        (
            '{"rules": [{"match": {"unlimited": "yes"}}]}',
            'rules[0].match.unlimited must be true or false, not "yes"',
        ),
        ('{"rules": [{"value": true}]}', "rules[0].value must be a text or a number, not true"),
        ('{"rules": [{"value": NaN}]}', "NaN is not a number"),
        ('{"rules": [{"match": {"countries": [1.5, {}]}}]}', "rules[0].match.countries[1] must be"),
        (
            '{"rules": [{"name": "a", "name": "b"}]}',
            "an object contains the field name twice",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_file_is_refused_with_the_path_of_the_field(
    tmp_path: Path, text: str, said: str
) -> None:
    assert refusal(tmp_path, text).startswith(f": {said}")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=re.escape("can't be read")):
        price_file.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("lists[0].min_margin_percent", "priceLists[0].minMarginPercent"),
        ("rules[12].match.max_data_mb", "rules[12].match.maxDataMB"),
        ("rules[0].matrix[3].from_days", "rules[0].matrix[3].fromDays"),
        ("note", "note"),
    ],
)
def test_paths_of_the_service_are_named_as_in_files(path: str, named: str) -> None:
    assert price_file.path_of(path) == named


def test_the_example_is_valid() -> None:
    found = price_file.read(EXAMPLE)
    assert [one.currency for one in found.lists] == ["EUR"]
    assert found.rules[0].name == "Europe"
