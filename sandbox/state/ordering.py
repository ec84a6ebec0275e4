"""Orders: validation, charge, and delivery of eSIMs or to the inventory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.state import callbacks
from sandbox.state.bundles import Bundle
from sandbox.state.clock import written_seconds
from sandbox.state.lifecycle import assign
from sandbox.state.records import Esim, Line, Order
from sandbox.state.refusal import Refusal, bad
from sandbox.state.stock import add_lot, new_esim
from sandbox.state.world import World

# Far above any sensible order, so that one request can't fill the memory.
MOST_BUNDLES = 10_000


def read_lines(world: World, body: dict[str, Any]) -> tuple[Line, ...]:
    """Return the lines of an order after checking every rule but the balance."""
    assigned = bool(body.get("assign", False))
    if body.get("profileID") and not assigned:
        raise bad("profileID needs assign: true")
    lines = tuple(_line(world, item, assigned=assigned) for item in body["order"])
    if sum(line.quantity for line in lines) > MOST_BUNDLES:
        raise bad(f"an order holds at most {MOST_BUNDLES} bundles")
    return lines


def _line(world: World, item: dict[str, Any], *, assigned: bool) -> Line:
    bundle = world.catalogue.get(item["item"])
    if bundle is None:
        raise bad(f"bundle {item['item']!r} is not in the catalogue; names are case-sensitive")
    iccids: Sequence[str] = item.get("iccids") or ()
    quantity = int(item["quantity"])
    reassign = bool(item.get("allowReassign", False))
    if iccids and not assigned:
        raise bad("iccids are only allowed with assign: true")
    if iccids and len(iccids) != quantity:
        raise bad("quantity must match the number of iccids")
    for iccid in iccids:
        target(world, iccid, bundle, reassign=reassign)
    return Line(bundle.name, quantity, bundle.price, reassign=reassign, asked=tuple(iccids))


def target(world: World, iccid: str, bundle: Bundle, *, reassign: bool) -> Esim | None:
    """Return the named eSIM if it accepts the bundle; None for a new one, if allowed."""
    esim = world.esims.get(iccid)
    if esim is None:
        raise Refusal(world.switches.unknown_iccid, "access denied")
    if esim.state != "deactivated" and fits(esim, bundle):
        return esim
    if reassign:
        return None
    if esim.state == "deactivated":
        raise bad(f"eSIM {iccid} has been deactivated; set allowReassign to get a new one")
    raise bad(
        f"bundle {bundle.name!r} does not fit eSIM {iccid}; set allowReassign to get a new one"
    )


def fits(esim: Esim, bundle: Bundle) -> bool:
    """Return True if the bundle has the eSIM's operator profile."""
    return esim.profile == bundle.profile


def total_of(lines: Sequence[Line]) -> Decimal:
    """Return the total price of all lines."""
    return sum((line.total for line in lines), Decimal())


def check_balance(world: World, total: Decimal, at: datetime) -> None:
    """Refuse an amount above the balance, with a callback."""
    if total > world.account.balance:
        callbacks.purchase_refused(world, at)
        raise Refusal(
            world.switches.low_balance_status, "insufficient balance: top up and order again"
        )


def place(
    world: World,
    lines: tuple[Line, ...],
    *,
    assigned: bool,
    branding: str,
    source_ip: str,
    at: datetime,
) -> Order:
    """Charge the balance and complete the order, later if it is large."""
    total = total_of(lines)
    check_balance(world, total, at)
    order = open_order(
        world, lines, total=total, assigned=assigned, source_ip=source_ip, at=at, branding=branding
    )
    world.book("order", -total, order.reference, at)
    order.balance_after = world.account.balance
    callbacks.balance_fell(world, at)
    complete_or_wait(world, order, at)
    return order


