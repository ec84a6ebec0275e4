"""The `esimgo wallets` commands."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import click

from cli.groups import Group
from cli.operators.options import AMOUNT, JSON, KEY, TOKEN, YES, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.finance.wallets import Wallets


@click.group(cls=Group)
def wallets() -> None:
    """Show and correct the prepaid balances of customers and organizations."""


ORGANIZATION = click.option(
    "--organization", is_flag=True, help="OWNER is the id of an organization, not of an account."
)


@wallets.command()
@TOKEN
@JSON
@limit_of("changes of each wallet")
@ORGANIZATION
@click.argument("owner", type=click.UUID)
def show(token: str | None, as_json: bool, limit: int, organization: bool, owner: UUID) -> None:
    """Show the wallets of the account with this id, and their changes, newest first."""
    _print(token, as_json, lambda wallets: wallets.show(owner, limit, of_organization=organization))


@wallets.command(context_settings={"ignore_unknown_options": True})
@TOKEN
@JSON
@YES
@KEY
@ORGANIZATION
@click.option(
    "--received",
    is_flag=True,
    help="The money reached the shop in another way, such as a bank transfer, or left it that way.",
)
@click.option("--note", required=True, help="Reason, recorded with the correction.")
@click.argument("owner", type=click.UUID)
@click.argument("amount", type=AMOUNT)
@click.argument("currency")
def correct(
    token: str | None,
    as_json: bool,
    yes: bool,
    key: str | None,
    organization: bool,
    received: bool,
    note: str,
    owner: UUID,
    amount: Decimal,
    currency: str,
) -> None:
    """Add AMOUNT to a balance; a negative one, such as -5.00, is subtracted."""
    if not yes:
        whose = f"organization {owner}" if organization else str(owner)
        text = f"Add {amount} {currency} to the wallet of {whose}?"
        click.confirm(text, abort=True, err=True)
    _print(
        token,
        as_json,
        lambda wallets: wallets.correct(
            owner,
            amount,
            currency,
            note,
            key,
            of_organization=organization,
            received=received,
        ),
    )


def _print(
    token: str | None, as_json: bool, work: "Callable[[Wallets], Awaitable[list[str]]]"
) -> None:
    from cli.operators.finance.wallets import open_wallets

    print_lines(lambda access: open_wallets(access, token, as_json=as_json), work)
