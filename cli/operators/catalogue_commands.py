"""The `esimgo catalogue` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.config.access import Access
from cli.groups import Group
from cli.operators.options import JSON, limit_of, token
from cli.run import print_lines, run_operator

if TYPE_CHECKING:
    from cli.operators.catalogue import Plans

TOKEN = token(
    "Access token of an administrator, whose id is then logged. Default: the service role key."
)
PLAN = click.argument("plan", metavar="PLAN")
CURRENCY = click.option(
    "--currency",
    default="",
    help="Show prices of the price list in this currency, such as EUR. Default: the first list.",
)


@click.group(cls=Group)
def catalogue() -> None:
    """Sync the provider's catalogue, and control which plans are on sale.

    PLAN is a plan's id or its bundle name, such as esim_1GB_7D_FR_V2.

    """


@catalogue.command()
def sync() -> None:
    """Sync the provider's catalogue now, and show the progress."""
    from cli.operators.catalogue import sync as refresh

    async def main(access: Access) -> None:
        async for line in refresh(access):
            click.echo(line)

    run_operator(main)


@catalogue.command("list")
@click.option("--country", help="Only plans that cover this country (ISO code or English name).")
@click.option("--region", help='Only plans that cover a country of this region, such as "Europe".')
@click.option(
    "--text",
    help="Only plans whose name, description, region or countries contain all of these words.",
)
@click.option("--all", "everything", is_flag=True, help="Include hidden and withdrawn plans.")
@click.option(
    "--hidden",
    is_flag=True,
    help="Only plans that an administrator hid, or whose price would not keep the minimum margin.",
)
@click.option("--featured", is_flag=True, help="Only the featured plans, in their order.")
@CURRENCY
@limit_of("plans")
@TOKEN
@JSON
def list_plans(
    currency: str, limit: int, token: str | None, as_json: bool, **conditions: Any
) -> None:
    """List plans by name; by default those on sale."""
    if conditions["featured"] and sum(map(bool, conditions.values())) > 1:
        raise click.UsageError("--featured can't be combined with conditions")
    _print(token, as_json, lambda plans: plans.list_plans(limit, currency=currency, **conditions))


@catalogue.command()
@CURRENCY
@TOKEN
@JSON
@PLAN
def show(currency: str, token: str | None, as_json: bool, plan: str) -> None:
    """Show one plan."""
    _print(token, as_json, lambda plans: plans.show(plan, currency))


@catalogue.command()
@TOKEN
@JSON
@PLAN
def hide(token: str | None, as_json: bool, plan: str) -> None:
    """Take a plan off sale, even if the provider offers it."""
    _print(token, as_json, lambda plans: plans.set_hidden(plan, hidden=True))


@catalogue.command()
@TOKEN
@JSON
@PLAN
def unhide(token: str | None, as_json: bool, plan: str) -> None:
    """Put a hidden plan back on sale."""
    _print(token, as_json, lambda plans: plans.set_hidden(plan, hidden=False))


@catalogue.command()
@TOKEN
@JSON
@click.option("--name", default="", help="Name to show instead of the generated title.")
@click.option("--description", default="", help="Description to show instead of the provider's.")
@click.option(
    "--highlight", "highlights", multiple=True, help="A selling point; may be given ten times."
)
@PLAN
@click.argument("locale", metavar="LOCALE")
def texts(token: str | None, as_json: bool, plan: str, locale: str, **given: Any) -> None:
    """Replace all texts of a plan in one language.

    LOCALE is a BCP 47 code, such as de or pt-BR. Texts that are left out are removed.

    """
    _print(token, as_json, lambda plans: plans.set_texts(plan, locale, **given))


@catalogue.command()
@TOKEN
@JSON
@click.option("--image", default="", help="HTTPS address of an image.")
@click.option("--badge", "badges", multiple=True, help="A short label; may be given five times.")
@PLAN
def display(
    token: str | None, as_json: bool, plan: str, image: str, badges: tuple[str, ...]
) -> None:
    """Replace the image and the badges of a plan.

    What is left out is removed.

    """
    _print(token, as_json, lambda plans: plans.set_display(plan, image=image, badges=badges))


@catalogue.command()
@TOKEN
@JSON
@click.option(
    "--automatic",
    is_flag=True,
    help="Select the featured plans automatically: the plan with the lowest price per day of each"
    " region.",
)
@click.argument("plans", metavar="[PLAN]...", nargs=-1)
def feature(token: str | None, as_json: bool, automatic: bool, plans: tuple[str, ...]) -> None:
    """Replace the featured plans by these, in this order; at most 50."""
    if automatic == bool(plans):
        raise click.UsageError("give the plans to feature, or --automatic")
    _print(token, as_json, lambda found: found.feature(plans))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Plans], Awaitable[list[str]]]"
) -> None:
    from cli.operators.catalogue import open_plans

    print_lines(lambda access: open_plans(access, token, as_json=as_json), work)
