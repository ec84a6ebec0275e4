"""The `esimgo organizations` commands."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from cli.groups import Group
from cli.operators.options import AMOUNT, JSON, limit_of, token
from cli.operators.organizations.statement_commands import COMMANDS as STATEMENT_COMMANDS
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.organizations.organizations import Organizations

TOKEN = token(
    "Access token of an administrator, whose id is then recorded; to read, of any staff. Default: the"
    " service role key."
)
BILLING = click.Choice(["prepaid", "invoice", "card"])
ORGANIZATION = click.argument("organization", metavar="ORGANIZATION", type=click.UUID)


@click.group(cls=Group)
def organizations() -> None:
    """Create and manage organizations: companies that buy for many people.

    ORGANIZATION is an id, as `esimgo organizations list` prints it.

    """


@organizations.command()
@TOKEN
@JSON
@click.argument("name")
@click.option(
    "--currency",
    required=True,
    help="Currency that it buys in: that of a price list, such as EUR. Without such a list it can buy"
    " nothing. It can't be changed later.",
)
@click.option(
    "--billing",
    type=BILLING,
    default="prepaid",
    show_default=True,
    help="How it pays: from its wallet, by monthly statements, or each buyer by card.",
)
@click.option("--credit", type=AMOUNT, help="What it may owe; only with --billing invoice.")
@click.option("--address", default="", help="Billing address.")
@click.option("--country", default="", help="ISO code of its country, such as DE.")
@click.option("--tax-id", default="", help="Tax id; its form is checked by the country's rules.")
@click.option("--locale", default="", help="Language, such as de-AT. Default: en.")
@click.option("--time-zone", default="", help="Zone of its months, such as Europe/Berlin.")
def create(token: str | None, as_json: bool, name: str, **options: Any) -> None:
    """Create the organization NAME, without members."""
    credit: Decimal | None = options["credit"]
    if credit is not None and options["billing"] != "invoice":
        raise click.UsageError("--credit requires --billing invoice")
    from cli.operators.organizations.profiles import NewOrganization

    _print(token, as_json, lambda service: service.create(name, NewOrganization(**options)))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
@click.option("--name", help="Name of the company.")
@click.option("--billing", type=BILLING, help="How it pays from its next order on.")
@click.option("--credit", type=AMOUNT, help="What it may owe; only with the billing invoice.")
@click.option("--address", help='Billing address; "" removes it.')
@click.option("--country", help='ISO code of its country, such as DE; "" removes it.')
@click.option(
    "--tax-id", help='Tax id; its form is checked by the country\'s rules. "" removes it.'
)
@click.option("--locale", help="Language, such as de-AT.")
@click.option("--time-zone", help="Zone of its months, such as Europe/Berlin.")
def update(token: str | None, as_json: bool, organization: UUID, **options: Any) -> None:
    """Change an organization, such as its credit limit. What is left out stays as it is."""
    if all(value is None for value in options.values()):
        raise click.UsageError("name what to change, such as --credit 5000")
    from cli.operators.organizations.profiles import Change

    _print(token, as_json, lambda service: service.update(organization, Change(**options)))


@organizations.command("list")
@TOKEN
@JSON
@limit_of("organizations")
def list_organizations(token: str | None, as_json: bool, limit: int) -> None:
    """List organizations, newest first."""
    _print(token, as_json, lambda service: service.list_organizations(limit))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
def show(token: str | None, as_json: bool, organization: UUID) -> None:
    """Show an organization with its groups and open invitations."""
    _print(token, as_json, lambda service: service.show(organization))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
def members(token: str | None, as_json: bool, organization: UUID) -> None:
    """List the members, the longest-standing first."""
    _print(token, as_json, lambda service: service.members(organization))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(["owner", "manager", "buyer", "finance", "traveler"]),
    required=True,
    help="Role of the person.",
)
@click.option("--group", type=click.UUID, help="Id of a group that the person joins too.")
def invite(
    token: str | None,
    as_json: bool,
    organization: UUID,
    email: str,
    role: str,
    group: UUID | None,
) -> None:
    """Invite the person with the address EMAIL; prints a link, or a token, that works once."""
    _print(token, as_json, lambda service: service.invite(organization, email, role, group))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
@click.argument("account", type=click.UUID)
def remove(token: str | None, as_json: bool, organization: UUID, account: UUID) -> None:
    """Remove the member with this ACCOUNT id, which every service then refuses."""
    _print(token, as_json, lambda service: service.remove(organization, account))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
def suspend(token: str | None, as_json: bool, organization: UUID) -> None:
    """Stop purchases and invitations of an organization. Safe to repeat."""
    _print(token, as_json, lambda service: service.set_suspended(organization, suspended=True))


@organizations.command()
@TOKEN
@JSON
@ORGANIZATION
def resume(token: str | None, as_json: bool, organization: UUID) -> None:
    """End a suspension. Safe to repeat."""
    _print(token, as_json, lambda service: service.set_suspended(organization, suspended=False))


for command in STATEMENT_COMMANDS:
    organizations.add_command(command)


def _print(
    token: str | None, as_json: bool, work: "Callable[[Organizations], Awaitable[list[str]]]"
) -> None:
    from cli.operators.organizations.organizations import open_organizations

    print_lines(lambda access: open_organizations(access, token, as_json=as_json), work)
