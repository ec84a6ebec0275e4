"""The `esimgo orders` commands as click sees them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from cli.reach import Reach
from cli.run import refuse, run_operator

if TYPE_CHECKING:
    from cli.orders import Operator

TOKEN = click.option(
    "--token",
    envvar="ESIMGO_TOKEN",
    help="An administrator's session token; without it the local emulator gives one.",
)


@click.group()
def orders() -> None:
    """Look after orders that do not come to an end by themselves."""


@orders.command()
@TOKEN
@click.option(
    "--older-than",
    default=900,
    show_default=True,
    type=click.IntRange(1, 7 * 86_400),
    help="Seconds that an order may be worked on before it counts.",
)
def stuck(token: str | None, older_than: int) -> None:
    """List orders in review, and those worked on for too long."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.stuck(older_than)))

    _operate(token, work)


@orders.command()
@TOKEN
@click.argument("order_id")
def show(token: str | None, order_id: str) -> None:
    """Show an order's attempts and steps, and the provider's orders that could be it."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.show(order_id)))

    _operate(token, work)


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
def unexplained(token: str | None) -> None:
    """List the provider's orders that no order here explains."""

    async def work(operator: "Operator") -> None:
        click.echo("\n".join(await operator.unexplained()))

    _operate(token, work)


def _operate(token: str | None, work: "Callable[[Operator], Awaitable[None]]") -> None:
    from cli.orders import OrdersError, operator
    from cli.sessions import SessionError

    async def main(reach: Reach) -> None:
        async with operator(reach, token) as door:
            await work(door)

    try:
        run_operator(main)
    except (OrdersError, SessionError) as error:
        refuse(error)
