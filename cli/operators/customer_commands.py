"""The `esimgo customers` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import click

from cli.config.access import Access
from cli.groups import Group
from cli.operators.options import JSON
from cli.run import run_operator

if TYPE_CHECKING:
    from cli.operators.customers import Owners

USER = click.option(
    "--user", type=click.UUID, required=True, help="Id of the account in Supabase Auth."
)


@click.group(cls=Group)
def customers() -> None:
    """Find a customer, and export or erase the data stored about one."""


@customers.command()
@JSON
@click.argument("email")
def find(email: str, as_json: bool) -> None:
    """Find the account with an e-mail address: its id, and its number of orders and eSIMs."""
    from cli.operators.customers import find as find_accounts

    async def main(access: Access) -> None:
        click.echo("\n".join(await find_accounts(access, email, as_json=as_json)))

    run_operator(main)


@customers.command()
@USER
def export(user: UUID) -> None:
    """Print all data stored about a customer as JSON, including secrets such as activation codes."""

    from cli.operators import output

    async def work(owners: "Owners") -> None:
        click.echo("\n".join(output.document(await owners.export(user))))

    _with_owners(work)


@customers.command()
@USER
@click.option("--yes", is_flag=True, help="Skip the confirmation, for scripts.")
def erase(user: UUID, yes: bool) -> None:
    """Permanently erase the personal data of a customer; orders stay for accounting, without an owner.

    Afterwards the customer can no longer access the eSIMs. Export the data first, and delete or ban
    the account in Supabase Auth beforehand, so that no new data is created.

    """
    if not yes:
        click.confirm(f"Permanently erase the data of customer {user}?", abort=True, err=True)

    async def work(owners: "Owners") -> None:
        click.echo(await owners.erase(user))

    _with_owners(work)


def _with_owners(work: "Callable[[Owners], Awaitable[None]]") -> None:
    from cli.operators.customers import open_owners

    async def main(access: Access) -> None:
        async with open_owners(access) as owners:
            await work(owners)

    run_operator(main)
