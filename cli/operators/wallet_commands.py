"""The `esimgo wallets` commands."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import click

from cli.config.access import Access
from cli.operators.coupon_commands import AMOUNT
from cli.operators.options import JSON, limit_of
from cli.operators.payment_commands import KEY, TOKEN, YES
from cli.run import run_operator

if TYPE_CHECKING:
    from cli.operators.wallets import Wallets


@click.group()
def wallets() -> None:
    """Show and correct the prepaid balances of customers."""


@wallets.command()
@TOKEN
@JSON
@limit_of("changes of each wallet")
@click.argument("customer", type=click.UUID)
def show(token: str | None, as_json: bool, limit: int, customer: UUID) -> None:
    """Show the wallets of the account with this id, and their changes, newest first."""
    _print(token, as_json, lambda wallets: wallets.show(customer, limit))


@wallets.command(context_settings={"ignore_unknown_options": True})
@TOKEN
@JSON
@YES
@KEY
@click.option("--note", required=True, help="Reason, recorded with the correction.")
@click.argument("customer", type=click.UUID)
@click.argument("amount", type=AMOUNT)
@click.argument("currency")
def correct(
    token: str | None,
    as_json: bool,
    yes: bool,
    key: str | None,
    note: str,
    customer: UUID,
    amount: Decimal,
    currency: str,
) -> None:
    """Add AMOUNT to a balance; a negative one, such as -5.00, is subtracted."""
    if not yes:
        text = f"Add {amount} {currency} to the wallet of {customer}?"
        click.confirm(text, abort=True, err=True)
    _print(token, as_json, lambda wallets: wallets.correct(customer, amount, currency, note, key))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Wallets], Awaitable[list[str]]]"
) -> None:
    from cli.operators.wallets import open_wallets

    async def main(access: Access) -> None:
        async with open_wallets(access, token, as_json=as_json) as wallets:
            click.echo("\n".join(await work(wallets)))

    run_operator(main)
