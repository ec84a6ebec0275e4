"""The `esimgo coupons` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.operators.options import AMOUNT, JSON, MOMENT, TOKEN, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.pricing.coupons import Coupons


@click.group(cls=Group)
def coupons() -> None:
    """List, create and disable coupons.

    A coupon reduces the price of an order, but not below the least price of the plan unless --max-loss
    allows it. Without price lists the least price is the cost.

    """


@coupons.command("list")
@TOKEN
@JSON
@limit_of("coupons")
def list_coupons(token: str | None, as_json: bool, limit: int) -> None:
    """List coupons with their use, newest first."""
    _print(token, as_json, lambda coupons: coupons.list_coupons(limit))


@coupons.command()
@TOKEN
@JSON
@click.option("--percent", help="Percentage to subtract, such as 15.")
@click.option("--amount", type=AMOUNT, help="Amount to subtract instead, in --currency.")
@click.option(
    "--currency", help="Currency of all amounts, such as EUR; only orders in it can use the coupon."
)
@click.option("--minimum", type=AMOUNT, help="Minimum value of an order before the discount.")
@click.option("--budget", type=AMOUNT, help="Maximum sum of all discounts.")
@click.option("--max-loss", type=AMOUNT, help="Maximum loss on one order. Default: no loss.")
@click.option("--max-uses", type=click.IntRange(1), default=None, help="Maximum number of orders.")
@click.option(
    "--per-customer",
    type=click.IntRange(1),
    default=None,
    help="Maximum number of orders of one customer.",
)
@click.option("--first-purchase", is_flag=True, help="Only for customers who have bought nothing.")
@click.option("--starts", type=MOMENT, help="When it can first be used.")
@click.option("--ends", type=MOMENT, help="When it stops being valid.")
@click.option("--plan", "plans", multiple=True, help="Id or bundle name of a plan. Repeatable.")
@click.option("--group", "groups", multiple=True, help="Bundle group. Repeatable.")
@click.option(
    "--country",
    "countries",
    multiple=True,
    help="ISO code: only plans that cover nothing but these. Repeatable.",
)
@click.argument("code")
def create(
    token: str | None,
    as_json: bool,
    code: str,
    max_uses: int | None,
    per_customer: int | None,
    **options: Any,
) -> None:
    """Create a coupon: give exactly one of --percent and --amount."""
    if (options["percent"] is None) == (options["amount"] is None):
        raise click.UsageError("give exactly one of --percent and --amount")
    from cli.operators.pricing.coupons import NewCoupon

    wanted = NewCoupon(max_uses=max_uses or 0, per_customer=per_customer or 0, **options)
    _print(token, as_json, lambda coupons: coupons.create(code, wanted))


@coupons.command()
@TOKEN
@JSON
@click.argument("coupon", metavar="COUPON")
def disable(token: str | None, as_json: bool, coupon: str) -> None:
    """End a coupon now; COUPON is its id or code. Orders that have it keep their discount."""
    _print(token, as_json, lambda coupons: coupons.disable(coupon))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Coupons], Awaitable[list[str]]]"
) -> None:
    from cli.operators.pricing.coupons import open_coupons

    print_lines(lambda access: open_coupons(access, token, as_json=as_json), work)
