"""The commands of `esimgo organizations` that are about statements."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import click

from cli.operators.options import AMOUNT, JSON, KEY, TOKEN, YES, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.organizations.statements import Statements

STATEMENT = click.argument("statement", metavar="STATEMENT", type=click.UUID)


@click.command()
@TOKEN
@JSON
@limit_of("statements")
@click.option("--unpaid", is_flag=True, help="Only statements of which something is left to pay.")
@click.argument("organization", metavar="[ORGANIZATION]", type=click.UUID, required=False)
def statements(
    token: str | None, as_json: bool, limit: int, unpaid: bool, organization: UUID | None
) -> None:
    """List the statements of an organization, or of all, newest first."""
    _print(
        token,
        as_json,
        lambda service: service.list_statements(organization, limit, unpaid=unpaid),
    )


@click.command()
@TOKEN
@JSON
@STATEMENT
def statement(token: str | None, as_json: bool, statement: UUID) -> None:
    """Show a statement with its lines, payments and credit notes."""
    _print(token, as_json, lambda service: service.show(statement))


@click.command()
@TOKEN
@JSON
@YES
@click.argument("organization", metavar="ORGANIZATION", type=click.UUID)
def bill(token: str | None, as_json: bool, yes: bool, organization: UUID) -> None:
    """Issue the statement of the current month now, such as for an organization that leaves.

    Otherwise it is issued automatically when the month is over. What the organization buys afterwards in this
    month is on its next statement.

    """
    if not yes:
        text = "Issue the statement of the current month? It never changes afterwards."
        click.confirm(text, abort=True, err=True)
    _print(token, as_json, lambda service: service.bill(organization))


@click.command()
@TOKEN
@JSON
@YES
@KEY
@click.option("--on", help="The day it arrived, such as 2026-11-30. Default: today, in UTC.")
@click.option("--note", default="", help="Such as the bank's reference.")
@STATEMENT
@click.argument("amount", type=AMOUNT)
@click.argument("currency")
def paid(
    token: str | None,
    as_json: bool,
    yes: bool,
    key: str | None,
    on: str | None,
    note: str,
    statement: UUID,
    amount: Decimal,
    currency: str,
) -> None:
    """Record that a statement was paid with AMOUNT, such as 250.00."""
    from cli.operators.organizations.statements import day

    if not yes:
        click.confirm(f"Record {amount} {currency} as received?", abort=True, err=True)

    async def work(service: "Statements") -> list[str]:
        arrived = day(on) if on else datetime.now(UTC).date()
        return await service.paid(statement, amount, currency, on=arrived, note=note, key=key)

    _print(token, as_json, work)


@click.command()
@TOKEN
@JSON
@YES
@KEY
@click.option("--note", required=True, help="Reason, which the organization reads.")
@STATEMENT
@click.argument("amount", type=AMOUNT)
@click.argument("currency")
def credit(
    token: str | None,
    as_json: bool,
    yes: bool,
    key: str | None,
    note: str,
    statement: UUID,
    amount: Decimal,
    currency: str,
) -> None:
    """Issue a credit note of AMOUNT for a statement, which itself never changes."""
    if not yes:
        text = f"Issue a credit note of {amount} {currency}?"
        click.confirm(text, abort=True, err=True)
    _print(
        token,
        as_json,
        lambda service: service.credit(statement, amount, currency, note=note, key=key),
    )


COMMANDS = (statements, statement, bill, paid, credit)


def _print(
    token: str | None, as_json: bool, work: "Callable[[Statements], Awaitable[list[str]]]"
) -> None:
    from cli.operators.organizations.statements import open_statements

    print_lines(lambda access: open_statements(access, token, as_json=as_json), work)
