"""Arguments that no request can contain: bytes that are not UTF-8, malformed tokens, and huge amounts.

Python passes bytes that are not UTF-8 to commands as lone surrogates.
"""

import os
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cli.commands import esimgo
from cli.text import Token
from kit.auth.token_size import MAX_TOKEN_BYTES
from tests.fixtures.local.command import esimgo as run

BYTES = os.fsdecode(b"\x80")


def parameters(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from parameters(inner, f"{path} {name}")
    for param in command.params:
        if not getattr(param, "is_flag", False) and not isinstance(param.type, click.Path):
            yield f"{path} {param.name}", param


PARAMETERS = dict(parameters(esimgo, "esimgo"))


@pytest.mark.parametrize("name", PARAMETERS)
def test_arguments_of_all_commands_must_be_valid_unicode(name: str) -> None:
    param = PARAMETERS[name]
    with pytest.raises(click.BadParameter):
        param.type.convert(BYTES, param, None)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("payments", "show", "--", BYTES), "ORDER_ID"),
        (("books", "ledger", "--account", f"a{BYTES}"), "--account"),
        (("coupons", "create", BYTES, "--percent", "5"), "CODE"),
        (("taxes", "set", BYTES, "19"), "COUNTRY"),
    ],
)
def test_the_error_names_the_argument(arguments: tuple[str, ...], name: str) -> None:
    result = CliRunner().invoke(esimgo, arguments)
    assert result.exit_code == 2
    assert f"Invalid value for '{name}': must be valid Unicode text (UTF-8)" in result.stderr


@pytest.mark.parametrize("token", ["", "two words", "a\nb", "é", "x" * (MAX_TOKEN_BYTES + 1)])
def test_a_malformed_token_is_refused(token: str) -> None:
    result = CliRunner().invoke(esimgo, ("payments", "held", "--token", token))
    assert result.exit_code == 2
    assert "Invalid value for '--token': must have 1 to 16384 ASCII characters" in result.stderr


def test_the_longest_token_that_services_accept_is_accepted() -> None:
    token = "x" * MAX_TOKEN_BYTES
    assert Token().convert(token, None, None) == token


def test_a_malformed_service_role_key_is_named() -> None:
    key = {"SUPABASE_SERVICE_ROLE_KEY": "two words"}
    result = CliRunner().invoke(esimgo, ("payments", "held"), env=key)
    assert result.exit_code == 2
    assert result.stderr.startswith("esimgo: SUPABASE_SERVICE_ROLE_KEY must have 1 to 16384 ASCII")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("payments", "refund", "x", "--amount", "1e999999"), "below 1,000,000,000,000"),
        (("coupons", "create", "X", "--amount=-1e12"), "below 1,000,000,000,000"),
    ],
)
def test_amounts_that_no_request_can_contain_are_refused(
    arguments: tuple[str, ...], error: str
) -> None:
    result = CliRunner().invoke(esimgo, arguments)
    assert result.exit_code == 2
    assert error in result.output


async def test_a_file_may_have_any_name() -> None:
    done = await run("prices", "preview", BYTES, SUPABASE_SERVICE_ROLE_KEY="service-role-key")
    assert done.returncode == 1
    assert done.stderr.startswith("esimgo: \\udc80 can't be read: ")
