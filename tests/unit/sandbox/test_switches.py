import pytest

from sandbox.switch_table import README, with_table
from sandbox.switches import DEFAULT_COSTS, SwitchError, Switches


def test_the_table_in_the_readme_is_generated_from_the_switches() -> None:
    text = README.read_text()
    assert with_table(text) == text, "run: python -m sandbox.switch_table"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("refunds", "true", True),
        ("refunds", False, False),
        ("tokens_per_second", "25", 25),
        ("tokens_per_second", 0, 0),
        ("catalogue_shape", "array", "array"),
        ("low_balance_status", "402", 402),
        ("token_costs", '{"listESIMs": 3}', {"listESIMs": 3}),
        ("token_costs", {}, {}),
        ("async_status", "in progress", "in progress"),
    ],
)
def test_values_are_parsed_from_json_and_from_command_lines(
    name: str, given: object, value: object
) -> None:
    switches = Switches()
    switches.change(name, given)
    assert getattr(switches, name) == value


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("refund", True, "the switches are"),
        ("refunds", "maybe", "true or false"),
        ("refunds", 1, "true or false"),
        ("tokens_per_second", -1, "at least 0"),
        ("tokens_per_second", "many", "integer"),
        ("tokens_per_second", True, "integer"),
        ("tokens_per_second", 1.5, "integer"),
        ("tokens_per_second", "Infinity", "integer"),
        ("catalogue_shape", "list", "object, array"),
        ("low_balance_status", 200, "400, 402"),
        ("token_costs", "5", "object"),
        ("token_costs", {"listESIMs": -1}, "object"),
        ("async_status", 5, "text"),
    ],
)
def test_an_invalid_switch_value_is_refused_with_a_message(
    name: str, given: object, message: str
) -> None:
    switches = Switches()
    before = switches.to_json()
    with pytest.raises(SwitchError, match=message):
        switches.change(name, given)
    assert switches.to_json() == before


def test_several_switches_change_together_or_not_at_all() -> None:
    switches = Switches()
    with pytest.raises(SwitchError):
        switches.change_all({"refunds": True, "async_above": -1})
    assert switches.refunds is False
    switches.change_all({"refunds": True, "async_above": 0})
    assert (switches.refunds, switches.async_above) == (True, 0)


def test_changing_the_costs_of_one_sandbox_does_not_change_the_default() -> None:
    switches = Switches()
    switches.token_costs["listESIMs"] = 9
    assert "listESIMs" not in Switches().token_costs
    assert "listESIMs" not in DEFAULT_COSTS
