"""Putting bundles of the inventory on eSIMs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.state.ordering import MOST_BUNDLES, complete_or_wait, open_order, target
from sandbox.state.records import Line, Lot, Order
from sandbox.state.refusal import Refusal, bad
from sandbox.state.stock import available
from sandbox.state.world import World


@dataclass(frozen=True, slots=True)
class Wish:
    """A bundle for an eSIM, or for `repeat` new ones when no ICCID is named."""

    bundle: str
    iccid: str | None = None
    repeat: int = 1
    reassign: bool = False
    begins_at: datetime | None = None


def apply(world: World, wishes: list[Wish], source_ip: str, at: datetime) -> Order:
    """Takes the bundles out of the inventory and assigns them; nothing is charged.

    All wishes are checked before the first one is granted.
    """
    if sum(wish.repeat for wish in wishes) > MOST_BUNDLES:
        raise bad(f"at most {MOST_BUNDLES} bundles can be applied at once")
    lines: list[Line] = []
    taken: list[Lot] = []
    for wish in wishes:
        bundle = world.catalogue.known(wish.bundle)
        if bundle is None:
            raise bad(f"bundle {wish.bundle!r} is not in the catalogue; names are case-sensitive")
        esim = None
        if wish.iccid is not None:
            esim = target(world, wish.iccid, bundle, reassign=wish.reassign)
        lots = _take(world, wish, taken, at)
        taken += lots
        lines += [
            Line(
                item="",
                quantity=0,
                price=Decimal(),
                type="bundleAssignment",
                reassign=wish.reassign,
                asked=(esim.iccid,) if esim else (),
                lot=lot.usage_id,
                bundle=bundle.name,
                begins_at=wish.begins_at,
            )
            for lot in lots
        ]
    for lot in taken:
        lot.remaining -= 1
    order = open_order(
        world, tuple(lines), total=Decimal(), assigned=True, source_ip=source_ip, at=at
    )
    complete_or_wait(world, order, at)
    return order


def _take(world: World, wish: Wish, taken: list[Lot], at: datetime) -> list[Lot]:
    found: list[Lot] = []
    for lot in available(world, wish.bundle, at):
        left = lot.remaining - taken.count(lot)
        found += [lot] * min(left, wish.repeat - len(found))
    if len(found) < wish.repeat:
        raise Refusal(
            world.switches.no_inventory_status,
            f"no bundle {wish.bundle!r} is left in the inventory: order it with assign: false",
        )
    return found
