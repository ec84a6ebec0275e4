"""The `esimgo prices` and `esimgo taxes` commands."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.config.access import Access
from cli.groups import Group
from cli.operators.options import JSON, limit_of, token
from cli.run import print_lines, run_operator

if TYPE_CHECKING:
    from cli.operators.pricing.prices import Prices

TOKEN = token(
    "Access token of the finance staff or of an administrator, whose id is then logged. Default:"
    " the service role key."
)
CURRENCY = click.option(
    "--currency",
    default="",
    help="Currency of a price list, such as EUR. Default: that of the first list.",
)
FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
WORST = click.option(
    "--worst",
    default=10,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Number of plans with the lowest margins to show of each list.",
)


@click.group(cls=Group)
def prices() -> None:
    """Control the prices that customers see: price lists, and rules that compute prices from costs.

    FILE is a JSON file like examples/prices.json. PLAN is a plan's id or its bundle name.

    """


@prices.command()
@click.option(
    "--version", type=click.IntRange(0), help="Number of a version. Default: the current."
)
@TOKEN
@JSON
def show(version: int | None, token: str | None, as_json: bool) -> None:
    """Show the price lists and rules; with --json in the form of FILE."""
    _print(token, as_json, lambda found: found.show(version))


@prices.command()
@WORST
@TOKEN
@JSON
@FILE
def preview(worst: int, token: str | None, as_json: bool, file: Path) -> None:
    """Compare the prices that FILE would set with the current ones. Changes nothing."""
    _print(token, as_json, lambda found: found.preview(file, worst))


@prices.command("set")
@click.option(
    "--note",
    default="",
    help="What changes and why, at most 500 characters. Default: the name of FILE.",
)
@click.option("--yes", is_flag=True, help="Skip the confirmation, for scripts.")
@WORST
@TOKEN
@JSON
@FILE
def set_rules(
    note: str, yes: bool, worst: int, token: str | None, as_json: bool, file: Path
) -> None:
    """Replace all price lists and rules by those of FILE, after a preview.

    Fails with VERSION_CONFLICT if someone else changes them meanwhile, and with SELLS_AT_A_LOSS if a
    fixed price is below the least price of a plan; then nothing is changed.

    """

    async def work(found: "Prices") -> list[str]:
        version = await found.version()
        people = replace(found, as_json=False)
        click.echo("\n".join(await people.preview(file, worst)), err=as_json)
        if not yes:
            click.confirm(f"Set these prices in place of version {version}?", abort=True, err=True)
        return await found.set(file, version, note or f"from {file.name}")

    _print(token, as_json, work)


@prices.command()
@CURRENCY
@TOKEN
@JSON
@click.argument("plan")
def explain(currency: str, token: str | None, as_json: bool, plan: str) -> None:
    """Show how the price of PLAN was computed, step by step."""
    _print(token, as_json, lambda found: found.explain(plan, currency))


@prices.command()
@CURRENCY
@click.option(
    "--format",
    "form",
    default="csv",
    show_default=True,
    type=click.Choice(["csv", "json"]),
    help="Format of the output.",
)
@TOKEN
def export(currency: str, form: str, token: str | None) -> None:
    """Print cost, price and margin of every plan."""
    from cli.operators.pricing.prices import open_prices

    async def main(access: Access) -> None:
        async with open_prices(access, token, as_json=False) as found:
            async for text in found.export(currency, form):
                click.echo(text, nl=False)

    run_operator(main)


@prices.command()
@CURRENCY
@limit_of("prices")
@TOKEN
@JSON
@click.argument("plan")
def history(currency: str, limit: int, token: str | None, as_json: bool, plan: str) -> None:
    """List the prices that PLAN has had, the newest first."""
    _print(token, as_json, lambda found: found.history(plan, currency, limit))


@prices.command()
@CURRENCY
@limit_of("plans")
@TOKEN
@JSON
def unsellable(currency: str, limit: int, token: str | None, as_json: bool) -> None:
    """List the plans that are not sold because no allowed price keeps the minimum margin."""
    _print(token, as_json, lambda found: found.unsellable(currency, limit))


@click.group(cls=Group)
def taxes() -> None:
    """Control the tax rates, by the country of the customers."""


@taxes.command("show")
@TOKEN
@JSON
def show_taxes(token: str | None, as_json: bool) -> None:
    """List the tax rates."""
    _print(token, as_json, lambda found: found.taxes())


@taxes.command("set")
@TOKEN
@JSON
@click.argument("country")
@click.argument("percent")
def set_tax(token: str | None, as_json: bool, country: str, percent: str) -> None:
    """Set the tax rate of COUNTRY (such as DE) to PERCENT (such as 19), and compute all prices."""
    _print(token, as_json, lambda found: found.set_tax(country, percent))


@taxes.command("remove")
@TOKEN
@JSON
@click.argument("country")
def remove_tax(token: str | None, as_json: bool, country: str) -> None:
    """Remove the tax rate of COUNTRY, and compute all prices."""
    _print(token, as_json, lambda found: found.set_tax(country, ""))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Prices], Awaitable[list[str]]]"
) -> None:
    from cli.operators.pricing.prices import open_prices

    print_lines(lambda access: open_prices(access, token, as_json=as_json), work)
