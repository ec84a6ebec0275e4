"""Options that several operators' commands share."""

import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from cli.text import Token
from kit.values import timestamps

# No order or balance is as large, in any currency.
MAX_AMOUNT = Decimal(10) ** 12
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ].*([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def token(about: str) -> Callable[[Any], Any]:
    """Return the option for the access token of a command, with its help."""
    about += " ESIMGO_TOKEN is used if the option is left out."
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


class Moment(click.DateTime):
    """A day, a month or a time. Help shows its form, and a refusal an example, instead of the formats.

    With `zoned`, times of RFC 3339 are accepted too, as `--json` and the APIs print them.
    """

    def __init__(self, form: str, example: str, *formats: str, zoned: bool = False) -> None:
        super().__init__(formats)
        self._form = form
        self._example = example
        self._zoned = zoned

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self._form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            if self._zoned and RFC_3339.fullmatch(value):
                with suppress(ValueError):
                    return timestamps.from_iso(value)
            self.fail(f"{value!r} is not {self._example}", param, ctx)


MOMENT = Moment(
    "YYYY-MM-DD[THH:MM]",
    "a day or a time, such as 2026-11-30 or 2026-11-30T18:00",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    zoned=True,
)
MONTH = Moment("YYYY-MM", "a month, such as 2026-11", "%Y-%m")
DAY = Moment("YYYY-MM-DD", "a day, such as 2026-11-30", "%Y-%m-%d")


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
