"""The `esimgo orders` commands as click sees them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.output import JSON
from cli.reach import Reach
from cli.run import refuse, run_operator

if TYPE_CHECKING:
    from cli.orders import Operator

STATUSES = ("processing", "completed", "failed", "cancelled", "refunded")
TOKEN = click.option(
    "--token",
    envvar="ESIMGO_TOKEN",
    help="An administrator's session token; without it the local emulator gives one.",
)


@click.group()
def orders() -> None:
    """List, cancel and settle the orders of all customers."""


@orders.command("list")
@TOKEN
@JSON
@click.option("--customer", type=click.UUID, help="Only of the account with this id.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Repeatable.",
)
@click.option("--since", type=click.DateTime(), help="Recorded at this time or later.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1), help="How many.")
def list_orders(token: str | None, as_json: bool, most: int, **wanted: Any) -> None:
    """List orders of all customers, newest first."""
    from cli.orders import Wanted

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.list_orders(Wanted(**wanted), most)))

    _operate(token, work, as_json=as_json)


@orders.command()
@TOKEN
@JSON
@click.option("--unused-only", is_flag=True, help="Leave what is in use alone.")
@click.option("--yes", is_flag=True, help="Don't ask; for scripts.")
@click.argument("order_id")
def cancel(token: str | None, as_json: bool, unused_only: bool, yes: bool, order_id: str) -> None:
    """Cancel an order that nobody used, and refund it where the provider allows.

    Its bundles are taken off the eSIMs for good. An order in use is refused and stays as it is.
    """
    if not yes:
        click.confirm(f"Cancel order {order_id} for good?", abort=True, err=True)

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.cancel(order_id, unused_only=unused_only)))

    _operate(token, work, as_json=as_json)


@orders.command()
@TOKEN
@click.option(
    "--older-than",
    default=900,
    show_default=True,
    type=click.IntRange(1, 7 * 86_400),
    help="Seconds that an order may be worked on before it counts.",
)
@JSON
def stuck(token: str | None, older_than: int, as_json: bool) -> None:
    """List orders in review, and those worked on for too long."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.stuck(older_than)))

    _operate(token, work, as_json=as_json)


@orders.command()
@TOKEN
@JSON
@click.argument("order_id")
def show(token: str | None, as_json: bool, order_id: str) -> None:
    """Show an order's attempts and steps, and the provider's orders that could be it."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.show(order_id)))

    _operate(token, work, as_json=as_json)


@orders.command()
@TOKEN
@click.option("--note", default="", help="Why, for whoever reads the history.")
@click.argument("order_id")
def resume(token: str | None, note: str, order_id: str) -> None:
    """Have an order looked at again now, by the usual rules."""

    async def work(operator: "Operator") -> None:
        click.echo(await operator.resume(order_id, note))

    _operate(token, work)


@orders.command()
@TOKEN
@click.option("--placed-as", default="", metavar="REFERENCE", help="It is this provider's order.")
@click.option("--not-bought", is_flag=True, help="It bought nothing.")
@click.option("--paid-back", is_flag=True, help="The provider took it back and returned the money.")
@click.option("--note", required=True, help="What was found out, and how.")
@click.argument("order_id")
def resolve(
    token: str | None,
    placed_as: str,
    not_bought: bool,
    paid_back: bool,
    note: str,
    order_id: str,
) -> None:
    """Settle an order in review by what was found out: give one of the three."""
    if (bool(placed_as), not_bought, paid_back).count(True) != 1:
        raise click.UsageError("give exactly one of --placed-as, --not-bought and --paid-back")

    async def work(operator: "Operator") -> None:
        settled = await operator.resolve(
            order_id, note, placed_as=placed_as, not_bought=not_bought, paid_back=paid_back
        )
        click.echo(settled)

    _operate(token, work)


@orders.command()
@TOKEN
@JSON
def unexplained(token: str | None, as_json: bool) -> None:
    """List the provider's orders that no order here explains."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.unexplained()))

    _operate(token, work, as_json=as_json)


def _operate(
    token: str | None,
    work: "Callable[[Operator], Awaitable[None]]",
    *,
    as_json: bool = False,
) -> None:
    from cli.orders import OrdersError, operator
    from cli.sessions import SessionError

    async def main(reach: Reach) -> None:
        async with operator(reach, token, as_json=as_json) as door:
            await work(door)

    try:
        run_operator(main)
    except (OrdersError, SessionError) as error:
        refuse(error)
