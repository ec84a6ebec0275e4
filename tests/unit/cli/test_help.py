"""The help of every group shows the summaries of its commands whole."""

import click
import pytest
from click.testing import CliRunner

from cli.commands import esimgo

GROUPS = sorted(
    name for name, command in esimgo.commands.items() if isinstance(command, click.Group)
)


def test_most_commands_are_in_groups() -> None:
    assert len(GROUPS) > 10


@pytest.mark.parametrize("arguments", [[], *([name] for name in GROUPS)])
def test_no_summary_is_cut_off(arguments: list[str]) -> None:
    result = CliRunner().invoke(esimgo, [*arguments, "--help"])
    assert result.exit_code == 0
    _, _, commands = result.output.partition("Commands:")
    assert commands.strip()
    assert "..." not in commands


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (["reports", "sales", "--month", "November"], "a month, such as 2026-11"),
        (["reports", "rebuild", "--from", "2026-11"], "a day, such as 2026-11-30"),
        (["orders", "list", "--since", "yesterday"], "a day or a time, such as 2026-11-30"),
        (["webhooks", "list", "--until", "noon"], "a day or a time, such as 2026-11-30"),
    ],
)
def test_a_malformed_time_is_answered_with_an_example(arguments: list[str], example: str) -> None:
    result = CliRunner().invoke(esimgo, arguments)
    assert result.exit_code == 2
    assert f"'{arguments[-1]}' is not {example}" in result.output


def test_help_shows_the_form_of_times() -> None:
    result = CliRunner().invoke(esimgo, ["orders", "list", "--help"])
    assert "--since YYYY-MM-DD[THH:MM] " in result.output
    assert "%" not in result.output


def test_help_names_the_variable_of_the_token() -> None:
    result = CliRunner().invoke(esimgo, ["payments", "held", "--help"])
    assert "ESIMGO_TOKEN" in result.output
