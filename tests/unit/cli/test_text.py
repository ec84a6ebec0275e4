"""Arguments with bytes that are not UTF-8, which Python passes to commands as lone surrogates."""

import os
from collections.abc import Iterator

import click
import pytest

from cli.commands import esimgo
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
async def test_the_error_names_the_argument(arguments: tuple[str, ...], name: str) -> None:
    done = await run(*arguments)
    assert done.returncode == 2
    assert f"Invalid value for '{name}': must be valid Unicode text (UTF-8)" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_file_may_have_any_name() -> None:
    done = await run("prices", "preview", BYTES, SUPABASE_SERVICE_ROLE_KEY="service-role-key")
    assert done.returncode == 1
    assert done.stderr.startswith("esimgo: \\udc80 can't be read: ")
