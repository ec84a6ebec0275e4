"""The `esimgo payments` commands."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.operators.options import AMOUNT, JSON, KEY, MOMENT, TOKEN, YES, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.finance.payments import Payments

STATUSES = (
    "requires-action",
    "held",
    "authorized",
    "paid",
    "released",
    "partially-refunded",
    "refunded",
)
NOTE = click.option("--note", required=True, help="Reason, recorded with the payment.")


@click.group(cls=Group)
def payments() -> None:
    """List payments, review held orders, refund, and answer disputes."""


@payments.command("list")
@TOKEN
@JSON
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Only payments with this status; repeatable.",
)
@click.option("--customer", type=click.UUID, help="Only payments of the account with this id.")
@click.option("--since", type=MOMENT, help="Only payments recorded at or after this time.")
@click.option("--until", type=MOMENT, help="Only payments recorded before this time.")
@limit_of("payments")
def list_payments(token: str | None, as_json: bool, limit: int, **conditions: Any) -> None:
    """List payments of orders and top-ups, newest first."""
    _print(token, as_json, lambda payments: payments.list_payments(limit, **conditions))


@payments.command()
@TOKEN
@JSON
@click.argument("order_id")
def show(token: str | None, as_json: bool, order_id: str) -> None:
    """Show the payment of an order with its refunds."""
    _print(token, as_json, lambda payments: payments.show(order_id))


@payments.command()
@TOKEN
@JSON
@limit_of("orders")
def held(token: str | None, as_json: bool, limit: int) -> None:
    """List orders that are paid but not bought until a person has reviewed them, the oldest first."""
    _print(token, as_json, lambda payments: payments.held(limit))


@payments.command()
@TOKEN
@JSON
@NOTE
@click.argument("order_id")
def release(token: str | None, as_json: bool, note: str, order_id: str) -> None:
    """Buy a held order."""
    _print(token, as_json, lambda payments: payments.release(order_id, note))


@payments.command()
@TOKEN
@JSON
@NOTE
@YES
@click.argument("order_id")
def reject(token: str | None, as_json: bool, note: str, yes: bool, order_id: str) -> None:
    """Fail a held order, and give its payment back."""
    if not yes:
        click.confirm(f"Fail order {order_id} and give its payment back?", abort=True, err=True)
    _print(token, as_json, lambda payments: payments.reject(order_id, note))


@payments.command()
@TOKEN
@JSON
@NOTE
@YES
@KEY
@click.option("--amount", type=AMOUNT, help="Default: everything that is left.")
@click.option("--currency", help="Currency of the order, such as EUR; required with --amount.")
@click.option(
    "--to",
    "destination",
    type=click.Choice(["card", "wallet", "manual"]),
    help="Default: back to where it came from, first to the card. manual: you pay it back yourself.",
)
@click.argument("order_id")
def refund(
    token: str | None, as_json: bool, yes: bool, order_id: str, note: str, **options: Any
) -> None:
    """Refund an order in whole or in part. Its eSIMs stay as they are."""
    if not yes:
        amount = options["amount"] or "everything that is left"
        click.confirm(f"Refund {amount} of order {order_id}?", abort=True, err=True)
    _print(token, as_json, lambda payments: payments.refund(order_id, note, **options))


@payments.command("mark-paid")
@TOKEN
@JSON
@click.option("--amount", type=AMOUNT, required=True, help="What was received, exactly.")
@click.option("--currency", required=True, help="Currency of the amount, such as EUR.")
@click.option(
    "--reference", required=True, help="What identifies it, such as the text of a bank transfer."
)
@click.argument("order_id")
def mark_paid(
    token: str | None, as_json: bool, order_id: str, amount: Decimal, currency: str, reference: str
) -> None:
    """Record that a customer paid an order in another way; it is bought then.

    For orders with the method MANUAL, and for orders in review whose hold has ended.
    """
    _print(
        token,
        as_json,
        lambda payments: payments.mark_paid(order_id, amount, currency, reference),
    )


@payments.command()
@TOKEN
@JSON
@click.option("--open", "open_only", is_flag=True, help="Only disputes that are not decided yet.")
@limit_of("disputes")
def disputes(token: str | None, as_json: bool, limit: int, open_only: bool) -> None:
    """List payments that cardholders contest, newest first."""
    _print(token, as_json, lambda payments: payments.disputes(limit, open_only=open_only))


@payments.command()
@TOKEN
@JSON
@click.argument("order_id")
def evidence(token: str | None, as_json: bool, order_id: str) -> None:
    """Show what to submit to the payment provider in a dispute about an order."""
    _print(token, as_json, lambda payments: payments.evidence(order_id))


def _print(
    token: str | None, as_json: bool, work: "Callable[[Payments], Awaitable[list[str]]]"
) -> None:
    from cli.operators.finance.payments import open_payments

    print_lines(lambda access: open_payments(access, token, as_json=as_json), work)