def open_order(
    world: World,
    lines: tuple[Line, ...],
    *,
    total: Decimal,
    assigned: bool,
    source_ip: str,
    at: datetime,
    branding: str = "",
) -> Order:
    """Create an unprocessed row of the order history."""
    order = Order(
        reference=world.ids.reference(),
        lines=lines,
        total=total,
        currency=world.settings.currency,
        assigned=assigned,
        status="completed",
        message="",
        created_at=at,
        nanoseconds=world.ids.sequence() % 1000,
        source_ip=source_ip,
        balance_after=world.account.balance,
        branding=branding,
    )
    return world.orders.add(order.reference, order)


def complete_or_wait(world: World, order: Order, at: datetime) -> None:
    """Complete an order now, or later if it has more bundles than the switch async_above."""
    if sum(max(1, line.quantity) for line in order.lines) > world.switches.async_above:
        order.status = world.switches.async_status
        order.message = "Order is being processed"
        order.pending_until = at + timedelta(seconds=world.switches.async_seconds)
        world.at(order.pending_until, "complete", order.reference)
    else:
        complete(world, order, at)


def on_complete(world: World, key: str, at: datetime) -> None:
    """Complete a large order at its time."""
    order = world.orders.get(key)
    if order is not None and order.pending_until is not None:
        order.pending_until = None
        if any(_bundle_of(world, line) is None for line in order.lines):
            order.status = "failed"
            order.message = "Order failed: a bundle is no longer known"
            world.book("refund", order.total, order.reference, at)
            return
        complete(world, order, at)


def complete(world: World, order: Order, at: datetime) -> None:
    """Deliver what was bought."""
    order.status = "completed"
    if not order.assigned:
        for line in order.lines:
            add_lot(world, line.item, line.quantity, line.price, at)
        count = sum(line.quantity for line in order.lines)
        order.message = f"Order completed: {count} bundles added to inventory"
        return
    index = 0
    lines: list[Line] = []
    for line in order.lines:
        given = _assign_line(world, order, line, index, at)
        index += len(given)
        lines.append(replace(line, iccids=given))
    order.lines = tuple(lines)
    if order.lines[0].type == "bundle":
        order.message = f"Order completed: {index} eSIMs assigned"
    _tell_platform(world, order, at)


def _assign_line(
    world: World, order: Order, line: Line, index: int, at: datetime
) -> tuple[str, ...]:
    bundle = _bundle_of(world, line)
    if bundle is None:  # every caller has found the bundle before
        raise bad(f"bundle {line.bundle or line.item!r} is not known")
    given: list[str] = []
    count = max(1, line.quantity)
    lot = world.lots.get(str(line.lot)) if line.lot is not None else None
    for place_ in range(count):
        asked = line.asked[place_] if line.asked else None
        esim = world.esims.get(asked) if asked else None
        if esim is None or esim.state == "deactivated" or not fits(esim, bundle):
            esim = new_esim(world, bundle, order.branding, at)
        assign(
            world,
            esim,
            bundle,
            f"{order.reference}-{index + place_}",
            price=lot.price if lot else line.price,
            bought_at=lot.bought_at if lot else order.created_at,
            lot=line.lot,
            at=at,
            begins=line.begins_at,
        )
        given.append(esim.iccid)
    return tuple(given)


def _bundle_of(world: World, line: Line) -> Bundle | None:
    return world.catalogue.known(line.bundle or line.item)


def _tell_platform(world: World, order: Order, at: datetime) -> None:
    given = [world.esims[iccid] for line in order.lines for iccid in line.iccids]
    esims = [
        {
            "iccid": esim.iccid,
            "customer_ref": esim.customer_ref,
            "qr_code": activation_code(esim),
            "status": "ASSIGNED",
            "assigned_date": written_seconds(at),
        }
        for esim in given
    ]
    data = {"order_reference": order.reference, "esims": esims}
    callbacks.platform_event(world, "order.completed", data, at)
    for esim in given:
        one = {
            "iccid": esim.iccid,
            "qr_code": activation_code(esim),
            "assigned_date": written_seconds(at),
        }
        callbacks.platform_event(world, "esim.assigned", one, at)


def activation_code(esim: Esim) -> str:
    """Return the content of an eSIM's QR code."""
    return f"LPA:1${esim.smdp_host}${esim.matching_id}"
