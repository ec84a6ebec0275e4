"""The `esimgo books` commands."""

import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.operators.options import JSON, MOMENT, limit_of, token
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.finance.books import Books

TOKEN = token(
    "Access token of the finance staff or an administrator. Default: the service role key."
)


@click.group(cls=Group)
def books() -> None:
    """Read the ledger, and compare it with everything that it should agree with.

    Positive amounts are debits, negative ones are credits.

    """


@books.command()
@TOKEN
@JSON
@click.option("--since", type=MOMENT, help="Start of the period. Default: 31 days before its end.")
@click.option("--until", type=MOMENT, help="End of the period. Default: now.")
def check(token: str | None, as_json: bool, since: datetime | None, until: datetime | None) -> None:
    """Compare the ledger with orders, payments, wallets, eSIM Go and the payment provider.

    Prints each difference with what to do, and changes nothing. The exit status is 1 if there are any.

    """
    differences = 0

    async def work(found: "Books") -> list[str]:
        nonlocal differences
        lines, differences = await found.check(since, until)
        return lines

    _print(token, as_json, work)
    sys.exit(1 if differences else 0)


@books.command()
@TOKEN
@JSON
@limit_of("transactions")
@click.option("--account", help="Only transactions with this account, such as clearing:stripe.")
@click.option("--order", "order_id", help="Only transactions of this order.")
@click.option("--since", type=MOMENT, help="Only transactions from this time on.")
@click.option("--until", type=MOMENT, help="Only transactions before this time.")
def ledger(token: str | None, as_json: bool, limit: int, **wanted: Any) -> None:
    """List transactions of the ledger with their entries, newest first."""
    _print(token, as_json, lambda found: found.ledger(limit, **wanted))


@books.command()
@TOKEN
@JSON
@click.option("--at", type=MOMENT, help="Balances at this time. Default: now.")
def accounts(token: str | None, as_json: bool, at: datetime | None) -> None:
    """List the balance of every account."""
    _print(token, as_json, lambda found: found.accounts(at))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Books], Awaitable[list[str]]]"
) -> None:
    from cli.operators.finance.books import open_books

    print_lines(lambda access: open_books(access, token, as_json=as_json), work)
