"""Options that several operators' commands share."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from cli.text import Token

# No order or balance is as large, in any currency.
MAX_AMOUNT = Decimal(10) ** 12


def token(about: str) -> Callable[[Any], Any]:
    """Return the option for the access token of a command."""
    return click.option("--token", envvar="ESIMGO_TOKEN", type=Token(), help=about)


TOKEN = token(
    "Access token of the finance staff or an administrator, whose id is then recorded. Default:"
    " the service role key."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def limit_of(noun: str) -> Callable[[Any], Any]:
    """Return the option for the maximum number of rows."""
    return click.option(
        "--most",
        "limit",
        default=50,
        show_default=True,
        type=click.IntRange(1),
        help=f"Maximum number of {noun} to list.",
    )


MOMENT = click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"))


class Amount(click.ParamType[Decimal]):
    """An exact decimal number."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            self.fail(f"{value} is not a number such as 5.00", param, ctx)
        if abs(amount) >= MAX_AMOUNT:
            self.fail(f"must be below {MAX_AMOUNT:,}", param, ctx)
        return amount


AMOUNT = Amount()
YES = click.option("--yes", is_flag=True, help="Skip the confirmation, for scripts.")
KEY = click.option(
    "--key", help="Repeats the command that failed with this key, without moving money twice."
)
