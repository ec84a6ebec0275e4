"""The `esimgo orders` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.operators.options import JSON, MOMENT, limit_of, token
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.orders import Orders

STATUSES = ("processing", "completed", "failed", "cancelled", "refunded")
TOKEN = token("Access token of an administrator. Default: one issued by the local emulator.")


@click.group(cls=Group)
def orders() -> None:
    """List, cancel and settle the orders of all customers."""


@orders.command("list")
@TOKEN
@JSON
@click.option("--customer", type=click.UUID, help="Only orders of the account with this id.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Only orders with this status; repeatable.",
)
@click.option("--since", type=MOMENT, help="Only orders created at or after this time.")
@limit_of("orders")
def list_orders(token: str | None, as_json: bool, limit: int, **conditions: Any) -> None:
    """List orders of all customers, newest first."""
    _print(token, lambda orders: orders.list_orders(limit, **conditions), as_json=as_json)


@orders.command()
@TOKEN
@JSON
@click.option(
    "--unused-only", is_flag=True, help="Cancel only the unused part of a partly used order."
)
@click.option("--yes", is_flag=True, help="Skip the confirmation, for scripts.")
@click.argument("order_id")
def cancel(token: str | None, as_json: bool, unused_only: bool, yes: bool, order_id: str) -> None:
    """Cancel an unused order, and refund it if the provider allows.

    Its bundles are permanently revoked from the eSIMs. An order that has been used is refused and not
    changed.

    """
    if not yes:
        click.confirm(f"Permanently cancel order {order_id}?", abort=True, err=True)

    _print(token, lambda orders: orders.cancel(order_id, unused_only=unused_only), as_json=as_json)


@orders.command()
@TOKEN
@click.option(
    "--older-than",
    default=900,
    show_default=True,
    type=click.IntRange(1, 7 * 86_400),
    help="Seconds that an order may be processing before it is listed.",
)
@JSON
def stuck(token: str | None, older_than: int, as_json: bool) -> None:
    """List orders in review, and those that have been processing for too long."""

    _print(token, lambda orders: orders.stuck(older_than), as_json=as_json)


@orders.command()
@TOKEN
@JSON
@click.argument("order_id")
def show(token: str | None, as_json: bool, order_id: str) -> None:
    """Show an order with its attempts and steps, and the provider's orders that may belong to it."""

    _print(token, lambda orders: orders.show(order_id), as_json=as_json)


@orders.command()
@TOKEN
@click.option("--note", default="", help="Reason, recorded in the history of the order.")
@click.argument("order_id")
def resume(token: str | None, note: str, order_id: str) -> None:
    """Process an order again now, by the usual rules."""

    _print(token, lambda orders: orders.resume(order_id, note))


@orders.command()
@TOKEN
@click.option(
    "--placed-as",
    default="",
    metavar="REFERENCE",
    help="The order was placed; REFERENCE is the provider's order.",
)
@click.option("--not-bought", is_flag=True, help="The order was not placed; nothing was charged.")
@click.option(
    "--paid-back", is_flag=True, help="The provider cancelled the order and returned the money."
)
@click.option("--note", required=True, help="What was found, and how.")
@click.argument("order_id")
def resolve(
    token: str | None, placed_as: str, not_bought: bool, paid_back: bool, note: str, order_id: str
) -> None:
    """Settle an order in review: give exactly one of --placed-as, --not-bought and --paid-back."""
    if (bool(placed_as), not_bought, paid_back).count(True) != 1:
        raise click.UsageError("give exactly one of --placed-as, --not-bought and --paid-back")

    _print(
        token,
        lambda orders: orders.resolve(
            order_id, note, placed_as=placed_as, not_bought=not_bought, paid_back=paid_back
        ),
    )


@orders.command()
@TOKEN
@JSON
def unexplained(token: str | None, as_json: bool) -> None:
    """List the provider's orders that match no order here."""

    _print(token, lambda orders: orders.unexplained(), as_json=as_json)


def _print(
    token: str | None, work: "Callable[[Orders], Awaitable[list[str]]]", *, as_json: bool = False
) -> None:
    from cli.operators.orders import open_orders

    print_lines(lambda access: open_orders(access, token, as_json=as_json), work)
