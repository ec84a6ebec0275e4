"""Top-ups: by the organisation's card, automatic, or by the provider."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sandbox.state import callbacks
from sandbox.state.ordering import open_order
from sandbox.state.records import Line
from sandbox.state.refusal import bad
from sandbox.state.world import World

# The provider's limits of one top-up, and of all in a day.
LEAST = Decimal(1000)
MOST_IN_A_DAY = Decimal(5000)


class Kind(StrEnum):
    """Type of the row in the order history; its callback is named beside it."""

    API = "apiTopup"
    AUTO = "autoTopup"
    PROVIDER = "topup"


_CALLBACKS = {Kind.API: "Topup", Kind.AUTO: "AutoTopup", Kind.PROVIDER: "eSIMGoTopup"}
_ITEMS = {Kind.API: "API Topup", Kind.AUTO: "Auto Topup", Kind.PROVIDER: "Topup"}


def by_api(world: World, amount: Decimal, source_ip: str, at: datetime) -> int:
    """Charge the stored card within the provider's limits; return the payment's reference."""
    if amount < LEAST:
        raise bad(f"amount must be at least {LEAST}")
    recent = (
        entry.amount
        for entry in world.ledger
        if entry.kind == Kind.API and at - entry.at < timedelta(days=1)
    )
    today = sum(recent, Decimal())
    if today + amount > MOST_IN_A_DAY:
        raise bad(f"at most {MOST_IN_A_DAY} a day can be topped up; {today} were already")
    return top_up(world, Kind.API, amount, source_ip, at)


def top_up(world: World, kind: Kind, amount: Decimal, source_ip: str, at: datetime) -> int:
    """Add money to the balance, the ledger and the order history, and send a callback."""
    reference = world.ids.topup()
    before = world.account.balance
    world.book(kind, amount, str(reference), at)
    line = Line(
        item=_ITEMS[kind],
        quantity=1,
        price=amount,
        type=kind,
        invoice=f"https://invoices.sandbox.example/{reference}",
    )
    order = open_order(world, (line,), total=amount, assigned=False, source_ip=source_ip, at=at)
    order.message = "Topup completed"
    callbacks.topped_up(world, _CALLBACKS[kind], before, at)
    return reference
