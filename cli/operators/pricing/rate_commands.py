"""The `esimgo rates` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.operators.options import JSON, token
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.pricing.rates import ExchangeRates

TOKEN = token(
    "Access token of finance staff or an administrator, whose id is then logged. Default: the"
    " service role key."
)


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def rates(context: click.Context) -> None:
    """Show exchange rates, and set them by hand.

    Prices in a price list of another currency than the provider's depend on them. Without a command,
    show them.

    """
    if context.invoked_subcommand is None:
        context.invoke(show, token=None, as_json=False)


@rates.command()
@TOKEN
@JSON
def show(token: str | None, as_json: bool) -> None:
    """Show the rates in use, and those that are held until they are confirmed."""
    _print(token, as_json, lambda found: found.show())


@rates.command("set")
@TOKEN
@JSON
@click.option(
    "--accept-jump",
    is_flag=True,
    help="Confirm a rate that differs by more than 10 % from the one in use.",
)
@click.argument("base", metavar="BASE")
@click.argument("quote", metavar="QUOTE")
@click.argument("rate", metavar="RATE")
def set_rate(
    token: str | None, as_json: bool, accept_jump: bool, base: str, quote: str, rate: str
) -> None:
    """Set a rate, and compute all prices: RATE units of QUOTE are worth one of BASE.

    It applies for four days, and then until the next published rate within 10 % of it.

    """
    _print(token, as_json, lambda found: found.set(base, quote, rate, accept_jump=accept_jump))


def _print(
    token: str | None, as_json: bool, work: "Callable[[ExchangeRates], Awaitable[list[str]]]"
) -> None:
    from cli.operators.pricing.rates import open_rates

    print_lines(lambda access: open_rates(access, token, as_json=as_json), work)
